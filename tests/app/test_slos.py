"""``foretide slo``: what is left of a budget by real queries, and a rule file of documents."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from alerts.rule_file.read import read
from app.queries import Queries
from app.slo_command import render
from app.slos import SloDesk
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
