"""Joint paths: groups add up to the total, which is as sure as its own forecast, and levels wander beyond a week."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from domain.forecasts import Dependence, Forecast
from domain.series import FloatArray
from forecaster import together
from forecaster.together import Task, draw
from tests.forecaster.handmade import normal

HOURS = 28 * 24


def hourly(name: str, mean: float, deviation: float, *, steps: int = 48) -> Forecast:
    made = normal(np.full(steps, mean), deviation, dependence=Dependence(lasting=0.5, echo=0.5))
    return replace(made, signal=name, step=timedelta(hours=1), cutoff=datetime(2026, 11, 20, tzinfo=UTC))


def noise(seed: int, scale: float = 1.0) -> FloatArray:
    return scale * np.random.default_rng(seed).standard_normal(HOURS)


def task(groups: list[Forecast], histories: list[FloatArray], total: Forecast | None) -> Task:
    return Task(forecasts=tuple(groups), total=total, histories=np.stack(histories), weights=np.ones(groups[0].horizon))


def test_the_total_is_the_sum_of_the_groups_path_by_path_and_the_same_at_every_draw() -> None:
    asked = task([hourly("a", 10, 2), hourly("b", 5, 1)], [10 + noise(1), 5 + noise(2)], hourly("all", 15, 2.2))
    made = draw(asked)
    assert np.array_equal(made.course[:, -1], made.sums.sum(axis=0))
    assert (np.diff(made.course, axis=1) >= 0).all()
    assert np.array_equal(made.course, draw(asked).course)


def test_idle_and_what_uses_it_come_to_what_the_node_costs() -> None:
    used = 6 + noise(3)
    groups, histories = [hourly("used", 6, 1), hourly("idle", 4, 1)], [used, 10 - used]
    made = draw(task(groups, histories, hourly("all", 10, 0.01)))
    assert np.std(made.sums[0]) > 15
    assert np.std(made.sums.sum(axis=0)) < 2
    assert np.corrcoef(made.sums)[0, 1] < -0.95


def test_groups_that_err_alike_make_a_wider_total_than_groups_that_do_not() -> None:
    groups, one = [hourly("a", 10, 2), hourly("b", 10, 2)], noise(4)
    alike, apart = (np.std(draw(task(groups, [10 + one, 10 + other], None)).course[:, -1]) for other in (one, noise(5)))
    assert alike / apart == pytest.approx(np.sqrt(2), rel=0.1)


def test_beyond_a_week_levels_wander_as_weeks_did() -> None:
    growing = np.repeat([10.0, 12.0, 10.0, 12.0], 168)
    still = np.full(HOURS, 11.0)
    far = hourly("a", 11, 0.5, steps=30 * 24)
    moved, kept = (draw(task([far], [history], None)).course for history in (growing, still))
    assert np.array_equal(moved[:, :168], kept[:, :168])
    assert np.std(moved[:, -1]) > 3 * np.std(kept[:, -1])
    assert np.median(moved[:, -1]) == pytest.approx(np.median(kept[:, -1]), rel=0.03)


def test_a_level_is_known_to_wander_only_from_two_weeks_on_and_by_no_more_than_itself() -> None:
    assert together.wandering(np.full(300, 5.0)) == 0.0
    assert together.wandering(np.full(HOURS, np.nan)) == 0.0
    assert together.wandering(np.repeat([0.0, 9.0, 0.0, 9.0], 168)) == 1.0


def test_steps_count_by_their_weight() -> None:
    made = hourly("a", 10, 1)
    half = draw(Task(forecasts=(made,), total=None, histories=np.full((1, HOURS), 10.0), weights=np.full(48, 0.5)))
    whole = draw(task([made], [np.full(HOURS, 10.0)], None))
    assert np.allclose(2 * half.course, whole.course)
