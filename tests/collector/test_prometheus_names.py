from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.prometheus_names import MetricType, label_name, metric_name
from domain.errors import IntakeError

GAUGE, COUNTER, HISTOGRAM = MetricType.GAUGE, MetricType.COUNTER, MetricType.HISTOGRAM


@pytest.mark.parametrize(
    ("name", "unit", "metric_type", "expected"),
    [
        ("requests", "", COUNTER, "requests_total"),
        ("cpu_usage", "1", GAUGE, "cpu_usage_ratio"),
        ("items", "1", COUNTER, "items_total"),
        ("items", "1", MetricType.UP_DOWN_COUNTER, "items"),
        ("response_time", "ms", GAUGE, "response_time_milliseconds"),
        ("memory_usage", "By", GAUGE, "memory_usage_bytes"),
        ("requests", "1/s", GAUGE, "requests_per_second"),
        ("requests", "1/s", COUNTER, "requests_per_second_total"),
        ("throughput", "By/s", GAUGE, "throughput_bytes_per_second"),
        ("custom_metric", "custom_unit", GAUGE, "custom_metric_custom_unit"),
        ("custom_metric", "{custom}", GAUGE, "custom_metric"),
        ("custom_metric", "By/{custom}", GAUGE, "custom_metric_bytes"),
        ("requests_total", "", COUNTER, "requests_total"),
        ("total.requests", "", COUNTER, "requests_total"),
        ("cpu_usage_ratio", "1", GAUGE, "cpu_usage_ratio"),
        ("response_time_seconds", "s", GAUGE, "response_time_seconds"),
        ("process.cpu.time", "s", COUNTER, "process_cpu_time_seconds_total"),
        ("123_requests", "", COUNTER, "_123_requests_total"),
        ("metric__with__many", "unit__many__underscores", GAUGE, "metric_with_many_unit_many_underscores"),
        ("custom_metric", "unit@with#special/chars", GAUGE, "custom_metric_unit_with_special_per_chars"),
        ("request_duration", "s", HISTOGRAM, "request_duration_seconds"),
        ("http.server.request.duration", "s", HISTOGRAM, "http_server_request_duration_seconds"),
        ("ns:recorded", "", GAUGE, "ns:recorded"),
    ],
)
def test_names_are_prometheus_own(name: str, unit: str, metric_type: MetricType, expected: str) -> None:
    assert metric_name(name, unit=unit, metric_type=metric_type) == expected


@pytest.mark.parametrize("name", ["", "@#$%", "___"])
def test_a_name_without_any_letter_is_refused(name: str) -> None:
    with pytest.raises(IntakeError, match="holds no letter or digit"):
        metric_name(name, unit="s", metric_type=GAUGE)


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        ("http.route", "http_route"),
        ("123invalid", "key_123invalid"),
        ("__reserved__", "__reserved__"),
        ("_private", "key_private"),
        ("naïve", "na_ve"),
        ("", ""),
        ("...", ""),
    ],
)
def test_labels_are_prometheus_own(attribute: str, expected: str) -> None:
    assert label_name(attribute) == expected


@given(st.text(min_size=1), st.text(), st.sampled_from(MetricType))
def test_every_name_is_valid_or_refused(name: str, unit: str, metric_type: MetricType) -> None:
    try:
        translated = metric_name(name, unit=unit, metric_type=metric_type)
    except IntakeError:
        assert not re.search("[A-Za-z0-9]", name)
    else:
        assert re.fullmatch("[A-Za-z_:][A-Za-z0-9_:]*", translated)


@given(st.text())
def test_every_label_is_valid_or_left_out(attribute: str) -> None:
    assert re.fullmatch("([A-Za-z_][A-Za-z0-9_]*)?", label_name(attribute))
