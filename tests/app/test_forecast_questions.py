"""Limits and measured sums of documents' series."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from app.forecast_questions import ForecastQuestions
from app.queries import Queries
from domain.forecasts import Forecast
from store.metrics import MetricsStore
from store.state import State
from tests.app.world import NOW, flat, forecast, rule_set, rule_text
from tests.fakes.clock import ManualClock

DOCUMENT = """
apiVersion: foretide.dev/v1alpha1
kind: Forecast
metadata: {name: disk, namespace: shop}
spec:
  query: used
  unit: GB/h
  step: 5m
  timezone: Europe/Paris
  capacity:
    limits:
    - {name: fixed, value: 100}
    - {name: size, query: size}
    - {name: quota, query: sum(quota)}
    - {name: gone, query: nothing}
  sum: {over: month}
"""


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Iterator[MetricsStore]:
    opened = MetricsStore.open(tmp_path / "metrics.db", retention=timedelta(days=15), clock=clock)
    opened.load([
        flat("used", [5.0] * 241, disk="a"), flat("used", [7.0] * 241, disk="b"),
        flat("size", [50.0], disk="a"), flat("size", [70.0], disk="b"), flat("quota", [90.0], disk="a"),
    ])  # fmt: skip
    yield opened
    opened.close()


@pytest.fixture
def questions(tmp_path: Path, store: MetricsStore, clock: ManualClock) -> Iterator[ForecastQuestions]:
    rules = rule_set(tmp_path, DOCUMENT, rule_text())
    state = State.open(f"sqlite:///{tmp_path / 'state.db'}")
    yield ForecastQuestions(rules=lambda: rules, queries=Queries(store, clock=clock), state=state)
    state.close()


def disk(name: str) -> Forecast:
    return replace(forecast(), signal=f'shop/disk{{disk="{name}"}}')


def test_a_limit_is_a_value_a_query_or_the_series_own(questions: ForecastQuestions) -> None:
    found = questions.limits(disk("b"), NOW)

    assert {name: limit for name, limit in found.items() if name != "gone"} == {"fixed": 100, "size": 70, "quota": 90}
    assert np.isnan(found["gone"])


def test_a_trigger_has_what_its_rule_can_carry(questions: ForecastQuestions) -> None:
    assert questions.limits(forecast(), NOW) == {"maxReplicas": 80.0}
    assert questions.limits(forecast(signal="demo/none/soon"), NOW) == {}


def test_the_measured_part_of_a_sum_tells_what_is_missing(questions: ForecastQuestions) -> None:
    asked = disk("b")

    found = questions.measured(asked, NOW - timedelta(hours=2), timedelta(hours=1))

    assert found.total == pytest.approx(7.0, rel=0.1), "an hour is known of two"
    assert found.missing in (11, 12)
    assert questions.measured(asked, NOW, None).total == 0.0
    assert questions.measured(disk("none"), NOW - timedelta(hours=1), None).missing == 12


def test_a_level_is_that_of_the_cutoff(questions: ForecastQuestions) -> None:
    assert questions.level(disk("a")) == 5.0
    assert questions.level(disk("none")) is None
    assert questions.level(forecast(signal="demo/none/soon")) is None


def test_a_unit_says_what_values_are_per(questions: ForecastQuestions) -> None:
    assert questions.per(disk("a").signal) == timedelta(hours=1)
    assert questions.per("demo/shop/soon") is None
