from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    Sum,
    Summary,
    SummaryDataPoint,
)

from collector.otlp import AttributeReader, Format, parse_metrics
from collector.translate import MetricTranslator, Translation
from domain.series import is_stale
from tests.fakes.otlp import key_values, metrics_request
from tests.fakes.spans import START_MS, START_NS

CUMULATIVE, DELTA = 2, 1


def translated(*metrics: Metric, resource: dict[str, Any] | None = None, twice: bool = False) -> Translation:
    body = metrics_request(*metrics, resource=resource).SerializeToString()
    translator = MetricTranslator(AttributeReader())
    if twice:
        translator.translate(parse_metrics(body, Format.PROTOBUF), received_ms=START_MS)
    return translator.translate(parse_metrics(body, Format.PROTOBUF), received_ms=START_MS)


def samples(translation: Translation) -> dict[tuple[str, int], float]:
    return {
        (str(labels), timestamp_ms): float(value)
        for row_labels, timestamp_ms, values in translation.rows
        for labels, value in zip(row_labels, values, strict=True)
    }


def number(value: float, *, at_ns: int = START_NS, flags: int = 0, **attributes: Any) -> NumberDataPoint:
    key = {"as_int": value} if isinstance(value, int) else {"as_double": value}
    return NumberDataPoint(time_unix_nano=at_ns, flags=flags, attributes=key_values(attributes), **key)  # type: ignore[arg-type]


def counter(name: str, *points: NumberDataPoint, unit: str = "", temporality: int = CUMULATIVE) -> Metric:
    data = Sum(aggregation_temporality=temporality, is_monotonic=True, data_points=points)  # type: ignore[arg-type]
    return Metric(name=name, unit=unit, sum=data)


@pytest.mark.parametrize("twice", [False, True])
def test_counters_gauges_and_their_names(twice: bool) -> None:
    result = translated(
        counter("http.requests", number(7, route="/cart", code=200), number(2, route="/pay", code=500)),
        Metric(name="queue.length", unit="{job}", gauge=Gauge(data_points=[number(1.5)])),
        Metric(name="pool", sum=Sum(aggregation_temporality=CUMULATIVE, data_points=[number(-3)])),  # type: ignore[arg-type]
        twice=twice,
    )
    assert samples(result) == {
        ('http_requests_total{code="200", job="shop", route="/cart"}', START_MS): 7,
        ('http_requests_total{code="500", job="shop", route="/pay"}', START_MS): 2,
        ('queue_length{job="shop"}', START_MS): 1.5,
        ('pool{job="shop"}', START_MS): -3,
    }
    assert (result.points, result.rejected, result.reason) == (4, 0, "")


@pytest.mark.parametrize("twice", [False, True])
def test_a_histogram_becomes_cumulative_buckets(twice: bool) -> None:
    point = HistogramDataPoint(
        time_unix_nano=START_NS, count=10, sum=4.5, bucket_counts=[1, 2, 3, 4], explicit_bounds=[0.005, 1, 2500],
        attributes=key_values({"route": "/"}),
    )  # fmt: skip
    histogram = Histogram(aggregation_temporality=CUMULATIVE, data_points=[point])  # type: ignore[arg-type]
    result = translated(Metric(name="latency", unit="s", histogram=histogram), twice=twice)
    assert samples(result) == {
        ('latency_seconds_bucket{job="shop", le="0.005", route="/"}', START_MS): 1,
        ('latency_seconds_bucket{job="shop", le="1", route="/"}', START_MS): 3,
        ('latency_seconds_bucket{job="shop", le="2500", route="/"}', START_MS): 6,
        ('latency_seconds_bucket{job="shop", le="+Inf", route="/"}', START_MS): 10,
        ('latency_seconds_count{job="shop", route="/"}', START_MS): 10,
        ('latency_seconds_sum{job="shop", route="/"}', START_MS): 4.5,
    }


def test_a_histogram_without_buckets_and_sum_keeps_its_count() -> None:
    histogram = Histogram(aggregation_temporality=CUMULATIVE, data_points=[HistogramDataPoint(count=3)])  # type: ignore[arg-type]
    result = translated(Metric(name="latency", histogram=histogram))
    assert samples(result) == {
        ('latency_bucket{job="shop", le="+Inf"}', START_MS): 3,
        ('latency_count{job="shop"}', START_MS): 3,
    }


