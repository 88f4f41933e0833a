"""How Foretide itself is doing, when it is not well."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from app import self_metrics
from app.status import StatusBoard
from app.system_clock import SystemClock
from app.wiring import House
from domain.errors import StoreError
from store.metrics import MetricsStore
from store.traces import TraceStore
from tests.app.asgi import call
from tests.app.conftest import a_house
from tests.app.world import NOW, flat
from tests.fakes.spans import START_MS, a_span


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = a_house(tmp_path)
    yield made
    made.close()


def test_a_house_whose_loops_stand_still_is_not_ready(house: House) -> None:
    answer = call(house.application(), "/readyz")
    assert answer.status == 503
    assert answer.json["status"] == "not ready"
    assert answer.json["checks"] == {"state": "ok", "metrics": "ok", "traces": "ok", "loops": "not running"}


def test_a_database_that_is_broken_is_503_and_not_a_defect(house: House) -> None:
    with house.state.transaction() as session:
        session.connection().exec_driver_sql("DROP TABLE decision")
    answer = call(house.application(), "/api/v1/decisions")
    assert (answer.status, answer.error, answer.headers["retry-after"]) == (503, "UNAVAILABLE", "5")
    assert "no such table: decision" in answer.json["error"]["message"]


def test_the_status_is_made_of_everybodys_facts(house: House) -> None:
    house.metrics.load([flat("up", [1.0, 1.0, 1.0], end=SystemClock().now(), job="x")])
    brief, full = house.status.brief(), house.status.full()
    assert isinstance(house.status, StatusBoard)
    assert (brief.version, brief.cluster, brief.store.series) == ("9.9.9", "observe", 1)
    assert (full.stores.metric_series, full.stores.metric_samples) == (1, 3)
    assert full.rules_folder is not None
    assert full.uptime_seconds >= 0
    assert full.loops == []


def test_why_a_signal_is_not_forecast_is_told(house: House) -> None:
    house.prepare()
    house.forecasts.tick(SystemClock().now())
    house.fits.submit(int).result(60)  # the one worker has done what was handed out before
    (told,) = house.status.full().forecasts
    assert told.signal == "demo/shop/soon"
    assert told.last_success is None
    assert "demo/shop/soon has no value since" in told.last_error


def test_the_stores_figures_are_metrics(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    metrics = MetricsStore.open(tmp_path / "metrics.db", retention=timedelta(days=1))
    traces = TraceStore.open(tmp_path / "traces.db")
    self_metrics.expose(registry, version="1.2", metrics=metrics, traces=traces)
    metrics.load([flat("load", [1.0, 2.0], end=NOW)])
    traces.append_durably([a_span()], received_ms=START_MS).result(10)
    text = generate_latest(registry).decode()
    assert 'foretide_build_info{version="1.2"} 1.0' in text
    assert "foretide_store_series 1.0" in text
    assert "foretide_store_samples_total 2.0" in text
    assert "foretide_traces_spans_total 1.0" in text
    traces.close()
    metrics.close()
    with pytest.raises(StoreError):
        traces.append_durably([a_span()], received_ms=START_MS)
