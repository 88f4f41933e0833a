"""What a running Foretide would commit to: from nodes in the store to the printed plan."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI

from app import cost_commitments_endpoint
from app.cost_commitments_asked import live_lines
from app.cost_commitments_live import LiveCommitments, Terms
from app.cost_prices import PriceParts
from app.queries import Queries
from app.settings import read_settings
from cost.commitments.seen import by_hour, mixture
from domain.clock import to_ms
from domain.forecasts import Forecast
from domain.labels import Labels
from domain.series import Series
from forecaster.fit import FitRequest, fit
from rules.ruleset import RuleSet
from rules.schema import PriceSheet
from store.metrics import MetricsStore
from tests.app.asgi import call
from tests.app.world import NOW
from tests.fakes.clock import ManualClock

HOUR = timedelta(hours=1)
DAYS = 15
START = NOW - timedelta(days=DAYS)


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Iterator[MetricsStore]:
    opened = MetricsStore.open(tmp_path / "metrics.db", retention=timedelta(days=30), clock=clock)
    yield opened
    opened.close()


def seen(name: str, *, office_hours: bool = False, **labels: str) -> list[Series]:
    """A node since START; one with office hours is there from 8 to 20 and its end is marked by a gap."""
    times = np.arange(to_ms(START), to_ms(NOW) + 1, 240_000, dtype=np.int64)
    if office_hours:
        minutes = times // 60_000 % 1440
        times = times[(minutes >= 8 * 60) & (minutes < 20 * 60 - 4)]
    own = {"job": "foretide-kubernetes", "instance": "prod", "node": name}
    told = {"label_node_kubernetes_io_instance_type": "m.large", "label_topology_kubernetes_io_region": "eu", **labels}
    return [
        Series(labels=Labels.of({"__name__": metric, **own, **more}), timestamps_ms=times, values=np.ones(len(times)))
        for metric, more in (("kube_node_info", {"provider_id": f"aws:///z/{name}"}), ("kube_node_labels", told))
    ]  # fmt: skip


def sheet(*commitments: dict[str, Any]) -> PriceSheet:
    rules = [{"match": {"instanceType": "m.large"}, "hourly": 0.1},
             {"match": {"instanceType": "m.large", "capacityType": "spot"}, "hourly": 0.03}]  # fmt: skip
    return PriceSheet.model_validate({
        "apiVersion": "foretide.dev/v1alpha1", "kind": "PriceSheet", "metadata": {"name": "us"},
        "spec": {"currency": "USD", "rules": rules, "commitments": list(commitments)},
    })  # fmt: skip


def naive(request: FitRequest) -> Forecast:
    """The real fit, with the one model that costs milliseconds."""
    return fit(replace(request, model="seasonal_naive"))


def live(store: MetricsStore, clock: ManualClock, folder: Path, *commitments: dict[str, Any]) -> LiveCommitments:
    settings = read_settings(config=None, environment={}, working_dir=folder)
    stated = RuleSet(price_sheets=(sheet(*commitments),))
    return LiveCommitments(PriceParts(settings, Queries(store, clock=clock), lambda: stated, clock), naive)


OWNED = {"id": "ri", "match": {"instanceType": "m.large"}, "quantity": 1, "hourly": 0.06, "ends": "2027-06-01"}
ENDED = {**OWNED, "id": "old", "ends": "2026-01-01"}
ELSEWHERE = {**OWNED, "id": "far", "match": {"region": "us"}}
SPOT = {"label_karpenter_sh_capacity_type": "spot"}
NODES = [*seen("i-0001"), *seen("i-0002"), *seen("i-0003", office_hours=True), *seen("i-0004", **SPOT)]


def test_the_nights_decide_and_what_is_owned_is_taken_off(
    store: MetricsStore, clock: ManualClock, tmp_path: Path
) -> None:
    store.load(NODES)
    (pool,) = live(store, clock, tmp_path).of(Terms(discount=Decimal("0.4"))).pools
    assert (round(float(pool.pool.demand.mean()), 2), float(pool.pool.spot.mean())) == (2.5, 1.0)
    assert pool.plan is not None
    assert (pool.plan.quantity, pool.plan.break_even) == (2, 0.6)  # the third is there half of the time
    assert pool.notes == ("360 h only: too few for a term",)
    assert len(pool.paths) > 2  # weeks of history, and weeks of sampled paths

    found = live(store, clock, tmp_path, OWNED, ENDED, ELSEWHERE).of(Terms())
    (pool,) = found.pools
    assert pool.plan is not None
    assert pool.rates is not None
    assert (pool.owned_units, pool.plan.quantity, pool.rates.committed) == (1, 1, Decimal("0.06"))
    assert found.notes[:2] == (
        "commitment old ended on 2026-01-01", "commitment far fits no node that was seen: it is paid for and not used",
    )  # fmt: skip


def test_it_is_told_and_printed_with_what_is_doubtful(store: MetricsStore, clock: ManualClock, tmp_path: Path) -> None:
    store.load(NODES)
    api = FastAPI()
    api.include_router(cost_commitments_endpoint.router(live(store, clock, tmp_path)), prefix="/api/v1")
    found = json.loads(call(api, "/api/v1/cost/commitments").body)["data"]
    text = "\n".join(live_lines(found))
    assert found["pools"][0]["plan"] is None
    assert "m.large eu: no commitment is stated or billed: say --discount" in text
    assert "note: what right-sizing would free is not taken off" in text


def test_a_part_of_an_hour_is_a_part_of_a_machine() -> None:
    start = datetime.fromisoformat("2026-11-20T10:00:00+00:00")
    stretches = [(start - HOUR, start + 1.5 * HOUR), (start + 2.25 * HOUR, start + 2.5 * HOUR), (start + 9 * HOUR,) * 2]
    assert by_hour(stretches, start=start, hours=4).tolist() == [1.0, 0.5, 0.25, 0.0]


def test_history_and_forecast_weigh_alike_and_the_past_stands_alone_without_one() -> None:
    past = np.repeat([1.0, 2.0], 168)
    found = mixture(past, np.full((4, 336), 3.0))
    assert [int((found[:, 0] == value).sum()) for value in (1, 2, 3)] == [4, 4, 8]
    assert mixture(past[:100], None).shape == (1, 100)
    assert mixture(past, np.ones((2, 100))).shape == (2, 168)
