from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from collector.config import from_node, parse_scrape_config
from collector.exposition_line import Format
from collector.targets import Authorization, BasicAuth, ScrapeLimits
from domain.errors import RuleDocumentError
from domain.labels import Labels

FULL = """\
global:
  scrape_interval: 30s
  evaluation_interval: 15s
  external_labels: {cluster: eu1}
scrape_configs:
- job_name: shop
  scrape_interval: 5s
  metrics_path: /internal/metrics
  scheme: https
  params: {module: [a, b]}
  honor_labels: true
  honor_timestamps: false
  fallback_scrape_protocol: PrometheusText0.0.4
  basic_auth: {username: scraper, password_file: secret}
  tls_config: {insecure_skip_verify: true}
  body_size_limit: 1MB
  sample_limit: 0
  label_limit: 30
  static_configs:
  - targets: ['127.0.0.1:9100', "[::1]:9100"]
    labels: {zone: a, shard: 1}
- job_name: plain
  authorization: {credentials: token}
  static_configs: [{targets: [localhost:9090]}]
"""


def mistakes_of(text: str) -> list[str]:
    with pytest.raises(RuleDocumentError) as caught:
        parse_scrape_config(text, "foretide.yaml")
    return [str(mistake) for mistake in caught.value.mistakes]


def one_job(line: str) -> str:
    return f"scrape_configs:\n- job_name: a\n  {line}\n"


def test_reads_a_prometheus_file() -> None:
    config = parse_scrape_config(FULL, "/etc/foretide/foretide.yaml")

    assert config.global_.external_labels == Labels.of(cluster="eu1")
    shop, plain = config.jobs
    assert (shop.scrape_interval, shop.scrape_timeout) == (timedelta(seconds=5), timedelta(seconds=5))
    assert (plain.scrape_interval, plain.scrape_timeout) == (timedelta(seconds=30), timedelta(seconds=10))
    assert shop.authorization == BasicAuth(username="scraper", password_file=Path("/etc/foretide/secret"))
    assert plain.authorization == Authorization(type="Bearer", credentials="token")
    assert shop.limits == ScrapeLimits(body_size_bytes=1024 * 1024, samples=0, labels=30)
    assert (shop.honor_labels, shop.honor_timestamps) == (True, False)
    assert shop.fallback_format is Format.TEXT
    first, second, third = config.targets()
    assert str(first.url) == "https://127.0.0.1:9100/internal/metrics?module=a&module=b"
    assert first.labels == Labels.of(job="shop", instance="127.0.0.1:9100", zone="a", shard="1")
    assert str(second.url) == "https://[::1]:9100/internal/metrics?module=a&module=b"
    assert str(third.url) == "http://localhost:9090/metrics"


def test_defaults_are_those_of_prometheus_with_limits_of_our_own() -> None:
    (job,) = parse_scrape_config("scrape_configs: [{job_name: a}]", "f").jobs

    assert (job.scrape_interval, job.scrape_timeout) == (timedelta(minutes=1), timedelta(seconds=10))
    assert (job.metrics_path, job.scheme, job.honor_labels, job.honor_timestamps) == ("/metrics", "http", False, True)
    assert (job.limits.body_size_bytes, job.limits.samples) == (64 * 1024 * 1024, 200_000)


@pytest.mark.parametrize("text", ["", "# nothing\n", "scrape_configs:\n", "global:\n", "{}"])
def test_nothing_configured_is_no_mistake(text: str) -> None:
    assert parse_scrape_config(text, "f").jobs == ()


def test_labels_may_steer_the_address() -> None:
    text = one_job(
        "static_configs: [{targets: [h:1], labels: {__scheme__: https, __metrics_path__: /m, __param_q: z}}]"
    )

    (target,) = parse_scrape_config(text, "f").targets()

    assert str(target.url) == "https://h:1/m?q=z"
    assert target.labels == Labels.of(job="a", instance="h:1")


def test_a_target_given_twice_is_scraped_once() -> None:
    text = one_job("static_configs: [{targets: [h:1, h:1]}, {targets: [h:1]}]")

    assert len(parse_scrape_config(text, "f").targets()) == 1


