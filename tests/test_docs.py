"""What an operator can set, write, watch or read stands in docs/; what docs/ say is there."""

from __future__ import annotations

import asyncio
import re
import subprocess
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from prometheus_client import Metric
from pydantic import BaseModel

import app.cli
from app.config_file import ConfigFile
from app.settings import read_settings
from app.wiring import House
from collector.alerts_in.message import RECEIVED
from domain.scaling import Outcome, Reason
from rules.schema import KINDS
from store.prometheus.remote_write import FORECAST
from store.promql.functions import SUPPORTED_AGGREGATIONS, SUPPORTED_FUNCTIONS
from tests.fakes.clock import ManualClock

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").glob("**/*.md"))
LINKED = [ROOT / "README.md", *PAGES]
LOCKS = ["requirements.lock", "requirements-all.lock"]


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def first_cells(page: str) -> set[str]:
    """Every `name` in the first column of a page's tables."""
    rows = re.findall(r"^\|([^|]*)\|", text(page), flags=re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def versioned() -> list[str]:
    """The files of the repository, new ones included."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def texts() -> Iterator[tuple[str, str]]:
    for name in versioned():
        raw = (ROOT / name).read_bytes()
        if b"\0" not in raw:
            yield name, raw.decode("utf-8", errors="replace")


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models that a field's type is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in models_in(inner)]


# ---- settings


def fields(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Dotted names as the file spells them: ``local.workloads[].replicas``."""
    for name, field in model.model_fields.items():
        dotted = f"{prefix}{field.alias or name}"
        inner = models_in(field.annotation)
        if not inner:
            yield dotted
        many = "[]" if "tuple" in str(field.annotation) else ""
        for one in inner:
            yield from fields(one, f"{dotted}{many}.")


def below(table: str) -> str:
    """The rows under the table head ``| field below `table` |`` or the sentence that begins with it."""
    found = re.search(rf"`{re.escape(table)}`.*?(?=\n\n(?!\|)|\Z)", text("docs/configuration.md"), flags=re.DOTALL)
    assert found, f"docs/configuration.md says nothing about {table}"
    return found[0]


def is_told(field: str) -> bool:
    head, many, last = field.rpartition("[].")
    if not many:
        return f"`{field}`" in text("docs/configuration.md")
    return f"`{last}`" in below(f"{head}[]")


def test_every_field_of_foretide_yaml_is_documented() -> None:
    every = list(fields(ConfigFile))

    assert "local.workloads[].replicas" in every
    assert [field for field in every if not is_told(field)] == []


def test_every_variable_of_the_environment_is_documented() -> None:
    sources = [text(str(file.relative_to(ROOT))) for file in (ROOT / "app").glob("*.py")]
    read = {name for source in sources for name in re.findall(r'"((?:FORETIDE|OTEL)_[A-Z_]*[A-Z])"', source)}

    handed_on = {"OTEL_EXPORTER_OTLP_HEADERS"}
    assert len(read) > 10
    assert read - handed_on - first_cells("docs/configuration.md") == set()


def test_no_variable_is_documented_that_nobody_reads() -> None:
    settings = text("app/settings.py")
    documented = {name for name in first_cells("docs/configuration.md") if name.startswith("FORETIDE_")}

    assert [name for name in sorted(documented) if name not in settings] == []


def test_every_exit_code_is_documented() -> None:
    line = re.search(r"Exit codes: (.*)", app.cli.__doc__ or "")
    assert line
    codes = set(re.findall(r"(?:^|· )(\d)", line[1]))
    table = text("docs/configuration.md").partition("## Exit codes")[2]

    assert codes == set(re.findall(r"^\| (\d) \|", table, flags=re.MULTILINE))
    assert codes == {"0", "1", "2", "4", "5"}


# ---- rules, decisions, queries


def rule_fields(model: type[BaseModel]) -> set[str]:
    names: set[str] = set()
    for name, field in model.model_fields.items():
        names.add(str(field.alias or name))
        for inner in models_in(field.annotation):
            names |= rule_fields(inner)
    return names


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_field_of_a_rule_document_is_documented(kind: str) -> None:
    pages = ("rules", "forecast-documents", "slo", "policies", "budgets", "receivers")
    told = {name for page in pages for name in first_cells(f"docs/{page}.md")}
    documented = set(re.findall(r"\w+", " ".join(told)))
    in_every_document = {"apiVersion", "kind", "metadata", "spec"}

    assert rule_fields(KINDS[kind]) - documented - in_every_document - {"scaleUp", "scaleDown"} == set()
    assert f"## {kind}\n" in text("docs/rules.md")


def test_every_reason_is_explained() -> None:
    assert {reason.value for reason in Reason} - first_cells("docs/decisions-explained.md") == set()


def test_every_outcome_is_documented() -> None:
    assert [one.value for one in Outcome if f"`{one.value}`" not in text("docs/metrics.md")] == []


def test_every_function_of_promql_is_documented() -> None:
    evaluated = text("docs/promql.md").partition("## What is evaluated")[2].partition("## What is refused")[0]

    assert (SUPPORTED_FUNCTIONS | SUPPORTED_AGGREGATIONS) - set(re.findall(r"\w+", evaluated)) == set()


# ---- metrics


@pytest.fixture
def exposed(tmp_path: Path, clock: ManualClock) -> list[Metric]:
    """Every metric of a whole house, which is how no package's can be forgotten."""
    environment = {"FORETIDE_DATA_DIR": str(tmp_path), "FORETIDE_PORT": "0"}
    settings = read_settings(config=None, environment=environment, working_dir=tmp_path)
    house = House(settings, clock=clock, version="1", base_url="http://127.0.0.1:1", environment={})
    try:
        return list(house.registry.collect())
    finally:
        asyncio.run(house.stop())


def exposition_name(metric: Metric) -> str:
    return f"{metric.name}_total" if metric.type == "counter" else str(metric.name)


def test_every_metric_is_documented(exposed: list[Metric]) -> None:
    ours = {exposition_name(metric): metric.type for metric in exposed if metric.name.startswith("foretide_")}
    rows = dict(re.findall(r"^\| `(foretide_\w+)` \| (\w+) \|", text("docs/metrics.md"), flags=re.MULTILINE))

    assert len(ours) > 20
    assert ours == rows


def test_what_one_alerts_on_is_exposed(exposed: list[Metric]) -> None:
    names = {exposition_name(metric) for metric in exposed} | {"foretide_collector_red_position"}
    names |= {FORECAST, f"{FORECAST}_mean"}  # written to a source, not on /metrics
    names |= {RECEIVED}  # in our own store
    spoken_of = {name for page in LINKED for name in re.findall(r"\bforetide_\w+", page.read_text(encoding="utf-8"))}
    metrics = {name for name in spoken_of if not name.endswith("_") and name != "foretide_token"}

    assert metrics - names == set()


def test_every_label_of_a_metric_is_documented() -> None:
    packages = ["app", "collector", "controller", "forecaster", "kube"]
    sources = "\n".join(text(str(file.relative_to(ROOT))) for name in packages for file in (ROOT / name).glob("*.py"))
    call = r'(?:Counter|Gauge|Histogram)\(\s*"(foretide_\w+?)(?:_total)?",\s*"[^"]*",\s*[\[(]((?:"\w+",?\s*)+)[\])]'
    labelled = {name: re.findall(r'"(\w+)"', labels) for name, labels in re.findall(call, sources)}
    rows = dict(
        re.findall(r"^\| `(foretide_\w+?)(?:_total)?` \| \w+ \|([^|]*)\|", text("docs/metrics.md"), re.MULTILINE)
    )

    assert len(labelled) > 5
    assert {name: re.findall(r"`(\w+)`", rows[name]) for name in labelled} == labelled


# ---- pages


def links(page: Path) -> Iterable[tuple[str, str]]:
    """Target and anchor of every relative link; code is no link."""
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", prose):
        target, _, anchor = (link[0] or link[1]).partition("#")
        if not re.match(r"[a-z]+:", target):
            yield target, anchor


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", LINKED, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target, anchor in links(page):
        there = (page.parent / target).resolve() if target else page
        assert there.exists(), f"{page.name} links {target}"
        assert not anchor or anchor in anchors(there), f"{page.name} links #{anchor} of {there.name}"


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / target).resolve() for target, _ in links(index) if target}

    assert [str(page.relative_to(ROOT)) for page in PAGES if page != index and page.resolve() not in linked] == []


def test_every_file_that_the_architecture_names_is_there() -> None:
    named = set(re.findall(r"\b((?:\w+/)+\w+\.py)\b", text("docs/architecture.md")))

    assert "app/wiring.py" in named
    assert len(named) > 30
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_every_name_beside_a_file_is_in_it() -> None:
    """``path/file.py`` ``Name.method`` and ``Name.method`` (``path/file.py``) in the architecture."""
    prose = " ".join(text("docs/architecture.md").split())
    pairs = re.findall(r"`((?:\w+/)+\w+\.py)`,? `([A-Za-z_][\w.]*)`", prose)
    missing = [
        (file, name)
        for file, name in pairs
        for part in name.split(".")
        if not re.search(rf"\b(?:def|class) {part}\b|^{part}\b", text(file), flags=re.MULTILINE)
    ]

    assert len(pairs) > 15
    assert missing == []


# ---- the repository


def test_no_machine_and_no_package_index_is_named() -> None:
    machine = re.compile(r"(?<![\w.])/(?:work|home|root|Users)/\w")
    hosts = ("pypi" + ".org", "python" + "hosted.org", "npm" + "js.org", "npm" + "js.com", "--index" + "-url")
    found = [
        (name, match)
        for name, content in texts()
        for match in (*machine.findall(content), *(host for host in hosts if host in content))
    ]

    assert found == []


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_hold_hashes_and_no_address(lock: str) -> None:
    content = text(lock)

    assert "--hash=sha256:" in content
    assert "://" not in content
    assert re.findall(r"^-(?!-hash)\S*", content, flags=re.MULTILINE) == []


def test_the_changelog_has_this_version() -> None:
    project: dict[str, Any] = tomllib.loads(text("pyproject.toml"))["project"]

    assert re.search(rf"^## {re.escape(project['version'])}\b", text("CHANGELOG.md"), flags=re.MULTILINE)
