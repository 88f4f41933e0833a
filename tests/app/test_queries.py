"""PromQL answers as triggers and charts ask for them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from app.backtesting.running import or_zero
from app.leads import LoadPast
from app.queries import Queries
from domain.clock import to_ms
from domain.errors import NoDataError, NoNumberError, QueryError, QueryLimitError
from domain.series import STALE_NAN
from rules.document import Query
from store.metrics import MetricsStore
from tests.app.world import NOW, flat, rising
from tests.fakes.clock import ManualClock


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Iterator[MetricsStore]:
    opened = MetricsStore.open(tmp_path / "metrics.db", retention=timedelta(days=15), clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def queries(store: MetricsStore, clock: ManualClock) -> Queries:
    return Queries(store, clock=clock)


def test_a_signal_is_one_number_with_the_time_of_its_newest_sample(store: MetricsStore, queries: Queries) -> None:
    store.load([
        flat("load", [1.0, 2.0, 3.0], end=NOW - timedelta(seconds=40), pod="a"),
        flat("load", [4.0], end=NOW - timedelta(seconds=20), pod="b"),
    ])  # fmt: skip
    signal = queries.signal("sum(load)", NOW)
    assert (signal.value, signal.as_of) == (7.0, NOW - timedelta(seconds=20))
    assert signal.window == timedelta()


def test_a_stale_marker_is_no_sample(store: MetricsStore, queries: Queries) -> None:
    store.load([flat("load", [1.0, 2.0, STALE_NAN], pod="gone"), flat("load", [5.0], end=NOW - timedelta(seconds=30))])
    signal = queries.signal("sum(load)", NOW)
    assert (signal.value, signal.as_of) == (5.0, NOW - timedelta(seconds=15))


def test_a_signal_does_not_remember_the_one_before(store: MetricsStore, queries: Queries) -> None:
    store.load([flat("new", [1.0]), flat("old", [1.0], end=NOW - timedelta(minutes=2))])
    assert queries.signal("new", NOW).as_of == NOW
    assert queries.signal("old", NOW).as_of == NOW - timedelta(minutes=2)
    assert queries.signal("42", NOW).as_of == NOW


def test_an_error_ratio_of_no_requests_is_0_in_a_backtest_and_missing_stays_missing(
    store: MetricsStore, queries: Queries
) -> None:
    store.load([flat("bad", [0.0] * 9), flat("all", [0.0] * 9), flat("some", [4.0] * 9)])

    def asked(expr: str) -> float:
        query, step = or_zero(Query(expr=expr)), timedelta(seconds=15)
        return float(queries.history(query.expr, NOW - step, NOW, step)[0][-1])

    assert asked("sum(bad) / sum(all)") == 0.0
    assert asked("(sum(some) - 3) / sum(some)") == 0.25
    assert np.isnan(asked("sum(bad) / sum(none)"))


def test_a_number_for_each_pod_needs_the_label_once(store: MetricsStore, queries: Queries) -> None:
    store.load([flat("load", [1.0], pod="a"), flat("load", [2.0], pod="b"), flat("load", [2.0], pod="b", zone="x")])
    assert queries.pods("max by (pod) (load)", NOW) == {"a": 1.0, "b": 2.0}
    for expr, why in (("load", "two series for pod b"), ("sum(load)", "without label pod")):
        with pytest.raises(NoNumberError, match=why):
            queries.pods(expr, NOW)
    with pytest.raises(NoDataError, match="no series"):
        queries.pods("none", NOW)


@pytest.mark.parametrize(
    ("expr", "why"),
    [
        ("none", "no series"),
        ("load", "2 series; aggregate it"),
        ("sum(load) / 0", "inf, which is no number"),
        ("(sum(load) - sum(load)) / 0", "nan"),
        ("load[5m]", "no number"),
        ('"text"', "no number"),
    ],
)
def test_what_is_no_signal(store: MetricsStore, queries: Queries, expr: str, why: str) -> None:
    store.load([flat("load", [1.0], pod="a"), flat("load", [1.0], pod="b")])
    with pytest.raises(NoDataError, match=why):
        queries.signal(expr, NOW)


def test_a_query_that_does_not_parse_is_said(queries: Queries) -> None:
    with pytest.raises(QueryError):
        queries.signal("sum(", NOW)


def test_instant_values_by_labels(store: MetricsStore, queries: Queries) -> None:
    store.load([flat("load", [1.0], pod="a"), flat("load", [float("nan")], pod="b")])
    assert queries.instant("sum by (pod) (load)", NOW) == {(("pod", "a"),): 1.0}
    assert queries.instant("1", NOW) == {}


def test_lines_are_cut_to_what_is_known(store: MetricsStore, queries: Queries) -> None:
    store.load([rising("calls", per_second=2.0, minutes=10, pod="a"), rising("calls", per_second=3.0, pod="b")])
    start, step = NOW - timedelta(hours=1), timedelta(minutes=1)
    lines = queries.lines("sum by (pod) (rate(calls[1m]))", start, NOW, step)
    by_pod = {dict(labels)["pod"]: line for labels, line in lines.items()}
    assert set(by_pod) == {"a", "b"}
    times, values = by_pod["a"]
    assert times[0] >= to_ms(NOW - timedelta(minutes=10))
    assert times[-1] == to_ms(NOW)
    assert values == pytest.approx(np.full(len(values), 2.0))
    assert len(by_pod["b"][0]) == 61
    times, _ = queries.line("none", start, NOW, step)
    assert len(times) == 0


def test_history_has_a_value_for_every_step(store: MetricsStore, queries: Queries) -> None:
    store.load([rising("calls", per_second=2.0, minutes=10)])
    start = NOW - timedelta(minutes=30)
    values, generated = queries.history("sum(rate(calls[1m]))", start, NOW, timedelta(minutes=1))
    assert len(values) == 31
    assert np.isnan(values[:19]).all()
    assert values[-5:] == pytest.approx(np.full(5, 2.0))
    assert not generated
    missing, _ = queries.history("none", start, NOW, timedelta(minutes=1))
    assert np.isnan(missing).all()


def test_a_history_may_be_longer_than_any_chart(store: MetricsStore, queries: Queries) -> None:
    store.load([rising("calls", per_second=2.0, minutes=10)])
    start = NOW - timedelta(days=21)
    assert len(queries.history("sum(rate(calls[1m]))", start, NOW, timedelta(minutes=1))[0]) == 21 * 24 * 60 + 1
    with pytest.raises(QueryLimitError, match="11,000 points"):
        queries.line("sum(rate(calls[1m]))", start, NOW, timedelta(minutes=1))


def test_history_of_two_series_is_refused(store: MetricsStore, queries: Queries) -> None:
    store.load([flat("load", [1.0], pod="a"), flat("load", [1.0], pod="b")])
    with pytest.raises(NoDataError, match="2 series"):
        queries.history("load", NOW - timedelta(minutes=1), NOW, timedelta(seconds=15))


def test_generated_samples_are_told_by_whole_metric_names(store: MetricsStore, queries: Queries) -> None:
    until = NOW - timedelta(minutes=30)
    store.load([rising("requests_total", per_second=1.0, end=until, generated="true"), flat("up", [1.0])])
    assert queries.generated_until("sum(rate(requests_total[1m]))") == until
    assert queries.generated_until('{__name__="requests_total"}') == until
    for other in ("sum(rate(edge_requests_total[1m]))", "requests_total:rate5m", "requests_totals", "up"):
        assert queries.generated_until(other) is None
    recent = queries.history("sum(rate(requests_total[1m]))", NOW - timedelta(minutes=20), NOW, timedelta(minutes=1))
    longer = queries.history("sum(rate(requests_total[1m]))", NOW - timedelta(hours=1), NOW, timedelta(minutes=1))
    assert (recent[1], longer[1]) == (False, True)


def test_the_past_of_a_priced_load_is_read_by_the_tick_from_the_embedded_store(
    store: MetricsStore, queries: Queries
) -> None:
    store.load([rising("work_total", per_second=4)])
    past = LoadPast(queries)("work_total", NOW - timedelta(seconds=30), NOW)

    assert np.diff(past).tolist() == [past[1] - past[0]] * 2
    assert len(past) == 3