def test_every_mistake_is_told_at_once_with_its_place() -> None:
    text = (
        "global:\n  scrape_interval: 15\n"
        "scrape_configs:\n"
        "- job_name: a\n  scrap_interval: 5s\n  kubernetes_sd_configs: [{role: pod}]\n"
        "- job_name: a\n  static_configs:\n  - targets: ['http://h:1/metrics']\n"
    )

    assert mistakes_of(text) == [
        "foretide.yaml:2:20: global.scrape_interval: '15' is not a duration; write for example 15s, 5m, 1h30m or 21d",
        "foretide.yaml:5:3: scrape_configs[0].scrap_interval: "
        "unknown key scrap_interval; did you mean scrape_interval?",
        "foretide.yaml:6:3: scrape_configs[0].kubernetes_sd_configs: kubernetes_sd_configs are not supported yet",
        'foretide.yaml:7:13: scrape_configs[1].job_name: found multiple scrape configs with job name "a"',
        "foretide.yaml:9:15: scrape_configs[1].static_configs[0].targets[0]: "
        '"http://h:1/metrics" is not a valid hostname; write host:port',
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("scrape_timeout: 2m", "scrape timeout greater than scrape interval"),
        ("scrape_interval: 0s", "expected a duration above 0"),
        ("sample_limit: -1", "expected a whole number of 0 or more, got '-1'"),
        ("sample_limit: many", "expected a whole number of 0 or more, got 'many'"),
        ("body_size_limit: 3 pounds", "'3 pounds' is not a size"),
        ("honor_labels: maybe", "expected true or false, got 'maybe'"),
        ("scheme: ftp", "expected http or https, got 'ftp'"),
        ("static_configs: {targets: []}", "expected a list, got a mapping"),
        ("static_configs: [h:1]", "expected a mapping with targets and labels"),
        ("static_configs: [{targets: [{a: b}]}]", "expected a text, got a mapping"),
        ("static_configs: [{targets: [h:1], labels: {a-b: c}}]", '"a-b" is not a valid label name'),
        ("static_configs: [{targets: [h:1], labels: {__scrape_interval__: 1s}}]", "is not a valid label name here"),
        ("relabel_configs: []", "relabel_configs are not supported yet"),
        ("metric_relabel_configs: []", "metric_relabel_configs are not supported yet"),
        ("file_sd_configs: []", "file_sd_configs are not supported yet"),
        ("oauth2: {}", "oauth2 is not supported yet"),
        ("tls_config: {cert_file: x}", "cert_file is not supported yet"),
        ("basic_auth: {password: a, password_file: b}", "at most one of password and password_file"),
        ("authorization: {type: Basic}", 'use "basic_auth" instead'),
        ("fallback_scrape_protocol: PrometheusProto", "expected one of PrometheusText0.0.4, OpenMetricsText1.0.0"),
        ("job_name: b", "job_name is given twice"),
    ],
)
def test_refuses_with_a_sentence(line: str, expected: str) -> None:
    (mistake,) = mistakes_of(one_job(line))

    assert expected in mistake
    assert mistake.startswith("foretide.yaml:3:"), mistake


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("scrape_configs: [{}]", "scrape_configs[0].job_name: job_name is empty"),
        ("- a", "expected a mapping with global and scrape_configs"),
        ("rule_files: [x]", "rule_files has no place"),
        ("scrape_configs: [", "foretide.yaml:1:"),
        ("a: b\n---\nc: d\n", "expected a single document"),
        ("scrape_configs: &a [{job_name: b, static_configs: *a}]", "aliases are not allowed"),
        ("global: {scrape_interval: 5s, scrape_timeout: 6s}", "global scrape timeout greater than scrape interval"),
        ("scrape_configs: \x00", "foretide.yaml: "),
    ],
)
def test_refuses_broken_documents(text: str, expected: str) -> None:
    assert expected in "\n".join(mistakes_of(text))


def test_a_node_of_a_larger_document_keeps_its_lines() -> None:
    whole = yaml.compose("port: 8080\nmetrics:\n  scrape_configs:\n  - job_name: a\n    nonsense: 1\n")
    section = whole.value[1][1]

    with pytest.raises(RuleDocumentError, match=r"foretide\.yaml:5:5: .*unknown key nonsense"):
        from_node(section, "foretide.yaml")


def test_secrets_are_not_printed() -> None:
    (job,) = parse_scrape_config(one_job("basic_auth: {username: u, password: hunter2}"), "f").jobs

    assert "hunter2" not in repr(job)
