"""Selectors, aggregations, operators and functions of instant vectors, by hand-computed values."""

from __future__ import annotations

import math

import numpy as np
import pytest

from domain.errors import QueryExecutionError
from domain.labels import Labels
from domain.series import STALE_NAN
from store.promql import Evaluator, Matrix, Scalar, Text, Vector
from tests.fakes.series import SeriesInMemory, series

_REQUESTS = [
    series("requests", 0, 60_000, [10, 10], job="api", instance="0"),
    series("requests", 0, 60_000, [20, 20], job="api", instance="1"),
    series("requests", 0, 60_000, [30, 30], job="web", instance="0"),
    series("errors", 0, 60_000, [1, 1], job="api", instance="0"),
    series("errors", 0, 60_000, [4, 4], job="api", instance="1"),
    series("owner", 0, 60_000, [1, 1], job="api", team="blue"),
]


def _ask(query: str, at_s: float = 60, store: SeriesInMemory | None = None) -> dict[str, float]:
    result = Evaluator((store or SeriesInMemory(_REQUESTS)).select).instant(query, at_ms=round(at_s * 1000))
    assert isinstance(result, Vector)
    return {str(labels): float(value) for labels, value in zip(result.labels, result.values, strict=True)}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('requests{job="web"}', {'requests{instance="0", job="web"}': 30}),
        ('requests{job=~"w.*"}', {'requests{instance="0", job="web"}': 30}),
        ('requests{job!~"a.*",instance!="7"}', {'requests{instance="0", job="web"}': 30}),
        ("sum(requests)", {"{}": 60}),
        ("sum by (job) (requests)", {'{job="api"}': 30, '{job="web"}': 30}),
        ("avg without (instance) (requests)", {'{job="api"}': 15, '{job="web"}': 30}),
        ("max(requests) - min(requests)", {"{}": 20}),
        ("count(requests)", {"{}": 3}),
        ("group(requests)", {"{}": 1}),
        ("stdvar(requests)", {"{}": 200 / 3}),
        ("quantile(0.25, requests)", {"{}": 15}),
        ("topk(1, requests)", {'requests{instance="0", job="web"}': 30}),
        ("bottomk by (job) (1, requests{job='api'})", {'requests{instance="0", job="api"}': 10}),
        ('count_values("n", requests > 15)', {'{n="20"}': 1, '{n="30"}': 1}),
        ("count(limitk(2, requests))", {"{}": 2}),
        ("requests * 2 > 50", {'{instance="0", job="web"}': 60}),
        ("requests > bool 15", {'{instance="0", job="api"}': 0, '{instance="1", job="api"}': 1,
                                '{instance="0", job="web"}': 1}),
        ("errors / requests", {'{instance="0", job="api"}': 0.1, '{instance="1", job="api"}': 0.2}),
        ("sum by (job) (errors) / on(job) sum by (job) (requests)", {'{job="api"}': 5 / 30}),
        ("errors * on(job) group_left(team) owner", {'{instance="0", job="api", team="blue"}': 1,
                                                     '{instance="1", job="api", team="blue"}': 4}),
        ("requests and on(instance) errors > 30", {}),
        ("requests unless errors", {'requests{instance="0", job="web"}': 30}),
        ('requests{job="web"} or errors{instance="1"}', {'requests{instance="0", job="web"}': 30,
                                                          'errors{instance="1", job="api"}': 4}),
        ("-errors{instance='1'}", {'{instance="1", job="api"}': -4}),
        ("clamp(errors, 2, 3)", {'{instance="0", job="api"}': 2, '{instance="1", job="api"}': 3}),
        ("clamp_max(clamp_min(errors, 2), 3)", {'{instance="0", job="api"}': 2, '{instance="1", job="api"}': 3}),
        ("clamp(errors, 3, 2)", {}),
        ("round(sum(errors) / 2)", {"{}": 3}),
        ("sgn(vector(-3))", {"{}": -1}),
        ("vector(time())", {"{}": 60}),
        ("hour(vector(1500000000))", {"{}": 2}),
        ("day_of_week(vector(1500000000))", {"{}": 5}),
        ("days_in_month(vector(1456790399))", {"{}": 29}),
        ("year(vector(1456790399)) * 100 + month(vector(1456790399))", {"{}": 201602}),
        ("day_of_year(vector(1500000000))", {"{}": 195}),
        ('label_replace(owner, "squad", "the-$1", "team", "(b.*)")',
         {'owner{job="api", squad="the-blue", team="blue"}': 1}),
        ('label_join(owner, "both", "/", "job", "team")', {'owner{both="api/blue", job="api", team="blue"}': 1}),
        ('absent(nothing{job="x"})', {'{job="x"}': 1}),
        ("absent(owner)", {}),
        ("owner offset 30s", {'owner{job="api", team="blue"}': 1}),
        ("timestamp(owner)", {'{job="api", team="blue"}': 60}),
    ],
)  # fmt: skip
def test_by_hand(query: str, expected: dict[str, float]) -> None:
    assert _ask(query) == pytest.approx(expected)


def test_scalars_and_strings() -> None:
    evaluator = Evaluator(SeriesInMemory(_REQUESTS).select)
    number, text = evaluator.instant("scalar(sum(errors)) ^ 2 % 7", at_ms=60_000), evaluator.instant('"x"', at_ms=1)
    assert isinstance(number, Scalar)
    assert number.value == 4
    assert isinstance(text, Text)
    assert text.value == "x"


