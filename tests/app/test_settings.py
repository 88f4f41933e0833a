"""Settings: the environment over foretide.yaml over defaults, and a sentence for everything that is wrong."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.settings import Settings, is_loopback, read_settings
from domain.errors import SettingsError

TOKEN = "t" * 32
WHOLE = """
host: 127.0.0.2
port: 9000
otlp_http_port: 4444
data_dir: state
database_url: postgresql+psycopg://u:hunter2@db/foretide
rules_dir: my-rules
cluster: local
retention: {metrics: 3d, traces: 2h, decisions: 7d, forecasts: 12h}
local:
  workloads:
  - {namespace: demo, name: shop, command: ["{python}", -m, shop], requests: {cpu: 500m, memory: 64Mi}, replicas: 2}
  companions:
  - {namespace: demo, name: edge, command: [edge, "{endpoints:shop}"], env: {OTEL: "{otlp}"}}
global: {scrape_interval: 5s}
scrape_configs:
- job_name: web
  static_configs: [{targets: ["127.0.0.1:9100"]}]
"""


def read(folder: Path, text: str | None = None, **environment: str) -> Settings:
    config = None
    if text is not None:
        config = folder / "conf" / "foretide.yaml"
        config.parent.mkdir(exist_ok=True)
        config.write_text(text)
    return read_settings(config=config, environment=environment, working_dir=folder)


def refusal(folder: Path, text: str | None = None, **environment: str) -> str:
    with pytest.raises(SettingsError) as caught:
        read(folder, text, **environment)
    return str(caught.value)


def test_defaults(tmp_path: Path) -> None:
    got = read(tmp_path)
    assert (got.host, got.port, got.otlp_http_port, got.api_token) == ("127.0.0.1", 8080, 4318, None)
    assert got.data_dir == tmp_path / "var"
    assert got.database_url == f"sqlite:///{tmp_path}/var/state.db"
    assert (got.rules_dir, got.cluster, got.config_path, got.otlp_endpoint) == (None, "observe", None, None)
    assert (got.log_level, got.log_format) == ("info", "auto")
    assert (got.retention.metrics, got.retention.traces) == (timedelta(days=15), timedelta(hours=24))
    assert (got.retention.decisions, got.retention.forecasts) == (timedelta(days=30), timedelta(days=2))
    assert got.scrape.jobs == ()
    assert got.local.workloads == ()


def test_every_field_of_the_file(tmp_path: Path) -> None:
    got = read(tmp_path, WHOLE)
    assert (got.host, got.port, got.otlp_http_port, got.cluster) == ("127.0.0.2", 9000, 4444, "local")
    assert got.data_dir == tmp_path / "state"
    assert got.database_url == "postgresql+psycopg://u:hunter2@db/foretide"
    assert got.rules_dir == tmp_path / "conf" / "my-rules"
    assert (got.retention.metrics, got.retention.traces) == (timedelta(days=3), timedelta(hours=2))
    assert (got.retention.decisions, got.retention.forecasts) == (timedelta(days=7), timedelta(hours=12))
    (shop,), (edge,) = got.local.workloads, got.local.companions
    assert (shop.name, shop.replicas, shop.command[0]) == ("shop", 2, "{python}")
    assert {name: float(value) for name, value in shop.requests.items()} == {"cpu": 0.5, "memory": 64 * 2**20}
    assert edge.env == {"OTEL": "{otlp}"}
    (job,) = got.scrape.jobs
    assert (job.job_name, job.scrape_interval) == ("web", timedelta(seconds=5))
    assert got.config_path == tmp_path / "conf" / "foretide.yaml"


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    got = read(
        tmp_path, WHOLE,
        FORETIDE_HOST="0.0.0.0", FORETIDE_PORT="7000", FORETIDE_OTLP_HTTP_PORT="7001", FORETIDE_API_TOKEN=TOKEN,
        FORETIDE_DATA_DIR="elsewhere", FORETIDE_DATABASE_URL="sqlite:///x.db", FORETIDE_RULES_DIR="r",
        FORETIDE_LOG_LEVEL="DEBUG", FORETIDE_LOG_FORMAT="json", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4318",
    )  # fmt: skip
    assert (got.host, got.port, got.otlp_http_port, got.api_token) == ("0.0.0.0", 7000, 7001, TOKEN)
    assert (got.data_dir, got.rules_dir) == (tmp_path / "elsewhere", tmp_path / "r")
    assert got.database_url == "sqlite:///x.db"
    assert (got.log_level, got.log_format, got.otlp_endpoint) == ("debug", "json", "http://127.0.0.1:4318")


def test_empty_variables_are_no_variables(tmp_path: Path) -> None:
    empty = dict.fromkeys(("FORETIDE_HOST", "FORETIDE_PORT", "FORETIDE_API_TOKEN", "FORETIDE_DATA_DIR"), "")
    assert read(tmp_path, **empty) == read(tmp_path)


def test_foretide_yaml_of_the_working_folder_is_found(tmp_path: Path) -> None:
    (tmp_path / "foretide.yaml").write_text("port: 9001")
    assert read(tmp_path).port == 9001


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_file_says_nothing(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text).port == 8080


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, 4318),
        ({"FORETIDE_PORT": "9000"}, None),
        ({"FORETIDE_PORT": "0"}, None),
        ({"FORETIDE_OTLP_HTTP_PORT": "0"}, None),
        ({"FORETIDE_PORT": "9000", "FORETIDE_OTLP_HTTP_PORT": "4318"}, 4318),
    ],
)
def test_the_otlp_port_is_off_beside_a_port_that_was_changed(
    tmp_path: Path, environment: dict[str, str], expected: int | None
) -> None:
    assert read(tmp_path, **environment).otlp_http_port == expected


def test_a_rules_folder_beside_the_file_is_found_and_a_package_is_not(tmp_path: Path) -> None:
    rules = tmp_path / "conf" / "rules"
    rules.mkdir(parents=True)
    assert read(tmp_path, "port: 1").rules_dir == rules
    (rules / "__init__.py").touch()
    assert read(tmp_path, "port: 1").rules_dir is None


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"FORETIDE_PORT": "http"}, "FORETIDE_PORT is 'http'; expected a port from 0 to 65535"),
        ({"FORETIDE_PORT": "65536"}, "FORETIDE_PORT is '65536'"),
        ({"FORETIDE_PORT": "-1"}, "FORETIDE_PORT is '-1'"),
        ({"FORETIDE_PORT": "9" * 5000}, "expected a port"),
        ({"FORETIDE_PORT": "８０８０"}, "expected a port"),
        ({"FORETIDE_OTLP_HTTP_PORT": "x"}, "FORETIDE_OTLP_HTTP_PORT is 'x'"),
        ({"FORETIDE_LOG_LEVEL": "loud"}, "FORETIDE_LOG_LEVEL is 'loud'; expected one of info, debug"),
        ({"FORETIDE_LOG_FORMAT": "xml"}, "FORETIDE_LOG_FORMAT is 'xml'"),
        ({"FORETIDE_HOST": "0.0.0.0"}, "listening on 0.0.0.0 needs a token"),
        ({"FORETIDE_HOST": "::"}, "listening on :: needs a token"),
        ({"FORETIDE_HOST": "example.org"}, "listening on example.org needs a token"),
        ({"FORETIDE_API_TOKEN": "short"}, "FORETIDE_API_TOKEN has 5 characters; expected 32 or more"),
        ({"FORETIDE_API_TOKEN": "a b" * 20}, "printable ASCII characters without spaces"),
        ({"FORETIDE_API_TOKEN": "ü" * 40}, "printable ASCII"),
        ({"FORETIDE_API_TOKEN_FILE": "/nonexistent/token"}, "FORETIDE_API_TOKEN_FILE (/nonexistent/token): cannot be"),
    ],
)
def test_what_is_wrong_in_the_environment(tmp_path: Path, environment: dict[str, str], sentence: str) -> None:
    said = refusal(tmp_path, **environment)
    assert sentence in said
    token = environment.get("FORETIDE_API_TOKEN")
    assert token is None or token not in said


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("prot: 1", ":1:1", "prot"),
        ("port: 70000", ":1:7", "65535"),
        ("port: '80'", ":1:7", "whole number"),
        ("cluster: k8s", ":1:10", "observe"),
        ("retention: {metrics: 3}", ":1:22", "duration"),
        ("retention: {samples: 3d}", ":1:13", "samples"),
        ("port: 1\nport: 2", ":2:1", "port"),
        ("a: &x 1\nb: *x", ":1:4", "anchor"),
        ("local: {workloads: [{name: shop, namespace: demo}]}", ":1:21", "command"),
        ("local: {workloads: [{name: Shop_1, namespace: demo, command: [x]}]}", ":1:28", "Shop_1"),
        (
            "scrape_configs: [{job_name: a, kubernetes_sd_configs: [{role: pod}]}]",
            ": ",
            "of job 'a' need cluster: kubernetes",
        ),
        ("global: {scrape_interval: soon}", ":1:", "scrape_interval"),
        ("---\n{}\n---\n{}", ":", "one document"),
        ("[1, 2]", ":1:1", ""),
        ("port: [", ":2:1", "not YAML"),
    ],
)
def test_what_is_wrong_in_the_file(tmp_path: Path, text: str, place: str, words: str) -> None:
    said = refusal(tmp_path, text)
    assert f"foretide.yaml{place}" in said
    assert words in said


def test_every_mistake_is_told_at_once_and_in_order(tmp_path: Path) -> None:
    said = refusal(tmp_path, "port: x\nhost: 1\nscrape_configs: 3\nnonsense: true").splitlines()
    assert [line.split(":")[1] for line in said] == sorted(line.split(":")[1] for line in said)
    assert len(said) >= 3


def test_a_file_that_is_not_there_or_is_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(SettingsError, match="cannot be read"):
            read_settings(config=path, environment={}, working_dir=tmp_path)


def test_a_token_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    assert read(tmp_path, FORETIDE_API_TOKEN_FILE=str(file)).api_token == TOKEN
    file.write_bytes(b"\xff" * 40)
    assert "cannot be read" in refusal(tmp_path, FORETIDE_API_TOKEN_FILE=str(file))
    file.write_text("")
    assert "has 0 characters" in refusal(tmp_path, FORETIDE_API_TOKEN_FILE=str(file))


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    shown = repr(read(tmp_path, WHOLE, FORETIDE_API_TOKEN=TOKEN))
    assert TOKEN not in shown
    assert "hunter2" not in shown


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("LocalHost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True),
     ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("127.0.0.1.evil.example", False), ("", False)],
)  # fmt: skip
def test_loopback(host: str, expected: Any) -> None:
    assert is_loopback(host) is expected
