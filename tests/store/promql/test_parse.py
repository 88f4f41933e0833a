"""What is refused before any data are touched, and the limits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from domain.errors import QueryLimitError, QuerySyntaxError, QueryTimeoutError, UnsupportedQueryError
from domain.series import Series
from store.metrics.matchers import Matcher
from store.promql import Evaluator, QueryLimits, Vector, check
from store.promql.xxhash import xxhash64
from tests.fakes.series import SeriesInMemory, series


@pytest.mark.parametrize(
    "query",
    ["", "sum(", "rate(m)", "m[5m] + 1", "1 > 2", "{}", "nonsense(m)", 'm{x=~"("}', 'm{x=~"(?<!a)b"}', '"a" + 1'],
)
def test_no_promql(query: str) -> None:
    with pytest.raises(QuerySyntaxError):
        check(query)


@pytest.mark.parametrize(
    "query",
    [
        "(" * 20_000 + "m" + ")" * 20_000,
        "(" * 20_000,
        "-" * 20_000 + "m",
        "m" + " or m" * 12_000,
        "m" + "^m" * 20_000,
        "abs(" * 15_000 + "m" + ")" * 15_000,
        'm{a="' + '\\"' * 30_000,
        'm{a="' + "\\n" * 30_000 + '"}',
        "m" * 70_000,
        "m @ 1e300",
    ],
)
def test_what_would_overflow_the_parser_is_refused_before_it(query: str) -> None:
    with pytest.raises(QuerySyntaxError):
        check(query)


def test_deep_and_long_queries_that_people_write_pass() -> None:
    terms = " + ".join(f'sum(rate(requests_total{{code=~"5..",job="(((((-{i}"}}[5m])) by (job)' for i in range(150))
    check(terms)
    check("# what's (\n" + "#\n" * 30_000 + "m  # it's # done )))")
    query = "abs(" * 190 + "m" + ")" * 190
    assert isinstance(Evaluator(_no_data).instant(query, at_ms=0), Vector)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("histogram_avg(m)", "native histograms"),
        ("info(m)", r"info\(\)"),
        ('{a="b" or c="d"}', "'or' between label matchers"),
        ("a + fill(1) b", "fill"),
        ("sum(rate(m[5m])) + histogram_count(m)", "histogram_count"),
    ],
)
def test_unsupported_is_named(query: str, named: str) -> None:
    with pytest.raises(UnsupportedQueryError, match=named):
        check(query)


def test_check_accepts_what_is_evaluated() -> None:
    check('sum by (job) (rate(http_requests_total{code=~"5.."}[5m])) / on(job) group_left() max_over_time(m[1h:5m])')


def _no_data(matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Series]:
    return []


def test_too_many_steps() -> None:
    with pytest.raises(QueryLimitError, match="exceeded maximum resolution of 11,000 points per timeseries"):
        Evaluator(_no_data).range("m", start_ms=0, end_ms=11_001_000, step_ms=1000)
    assert Evaluator(_no_data).range("m", start_ms=0, end_ms=11_000_000, step_ms=1000).labels == []


def test_too_many_series_and_samples() -> None:
    store = SeriesInMemory([series("m", 0, 1000, [1.0] * 10, i=str(i)) for i in range(5)])
    with pytest.raises(QueryLimitError, match="touches 5 series"):
        Evaluator(store.select, limits=QueryLimits(max_series=4)).instant("m", at_ms=0)
    with pytest.raises(QueryLimitError, match="too many samples"):
        Evaluator(store.select, limits=QueryLimits(max_samples=49)).instant("rate(m[1m])", at_ms=10_000)


def test_subquery_with_too_many_steps() -> None:
    with pytest.raises(QueryLimitError, match=r"evaluated at 3,153,600,000,000 steps"):
        Evaluator(_no_data).instant("sum_over_time(m[100y:1ms])", at_ms=0)


def test_time_is_up() -> None:
    with pytest.raises(QueryTimeoutError):
        Evaluator(_no_data, limits=QueryLimits(timeout=timedelta(seconds=-1))).instant("m", at_ms=0)


@pytest.mark.parametrize("query", ['"text"', "m[5m]"])
def test_no_answer_to_a_range_query(query: str) -> None:
    with pytest.raises(QuerySyntaxError, match="for range query, must be Scalar or instant Vector"):
        Evaluator(_no_data).range(query, start_ms=0, end_ms=1000, step_ms=1000)


def test_only_the_samples_in_reach_are_asked_for() -> None:
    asked: list[tuple[int, int]] = []

    def select(matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Series]:
        asked.append((start_ms, end_ms))
        return []

    evaluator = Evaluator(select)
    evaluator.range("m", start_ms=600_000, end_ms=660_000, step_ms=60_000)
    evaluator.instant("rate(m[1m] offset 10s)", at_ms=600_000)
    evaluator.instant("m @ 100", at_ms=600_000)
    assert asked == [(300_001, 660_000), (530_001, 590_000), (-199_999, 100_000)]


@pytest.mark.parametrize(
    ("data", "digest"),  # from the xxHash specification's reference implementation
    [
        (b"", 0xEF46DB3751D8E999),
        (b"a", 0xD24EC4F1A98C6E5B),
        (b"abc", 0x44BC2CF5AD770999),
        (b"Nobody inspects the spammish repetition", 0xFBCEA83C8A378BF1),
    ],
)
def test_xxhash64(data: bytes, digest: int) -> None:
    assert xxhash64(data) == digest