def test_lookback_is_five_minutes_left_open() -> None:
    store = SeriesInMemory([series("m", 0, 1, [7])])
    assert _ask("m", 299.999, store) == {"m": 7}
    assert _ask("m", 300, store) == {}


def test_stale_marker_ends_a_series_and_other_nan_does_not() -> None:
    store = SeriesInMemory([series("m", 0, 1000, [7, STALE_NAN, 8]), series("n", 0, 1000, [1, math.nan])])
    assert _ask("m", 1, store) == {}
    assert _ask("m", 2, store) == {"m": 8}
    assert math.isnan(_ask("n", 1, store)["n"])


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("requests + on(job) errors", "many-to-many matching not allowed"),
        ("errors + on(job) owner", "many-to-one matching must be explicit"),
        ("requests + on(job) group_left errors", "found duplicate series for the match group"),
        ('-{job="api", instance="0"}', "vector cannot contain metrics with the same labelset"),
        ('label_replace(requests, "instance", "same", "", "")', "same labelset"),
        ("topk(NaN, requests)", "Parameter value is NaN"),
    ],
)
def test_data_that_allow_no_answer(query: str, message: str) -> None:
    with pytest.raises(QueryExecutionError, match=message):
        _ask(query)


def test_label_replace_in_a_range_query_merges_what_never_overlaps() -> None:
    store = SeriesInMemory([series("m", 0, 1, [1], pod="a"), series("m", 600_000, 1, [2], pod="b")])
    result = Evaluator(store.select).range(
        'label_replace(m, "pod", "", "", "")', start_ms=0, end_ms=600_000, step_ms=300_000
    )
    assert result.labels == [Labels.of(__name__="m")]
    assert result.present.tolist() == [[True, False, True]]
    np.testing.assert_array_equal(result.values, [[1, np.nan, 2]])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("histogram_quantile(0.5, b)", 0.1),  # 5 of 10 lie at or below 0.1
        ("histogram_quantile(0.8, b)", 0.1 + 0.4 * 3 / 4),
        ("histogram_quantile(1, b)", 0.5),  # the +Inf bucket answers with the highest finite bound
        ("histogram_quantile(1.1, b)", math.inf),
        ("histogram_fraction(0, 0.1, b)", 0.5),
        ("histogram_fraction(0.1, 0.3, b)", 0.2),
    ],
)
def test_classic_histograms(query: str, expected: float) -> None:
    store = SeriesInMemory(
        [series("b", 0, 1, [count], le=le) for le, count in (("0.1", 5.0), ("0.5", 9.0), ("+Inf", 10.0))]
    )
    assert _ask(query, 0, store) == pytest.approx({"{}": expected})


def test_falling_buckets_are_lifted_with_a_note() -> None:
    store = SeriesInMemory(
        [series("b", 0, 1, [count], le=le) for le, count in (("1", 5.0), ("2", 4.0), ("+Inf", 10.0), ("x", 1.0))]
    )
    result = Evaluator(store.select).instant("histogram_quantile(0.5, b)", at_ms=0)
    assert isinstance(result, Vector)
    assert result.values.tolist() == [1]
    assert "needed to be fixed for monotonicity" in result.notes.infos[0]
    assert 'malformed value of "x"' in result.notes.warnings[0]


@pytest.mark.parametrize(
    "query",
    [
        "topk(1, nothing)", "bottomk by (x) (1, nothing)", "limitk(1, nothing)", "limit_ratio(0.5, nothing)",
        "sum(nothing)", "quantile(0.5, nothing)", 'count_values("v", nothing)', "stddev(nothing)",
        "nothing + on(job) requests", "nothing and requests", "nothing or nothing", "rate(nothing[5m])",
        "histogram_quantile(0.5, nothing)", "sort(nothing)", 'label_replace(nothing, "a", "b", "c", "")',
        "max_over_time(nothing[10m:1m])", "-nothing", "nothing > 1", "nothing[1h]", "nothing[1h:1m]",
    ],
)  # fmt: skip
def test_nothing_gives_nothing(query: str) -> None:
    result = Evaluator(SeriesInMemory(_REQUESTS).select).instant(query, at_ms=60_000)
    assert isinstance(result, Vector | Matrix)
    assert result.labels == []


def test_at_end_is_the_end_asked_for_and_not_the_last_step() -> None:
    store = SeriesInMemory([series("m", 0, 10_000, list(range(20)))])
    result = Evaluator(store.select).range("m @ end() - m @ start()", start_ms=10_000, end_ms=95_000, step_ms=40_000)
    assert result.values.tolist() == [[8, 8, 8]]


def test_subquery_steps_are_aligned_to_the_epoch() -> None:
    store = SeriesInMemory([series("m", 0, 10_000, list(range(20)))])
    # (70, 107] at multiples of 10 s: 80, 90, 100
    assert _ask("sum_over_time(m[37s:10s])", 107, store) == {"{}": 27}


def test_notes_tell_where_in_the_query() -> None:
    evaluator = Evaluator(SeriesInMemory(_REQUESTS).select)
    result = evaluator.instant("sum(rate(requests[2m]))\n + quantile(2, errors)", at_ms=60_000)
    assert len(result.notes.infos) == 1
    assert result.notes.infos[0].endswith('does not end in _total/_sum/_count/_bucket: "requests" (1:10)')
    assert result.notes.warnings == ("PromQL warning: quantile value should be between 0 and 1, got 2 (2:13)",)
