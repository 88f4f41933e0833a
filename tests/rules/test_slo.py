"""The queries that an SLO compiles to, asked of a real evaluator over histograms and counters."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rules.slo import SLO
from store.promql import check

HOUR = timedelta(hours=1)


def slo(indicator: dict[str, Any], objective: float = 99.5) -> SLO:
    return SLO.model_validate(
        {
            "apiVersion": "foretide.dev/v1alpha1", "kind": "SLO", "metadata": {"name": "a", "namespace": "shop"},
            "spec": {"indicator": indicator, "objective": objective},
        }
    )  # fmt: skip


def ratio_query(indicator: dict[str, Any]) -> str:
    query = slo(indicator).error_ratio_query(HOUR)
    check(query.expr)
    return query.expr


def test_the_budget_is_what_may_be_bad() -> None:
    assert slo({"threshold": {"query": "up", "op": "lt", "value": 1}}).budget == pytest.approx(0.005)


def test_bad_of_total_counts_no_bad_as_none() -> None:
    asked = ratio_query({"ratio": {"bad": 'errors_total{app="a"}', "total": "sum(rate(requests_total[{{window}}]))"}})

    bad, total = 'sum(rate(errors_total{app="a"}[1h]))', "sum(rate(requests_total[1h]))"
    assert asked == f"(({bad}) or 0 * ({total})) / ({total})"


def test_good_of_total_is_turned_round() -> None:
    asked = ratio_query({"ratio": {"good": "good_total", "total": "requests_total"}})

    good, total = "sum(rate(good_total[1h]))", "sum(rate(requests_total[1h]))"
    assert asked == f"1 - (({good}) or 0 * ({total})) / ({total})"


def test_a_source_is_asked_of_both() -> None:
    ratio = {"bad": {"expr": "a", "source": "prometheus"}, "total": {"expr": "b", "source": "prometheus"}}

    assert slo({"ratio": ratio}).error_ratio_query(HOUR).source == "prometheus"


@pytest.mark.parametrize(
    ("threshold", "good"),
    [
        ("200ms", 'sum(rate(B{M, le="0.2"}[1h]))'),
        ("1s", 'sum(rate(B{M, le="1"}[1h]))'),
        (
            "300ms",
            'sum(rate(B{M, le="0.2"}[1h])) + 0.5 * (sum(rate(B{M, le="0.4"}[1h])) - sum(rate(B{M, le="0.2"}[1h])))',
        ),
        ("1ms", '0.5 * sum(rate(B{M, le="0.002"}[1h]))'),
    ],
)
def test_a_latency_between_two_bounds_takes_its_part_of_the_bucket(threshold: str, good: str) -> None:
    asked = ratio_query({"latency": {"trace": {"service": 'a"b', "operation": "GET /"}, "threshold": threshold}})

    matchers = r'service_name="a\"b", span_kind="SPAN_KIND_SERVER", span_name="GET /"'
    metric = "traces_span_metrics_duration_seconds"
    filled = good.replace("B{", f"{metric}_bucket{{").replace("{M", f"{{{matchers}")
    assert asked == f"1 - ({filled}) / (sum(rate({metric}_count{{{matchers}}}[1h])))"


def test_a_threshold_is_a_share_of_time() -> None:
    asked = ratio_query({"threshold": {"query": "max(queue_age_seconds)", "op": "lt", "value": 30}})

    assert asked == "1 - avg_over_time(((max(queue_age_seconds)) < bool 30.0)[1h:1m])"
