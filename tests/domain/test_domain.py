"""The shared types keep their promises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.clock import from_ms, to_ms
from domain.errors import Mistake, RuleDocumentError
from domain.forecasts import Forecast
from domain.labels import Labels
from domain.money import Money
from domain.series import STALE_NAN, is_stale
from domain.units import format_duration, parse_duration, parse_quantity

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def test_labels_are_sorted_and_an_empty_value_is_no_label() -> None:
    labels = Labels.of({"b": "2", "a": "1", "c": ""})
    assert labels == (("a", "1"), ("b", "2"))
    assert labels.with_(a="") == (("b", "2"),)
    assert labels.only(["b", "z"]) == labels.without(["a"])


def test_labels_print_as_prometheus_prints_them() -> None:
    assert str(Labels.of({"__name__": "up", "job": 'a"b\\c\nd'})) == 'up{job="a\\"b\\\\c\\nd"}'
    assert str(Labels.of({"__name__": "up"})) == "up"
    assert str(Labels.of({"job": "x"})) == '{job="x"}'


def test_only_the_exact_bits_are_stale() -> None:
    values = np.array([1.0, np.nan, STALE_NAN])
    assert is_stale(values).tolist() == [False, False, True]


@given(st.integers(min_value=0, max_value=10**12))
def test_durations_read_back_as_written(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize("text", ["", "5", "5x", "-5m", "5m 3s", "1h90", "9" * 400 + "y"])
def test_a_wrong_duration_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("250m", "0.250"), ("128Mi", "134217728"), ("1.5", "1.5"), ("2G", "2000000000"), ("1e3", "1000"), ("5n", "5e-9")],
)
def test_quantities_are_exact(text: str, expected: str) -> None:
    assert parse_quantity(text) == Decimal(expected)


@pytest.mark.parametrize("text", ["", "m", "1.2.3", "5 Mi", "1Zi", "1e9999999k"])
def test_a_wrong_quantity_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="quantity"):
        parse_quantity(text)


def test_money_of_two_currencies_never_adds_up() -> None:
    dollar = Money(amount=Decimal("0.10"), currency="USD")
    assert dollar + dollar * 2 == Money(amount=Decimal("0.30"), currency="USD")
    with pytest.raises(ValueError, match="cannot add EUR to USD"):
        _ = dollar + Money(amount=Decimal(1), currency="EUR")


@given(st.integers(min_value=0, max_value=4_000_000_000_000))
def test_milliseconds_and_instants_agree(timestamp_ms: int) -> None:
    assert to_ms(from_ms(timestamp_ms)) == timestamp_ms


def forecast() -> Forecast:
    return Forecast(
        signal="demo/shop/soon",
        model="fourier_ar",
        made_at=NOW,
        cutoff=NOW,
        step=timedelta(seconds=15),
        season=None,
        mean=np.array([1.0, 3.0, 2.0]),
        quantiles=(0.5, 0.9),
        values=np.array([[1.0, 2.0], [3.0, 5.0], [2.0, 4.0]]),
        reference=None,
        backtest=None,
        history_start=NOW,
    )


def test_a_quantile_between_two_is_interpolated_and_outside_is_the_outermost() -> None:
    assert forecast().quantile(0.7).tolist() == [1.5, 4.0, 3.0]
    assert forecast().quantile(0.99).tolist() == [2.0, 5.0, 4.0]
    assert forecast().quantile(0.1).tolist() == [1.0, 3.0, 2.0]


def test_the_peak_lies_in_the_half_open_window() -> None:
    at = NOW + timedelta(seconds=30)
    assert forecast().peak(0.9, after=NOW, until=at) == (at, 5.0)
    assert forecast().peak(0.9, after=at, until=forecast().end) == (NOW + timedelta(seconds=45), 4.0)
    assert forecast().peak(0.9, after=forecast().end, until=forecast().end + timedelta(hours=1)) is None


def test_a_document_error_says_every_mistake_with_its_place() -> None:
    mistakes = [
        Mistake(file="a.yaml", line=3, column=7, field="spec.replicas.min", message="must be at least 1"),
        Mistake(file="b.yaml", line=0, column=0, field="", message="cannot be read"),
    ]
    said = str(RuleDocumentError(mistakes))
    assert said == "a.yaml:3:7: spec.replicas.min: must be at least 1\nb.yaml: cannot be read"
