"""What the pages show, from real stores."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from app.queries import Queries
from app.read_model import InProcessData, ReadModel, load_trigger, load_unit, spans_by_target
from collector.red import RedAggregator
from dashboard.contract import RowState, ServicePage, ServiceRow, Status, StoreFacts, Window
from domain.clock import to_ms
from domain.errors import StoreError
from domain.scaling import Decision, Reason, WorkloadRef
from domain.spans import StatusCode
from forecaster.explain import Explanation, explain
from rules import RuleSet
from store.metrics import MetricsStore
from store.state import DecisionLedger, ForecastShelf, State
from tests.app.world import BUDGET, NOW, SHOP, decision, flat, forecast, hold, rising, rule_set, rule_text
from tests.fakes.clock import ManualClock
from tests.fakes.cluster import FakeCluster
from tests.fakes.spans import START_NS, a_span
from tests.forecaster.synthetic import SEASON_LENGTH, curve, noise, request

HOUR = Window(start=NOW - timedelta(hours=1), end=NOW)
STATUS = Status(
    version="1", cluster="fake", started_at=NOW, mistakes=(), rules_running=1, targets_up=0, targets_total=0,
    store=StoreFacts(series=0, samples=0, size_bytes=0),
)  # fmt: skip


class Model:
    """A read model over stores that a test fills."""

    def __init__(self, folder: Path, clock: ManualClock) -> None:
        self.folder, self.clock = folder, clock
        self.metrics = MetricsStore.open(folder / "metrics.db", retention=timedelta(days=15), clock=clock)
        self.state = State.open(f"sqlite:///{folder / 'state.db'}")
        self.rules = rule_set(folder)
        self.cluster = FakeCluster.of(SHOP, 2, requests={"cpu": 0.5})
        self.explained: dict[str, Explanation] = {}
        self.read = ReadModel(
            rules=lambda: self.rules, queries=Queries(self.metrics, clock=clock), state=self.state,
            cluster=self.cluster, status=lambda: STATUS, explain=self.explained.get, clock=clock,
        )  # fmt: skip

    def decided(self, *decisions: Decision) -> None:
        with self.state.transaction() as session:
            for one in decisions:
                DecisionLedger(session).append(one)

    def row(self, key: str = "demo/shop") -> ServiceRow:
        self.clock.advance(timedelta(seconds=2))  # past the memo; what is in the stores stays as it is
        return next(row for row in self.read.fleet() if row.key == key)

    def page(self, key: str = "demo/shop", window: Window = HOUR) -> ServicePage:
        namespace, name = key.split("/")
        found = self.read.service(namespace, name, window, max_points=100)
        assert found is not None
        return found

    def served(self, **changes: Any) -> None:
        """Two flushes of RED, 50 s apart, with 100 calls of 0.1 s in between, each tenth of them an error."""
        red = RedAggregator(store=self.metrics, registry=CollectorRegistry())
        statuses = [StatusCode.ERROR if n % 10 == 0 else StatusCode.UNSET for n in range(100)]
        spans = [a_span(n, status=status, start_ns=START_NS, **changes) for n, status in enumerate(statuses)]
        red.count(1, [spans[0], spans[1]])
        red.tick(self.clock.now() - timedelta(seconds=50))
        red.count(2, spans)
        red.tick(self.clock.now())


@pytest.fixture
def model(tmp_path: Path, clock: ManualClock) -> Iterator[Model]:
    made = Model(tmp_path, clock)
    yield made
    made.state.close()
    made.metrics.close()


def test_nothing_known_is_an_empty_fleet(model: Model) -> None:
    model.rules = RuleSet()
    assert model.read.fleet() == ()
    assert model.read.service("demo", "shop", HOUR, max_points=100) is None
    assert model.read.decisions("demo", "shop", HOUR, limit=10).total == 0


def test_a_rule_that_never_decided_is_inactive(model: Model) -> None:
    row = model.row()
    assert (row.state, row.rule, row.min_replicas, row.max_replicas) == (RowState.INACTIVE, "demo/shop", 2, 8)
    assert (row.current_replicas, row.load, row.last_decision, row.forecast_peak) == (None, None, None, None)
    page = model.page()
    assert (page.decisions, page.decisions_total, len(page.load.t), page.forecast) == ((), 0, 0, None)


@pytest.mark.parametrize(
    ("reason", "age_seconds", "state"),
    [
        (Reason.DESIRED_WITHIN_RANGE, 10, RowState.OK),
        (Reason.FORECAST_FLOOR, 10, RowState.OK),
        (Reason.NO_DATA, 10, RowState.HOLDING),
        (Reason.MISSING_METRIC, 10, RowState.HOLDING),
        (Reason.NO_REPLICA_COUNT, 10, RowState.HOLDING),
        (Reason.FALLBACK, 10, RowState.HOLDING),
        (Reason.NO_DATA, 150, RowState.INACTIVE),
        (Reason.DESIRED_WITHIN_RANGE, 150, RowState.INACTIVE),
    ],
)
def test_states(model: Model, reason: Reason, age_seconds: int, state: RowState) -> None:
    model.decided(hold(1, at=NOW - timedelta(seconds=age_seconds), reason=reason))
    assert model.row().state is state


def test_a_row_tells_the_newest_numbers_and_the_last_change(model: Model) -> None:
    model.decided(
        decision(1, at=NOW - timedelta(minutes=2)),
        hold(2, at=NOW - timedelta(seconds=15), ready_replicas=1),
    )
    row = model.row()
    assert (row.current_replicas, row.ready_replicas, row.desired_replicas) == (3, 1, 3)
    assert (row.load, row.load_unit) == (22.0, "/s")
    assert row.cost_per_hour is not None
    assert row.last_decision is not None
    assert row.last_decision.id == decision(1).id


def test_the_sparkline_is_the_last_hour_of_the_load(model: Model) -> None:
    model.metrics.load([rising("http_requests_total", per_second=5.0)])
    sparkline = model.row().sparkline
    assert (sparkline.step_ms, sparkline.unit, len(sparkline.t)) == (60_000, "/s", 61)
    assert sparkline.v == pytest.approx(np.full(61, 5.0))


def test_generated_history_is_told(model: Model) -> None:
    until = NOW - timedelta(minutes=10)
    model.metrics.load([rising("http_requests_total", per_second=5.0, end=until, generated="true")])
    assert model.row().generated_until == until


def test_the_forecast_peak_lies_ahead(model: Model) -> None:
    with model.state.transaction() as session:
        ForecastShelf(session).put(forecast())
    peak = model.row().forecast_peak
    assert peak is not None
    assert (peak.value, peak.at, peak.quantile) == (pytest.approx(40 * 1.4), NOW + timedelta(hours=1), 0.9)
    shown = model.page().forecast
    assert shown is not None
    assert shown.t[0] == to_ms(NOW + timedelta(minutes=5))
    assert shown.values.shape == (12, 6)
    assert (shown.wape, shown.unit) == (0.1, "/s")
    model.clock.advance(timedelta(hours=2))
    assert model.row().forecast_peak is None  # over: nothing of it lies ahead


def test_page_series_lie_on_the_grid_of_their_step(model: Model) -> None:
    model.metrics.load([rising("http_requests_total", per_second=5.0)])
    load = model.page(window=Window(start=NOW - timedelta(hours=1, seconds=3), end=NOW)).load
    assert load.step_ms is not None
    assert set(load.t % load.step_ms) == {0}
    assert len(load.t) <= 400


def test_no_series_is_drawn_into_the_future(model: Model) -> None:
    model.metrics.load([rising("http_requests_total", per_second=5.0)])
    ahead = model.page(window=Window(start=NOW - timedelta(minutes=10), end=NOW + timedelta(minutes=10))).load
    assert 0 < len(ahead.t)
    assert max(ahead.t) <= to_ms(NOW)
    only_ahead = Window(start=NOW + timedelta(minutes=1), end=NOW + timedelta(minutes=10))
    assert len(model.page(window=only_ahead).load.t) == 0


def test_replicas_and_capacity_are_change_points(model: Model) -> None:
    model.decided(
        *(hold(n, at=NOW - timedelta(seconds=15 * (40 - n)), current_replicas=2 + n // 20) for n in range(40))
    )
    page = model.page()
    assert page.replicas_current.v.tolist() == [2.0, 3.0, 3.0]
    assert page.replicas_current.n_raw == 40
    assert page.replicas_desired.v.tolist() == [3.0, 3.0]
    assert page.capacity.v.tolist() == [30.0, 30.0]
    assert page.replicas_current.t[-1] == page.capacity.t[-1] == to_ms(NOW - timedelta(seconds=15))


def test_unknown_replicas_are_a_gap(model: Model) -> None:
    counts = (3, 3, None, None, 3)
    model.decided(*(hold(n, at=NOW - timedelta(seconds=60 - n), current_replicas=c) for n, c in enumerate(counts)))
    shown = model.page().replicas_current.v
    assert np.array_equal(shown, [3.0, np.nan, 3.0], equal_nan=True)


def test_the_count_of_decisions_is_that_of_the_list(model: Model) -> None:
    model.decided(decision(1, at=NOW - timedelta(minutes=5)), hold(2, at=NOW - timedelta(minutes=4)))
    model.decided(hold(3, at=NOW - timedelta(seconds=10)))
    page = model.page()
    assert [one.id for one in page.decisions] == [hold(3).id, decision(1).id]
    assert page.decisions_total == 2
    assert model.read.decisions("demo", "shop", HOUR, limit=10).total == 1


def test_the_newest_change_is_listed_once(model: Model) -> None:
    model.decided(decision(1, at=NOW - timedelta(minutes=5)))
    page = model.page()
    assert ([one.id for one in page.decisions], page.decisions_total) == ([decision(1).id], 1)


def test_a_long_list_is_cut_and_counted(model: Model) -> None:
    model.decided(*(decision(n, at=NOW - timedelta(seconds=10 * n + 60)) for n in range(250)))
    model.decided(hold(1000, at=NOW - timedelta(seconds=15)))
    page = model.page()
    assert (len(page.decisions), page.decisions_total) == (200, 251)
    assert page.decisions[0].id == hold(1000).id


def test_a_decision_outside_the_window_is_not_listed(model: Model) -> None:
    model.decided(hold(1, at=NOW))
    page = model.page(window=Window(start=NOW - timedelta(hours=2), end=NOW - timedelta(hours=1)))
    assert (page.decisions, page.decisions_total) == ((), 0)


def test_cpu_is_a_ratio_of_what_was_requested(model: Model) -> None:
    model.metrics.load([flat("usage", [0.6] * 20, workload="shop", resource="cpu")])
    model.decided(hold(1, at=NOW - timedelta(minutes=4), ready_replicas=2), hold(2, at=NOW, ready_replicas=3))
    cpu = model.page().cpu_utilization
    assert cpu.last == (to_ms(NOW), pytest.approx(0.6 / (3 * 0.5)))
    assert cpu.v[np.flatnonzero(np.isfinite(cpu.v))[0]] == pytest.approx(0.6 / (2 * 0.5))


def test_red_figures_come_from_server_spans(model: Model) -> None:
    model.served(service_namespace="demo")
    row = model.row()
    assert row.request_rate == pytest.approx(100 / 60, rel=0.3)
    assert row.error_ratio == pytest.approx(0.1, rel=0.1)  # extrapolated, as rate() does
    assert row.p95_latency_seconds == pytest.approx(0.1, abs=0.1)
    assert row.rule == "demo/shop"
    assert len(model.read.fleet()) == 1
    latency = model.page(window=Window(start=NOW - timedelta(minutes=15), end=NOW)).latency_p95
    assert latency.last is not None


def test_a_service_seen_in_spans_only_is_listed(model: Model) -> None:
    model.served(service="cart", service_namespace="web")
    row = model.row("web/cart")
    assert (row.state, row.rule, row.load_unit) == (RowState.NO_RULE, None, "/s")
    assert row.load == row.request_rate is not None
    page = model.page("web/cart", Window(start=NOW - timedelta(minutes=15), end=NOW))
    assert page.load.last is not None
    assert page.latency_p95.last is not None
    assert model.read.decisions("web", "cart", HOUR, limit=10).total == 0


def test_namesakes_in_two_namespaces_are_two_services(model: Model) -> None:
    model.rules = rule_set(model.folder, rule_text(namespace="one"), rule_text(namespace="two"), BUDGET)
    model.served(service_namespace="two")
    assert model.row("one/shop").request_rate is None
    assert model.row("two/shop").request_rate is not None
    assert len(model.read.fleet()) == 2


def test_spans_without_a_namespace_stand_under_default(model: Model) -> None:
    model.served(service='odd "name"', service_namespace="")
    assert model.row('default/odd "name"').request_rate is not None
    found = model.read.service("default", 'odd "name"', HOUR, max_points=100)
    assert found is not None
    assert found.load.last is not None


def ref(namespace: str, name: str) -> WorkloadRef:
    return WorkloadRef(kind="Deployment", namespace=namespace, name=name)


@pytest.mark.parametrize(
    ("targets", "seen", "expected"),
    [
        (["a/shop"], [("a", "shop"), ("b", "shop")], {"a/shop": ("a", "shop")}),
        (["a/shop"], [("", "shop"), ("b", "shop")], {"a/shop": ("", "shop")}),
        (["a/shop"], [("team", "shop")], {"a/shop": ("team", "shop")}),
        (["a/shop"], [("b", "shop"), ("c", "shop")], {}),
        (["a/shop", "b/shop"], [("", "shop")], {}),
        (["a/shop", "b/shop"], [("b", "shop")], {"b/shop": ("b", "shop")}),
        (["a/shop"], [("a", "cart")], {}),
    ],
)
def test_which_spans_are_whose(
    targets: Sequence[str], seen: Sequence[tuple[str, str]], expected: dict[str, tuple[str, str]]
) -> None:
    refs = {target: ref(*target.split("/")) for target in targets}
    found = spans_by_target(list(refs.values()), frozenset(seen))
    assert found == {refs[target]: one for target, one in expected.items()}


@pytest.mark.parametrize(
    ("expr", "unit"),
    [("sum(rate(a[1m]))", "/s"), ("sum(rate(a[1m])) / sum(rate(b[1m]))", ""), ("queue_length", "")],
)
def test_units_are_guessed_with_care(tmp_path: Path, expr: str, unit: str) -> None:
    (rule,) = rule_set(tmp_path, rule_text().replace("sum(rate(http_requests_total[1m]))", expr)).rules
    assert load_unit(load_trigger(rule)) == unit


def test_askers_within_two_seconds_share_an_answer(model: Model) -> None:
    first = model.read.fleet()
    model.decided(decision(1))
    assert model.read.fleet() == first
    assert model.row().current_replicas == 2


def test_a_store_that_fails_is_said(model: Model) -> None:
    with model.state.transaction() as session:
        session.connection().exec_driver_sql("DROP TABLE decision")
    with pytest.raises(StoreError, match="state database"):
        model.read.fleet()


def test_the_dashboards_client_answers_the_same(model: Model) -> None:
    model.decided(decision(1, at=NOW - timedelta(minutes=1)))
    client = InProcessData(model.read)

    async def asked() -> tuple[Any, ...]:
        page = await client.service("demo", "shop", HOUR, max_points=100)
        decisions = await client.decisions("demo", "shop", HOUR, limit=5)
        return await client.fleet(), page, decisions, await client.status()

    fleet, page, decisions, status = asyncio.run(asked())
    assert page.row == fleet[0]
    assert (decisions.total, status) == (1, STATUS)
    assert isinstance(client.now(), datetime)


def test_an_explanation_is_cut_to_what_a_small_panel_shows(model: Model) -> None:
    model.explained["demo/shop/soon"] = explain(request(curve(16 * SEASON_LENGTH) + noise(16 * SEASON_LENGTH)), "naive")
    found = asyncio.run(InProcessData(model.read).explanation("demo", "shop"))
    assert found is not None
    assert [part.name for part in found.parts] == ["Trend", "Season of 24m", "Season of 2h48m", "Remainder"]
    cycle = found.parts[1].columns
    assert len(cycle.t) == SEASON_LENGTH
    assert cycle.t[0] % (24 * 60_000) == 0
    assert cycle.v.argmin() == pytest.approx(curve(SEASON_LENGTH).argmin(), abs=3)
    assert found.references[0].startswith("Holt-Winters: α 0.")
    assert "% of the variation is the season of 24m" in found.sentences[0]


def test_a_service_without_a_forecast_has_no_explanation(model: Model) -> None:
    assert model.read.explanation("demo", "shop") is None
    assert model.read.explanation("demo", "none") is None
