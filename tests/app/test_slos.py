"""``foretide slo``: what is left of a budget by real queries, and a rule file of documents."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from alerts.rule_file.read import read
from app.alerting.rule_files import RuleFiles
from app.alerting.rules_loop import RulesConfig, RulesLoop
from app.alerting.slo_rules import SloRules
from app.queries import Queries
from app.slo_command import render
from app.slos import SloDesk
from domain.alerts import Alert
from rules.slo import SLO
from store.metrics import MetricsStore
from tests.app.world import rising
from tests.fakes.clock import ManualClock

DOCUMENT = """
apiVersion: foretide.dev/v1alpha1
kind: SLO
metadata: {name: errors, namespace: shop}
spec:
  indicator: {ratio: {bad: 'requests_total{code="500"}', total: requests_total}}
  objective: 99
  window: 30d
"""


@pytest.fixture
def store(tmp_path: Path, now: datetime) -> Iterator[MetricsStore]:
    opened = MetricsStore.open(tmp_path / "metrics.db", retention=timedelta(days=1), clock=ManualClock(now))
    yield opened
    opened.close()


def slo(objective: float = 99) -> SLO:
    spec = {"indicator": {"ratio": {"bad": 'requests_total{code="500"}', "total": "requests_total"}}}
    head = {"apiVersion": "foretide.dev/v1alpha1", "kind": "SLO", "metadata": {"name": "errors", "namespace": "shop"}}
    return SLO.model_validate({**head, "spec": {**spec, "objective": objective, "window": "30d"}})


def test_a_budget_is_overdrawn_by_what_its_burn_rate_says(store: MetricsStore, now: datetime) -> None:
    store.load([rising("requests_total", per_second=9.0, end=now, code="200")])
    store.load([rising("requests_total", per_second=1.0, end=now, code="500")])
    clock = ManualClock(now)
    standing = SloDesk(Queries(store, clock=clock), clock=clock).look(slo())
    assert standing.rates[timedelta(hours=1)] == pytest.approx(10, rel=0.01)
    assert standing.budget_left == pytest.approx(-9, rel=0.01)
    assert standing.state == "page"  # 10 is below 14.4 over an hour, and above 6 over six
    assert SloDesk(Queries(store, clock=clock), clock=clock).look(slo(objective=80)).state == "ok"


def test_without_samples_nobody_knows(store: MetricsStore, now: datetime) -> None:
    clock = ManualClock(now)
    standing = SloDesk(Queries(store, clock=clock), clock=clock).look(slo())
    assert (standing.state, standing.budget_left, standing.why) == ("unknown", None, "query yields no series")


def test_a_rule_file_of_documents(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "slo.yaml"
    file.write_text(DOCUMENT)
    out = io.StringIO()
    assert render([file], out) == 0
    assert [group.name for group in read(out.getvalue().encode(), file="x").file.groups] == [
        "slo/shop/errors/page", "slo/shop/errors/ticket",
    ]  # fmt: skip
    file.write_text(DOCUMENT.replace("objective: 99", "objective: 9"))
    assert render([file], sys.stdout) == 1
    assert f"{file}:7:14" in capsys.readouterr().err


def test_documents_run_beside_rule_files_and_follow_edits(store: MetricsStore, now: datetime) -> None:
    store.load([rising("requests_total", per_second=8.0, end=now, code="200")])
    store.load([rising("requests_total", per_second=2.0, end=now, code="500")])
    running = [slo()]
    made = SloRules(lambda: tuple(running), Queries(store, clock=ManualClock(now)))
    told: list[Alert] = []
    ask = Queries(store, clock=ManualClock(now)).result
    loop = RulesLoop(
        RuleFiles((), folder=None, made=made.files), config=RulesConfig(), ask=ask,
        metrics=store, registry=CollectorRegistry(), offer=told.extend, ask_of=made.ask,
    )  # fmt: skip
    for seconds in (0, 60, 61):
        loop.tick(now + timedelta(seconds=seconds))
    assert [alert.labels.value_of("severity") for alert in told] == ["page"]
    running.clear()
    loop.tick(now + timedelta(seconds=64))
    assert loop.groups() == ()