def test_a_summary_becomes_quantiles() -> None:
    quantiles = [SummaryDataPoint.ValueAtQuantile(quantile=q, value=v) for q, v in ((0.5, 1.0), (0.99, 2.0))]
    point = SummaryDataPoint(time_unix_nano=START_NS, count=4, sum=6.0, quantile_values=quantiles)
    assert samples(translated(Metric(name="latency", unit="s", summary=Summary(data_points=[point])))) == {
        ('latency_seconds{job="shop", quantile="0.5"}', START_MS): 1,
        ('latency_seconds{job="shop", quantile="0.99"}', START_MS): 2,
        ('latency_seconds_count{job="shop"}', START_MS): 4,
        ('latency_seconds_sum{job="shop"}', START_MS): 6,
    }


def test_the_resource_gives_job_instance_and_target_info() -> None:
    resource = {
        "service.namespace": "eu",
        "service.name": "shop",
        "service.instance.id": "i-1",
        "host.name": "h1",
        "os": 7,
    }
    result = translated(counter("hits", number(1)), resource=resource)
    assert samples(result) == {
        ('hits_total{instance="i-1", job="eu/shop"}', START_MS): 1,
        ('target_info{host_name="h1", instance="i-1", job="eu/shop", os="7"}', START_MS): 1,
    }


def test_without_a_service_there_is_no_target_info() -> None:
    assert samples(translated(counter("hits", number(1)), resource={"host.name": "h"})) == {("hits_total", START_MS): 1}


def test_points_are_grouped_by_their_time() -> None:
    second = 10**9
    result = translated(
        counter("hits", number(1), number(2, at_ns=START_NS - second, a="b"), number(3, at_ns=0, c="d")),
        counter("misses", number(4, at_ns=START_NS - second)),
    )
    assert [(when, len(labels)) for labels, when, _ in result.rows] == [(START_MS - 1000, 2), (START_MS, 2)]


def test_of_two_values_for_one_series_and_time_the_later_wins() -> None:
    assert samples(translated(counter("hits", number(1), number(2)))) == {('hits_total{job="shop"}', START_MS): 2}


def test_attributes_that_become_one_label_are_joined() -> None:
    assert samples(translated(counter("hits", number(1, **{"a_b": "2", "a.b": "1"})))) == {
        ('hits_total{a_b="1;2", job="shop"}', START_MS): 1
    }


def test_no_recorded_value_is_a_stale_marker() -> None:
    (row,) = translated(counter("hits", number(0, flags=1))).rows
    assert is_stale(row[2]).tolist() == [True]
    assert row[2].dtype == np.float64


def test_what_cannot_be_taken_is_refused_by_name_and_the_rest_is_taken() -> None:
    exponential = ExponentialHistogram(
        aggregation_temporality=CUMULATIVE,
        data_points=[ExponentialHistogramDataPoint(count=1)] * 2,  # type: ignore[arg-type]
    )
    odd = HistogramDataPoint(bucket_counts=[1, 2], explicit_bounds=[1, 2, 3])
    result = translated(
        counter("delta", number(1), number(2, a="b"), temporality=DELTA),
        Metric(name="exp", exponential_histogram=exponential),
        Metric(name="odd", histogram=Histogram(aggregation_temporality=CUMULATIVE, data_points=[odd])),  # type: ignore[arg-type]
        counter("late", number(1, at_ns=START_NS + 3600 * 10**9)),
        counter("@@", number(1)),
        counter("good", number(5)),
        Metric(name="empty"),
    )
    assert samples(result) == {('good_total{job="shop"}', START_MS): 5}
    assert (result.points, result.rejected) == (1, 2 + 2 + 1 + 1 + 1)
    assert "'delta': only cumulative temporality" in result.reason
    assert "'exp': exponential histograms are not supported" in result.reason
    assert "odd: 3 bounds do not fit 2 buckets" in result.reason
    assert "'late': a data point lies more than 10 minutes" in result.reason
    assert "'@@' holds no letter" in result.reason


def test_many_reasons_are_cut_short() -> None:
    result = translated(*(counter(f"m{n}", number(1), temporality=DELTA) for n in range(30)))
    assert result.rejected == 30
    assert result.reason.endswith("and 25 more metrics")
