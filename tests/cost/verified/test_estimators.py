"""Methods find an effect that is known, and their interval holds it about as often as it says: eight times in ten."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from cost.verified import before_after, on_off, twins
from cost.verified.before_after import Hours
from cost.verified.interval import Measured, NotYet, levels, of_days

START = datetime(2026, 10, 5, tzinfo=UTC)
DAY = timedelta(days=1)
FIRST = date(2026, 10, 5)
SEEDS = 200
EFFECT = 0.2


def week(days: int) -> np.ndarray:
    """Nights are cheap, and so are weekends."""
    hours = np.arange(days * 24)
    return 1 + 0.3 * np.sin(hours * np.pi / 12) - 0.25 * (hours // 24 % 7 >= 5)


def noisy(rng: np.random.Generator, days: int, *, each_day: float = 0.1) -> np.ndarray:
    return np.repeat(rng.normal(0, each_day, days), 24) + rng.normal(0, 0.05, days * 24)


def by_hours(rng: np.random.Generator, before: int = 28, after: int = 7) -> Measured | NotYet:
    days = before + after
    cost = week(days) + noisy(rng, days)
    cost[before * 24 :] -= EFFECT
    return before_after.measure(Hours(start=START, cost=cost), START + before * DAY, START + days * DAY)


def by_demand(rng: np.random.Generator, growth: float = 0.5) -> Measured | NotYet:
    load = 100 * (week(35) + noisy(rng, 35))
    load[28 * 24 :] *= 1 + growth
    cost = 0.3 + 0.005 * load + noisy(rng, 35, each_day=0.05)
    cost[28 * 24 :] -= EFFECT
    return before_after.measure(Hours(start=START, cost=cost, demand=load), START + 28 * DAY, START + 35 * DAY)


def by_coin(rng: np.random.Generator) -> Measured | NotYet:
    days = [FIRST + number * DAY for number in range(28)]
    cost = week(28).reshape(28, 24).mean(axis=1) + rng.normal(0, 0.1, 28)
    on = np.array([on_off.is_on("a1", day, since=FIRST) for day in days])
    return on_off.measure(dict(zip(days, cost - EFFECT * on, strict=True)), "a1", since=FIRST)


def by_twin(rng: np.random.Generator) -> Measured | NotYet:
    both = week(35) + noisy(rng, 35, each_day=0.3)  # what moves both is three times the noise of each
    both[28 * 24 :] += 0.5
    mine, other = both + noisy(rng, 35), both + noisy(rng, 35)
    mine[28 * 24 :] -= EFFECT
    changed, twin = Hours(start=START, cost=mine), Hours(start=START, cost=other)
    return twins.measure(changed, twin, START + 28 * DAY, START + 35 * DAY)


@pytest.mark.parametrize(
    "method", [by_hours, by_demand, by_coin, by_twin], ids=["before and after", "by demand", "on and off", "twin"]
)
def test_the_interval_holds_what_was_saved_eight_times_in_ten(
    method: Callable[[np.random.Generator], Measured | NotYet],
) -> None:
    found = [method(np.random.default_rng(seed)) for seed in range(SEEDS)]
    sure = [one for one in found if isinstance(one, Measured)]
    assert len(sure) == SEEDS
    inside = sum(float(one.p10) <= EFFECT <= float(one.p90) for one in sure) / SEEDS
    assert 0.7 <= inside <= 0.93, inside
    assert np.mean([float(one.saving) for one in sure]) == pytest.approx(EFFECT, abs=0.02)


def test_with_one_week_before_the_interval_is_wider_than_it_had_to_be_and_the_estimate_is_right() -> None:
    found = [by_hours(np.random.default_rng(seed), 10, 7) for seed in range(SEEDS)]
    sure = [one for one in found if isinstance(one, Measured)]
    assert sum(float(one.p10) <= EFFECT <= float(one.p90) for one in sure) / SEEDS >= 0.8
    assert np.mean([float(one.saving) for one in sure]) == pytest.approx(EFFECT, abs=0.02)


def test_without_demand_growth_is_taken_for_a_loss_and_with_it_not() -> None:
    rng = np.random.default_rng(1)
    load = 100 * (week(35) + noisy(rng, 35))
    load[28 * 24 :] *= 2
    cost = 0.3 + 0.005 * load
    cost[28 * 24 :] -= EFFECT
    at, until = START + 28 * DAY, START + 35 * DAY
    plain = before_after.measure(Hours(start=START, cost=cost), at, until)
    scaled = before_after.measure(Hours(start=START, cost=cost, demand=load), at, until)
    assert isinstance(plain, Measured)
    assert isinstance(scaled, Measured)
    assert (plain.saving < 0, plain.scaled) == (True, False)
    assert (float(scaled.saving), scaled.scaled) == (pytest.approx(EFFECT, abs=1e-6), True)


def test_demand_that_explains_nothing_has_no_say() -> None:
    rng = np.random.default_rng(2)
    cost = week(35) + noisy(rng, 35)
    for load in (np.full(35 * 24, 3.0), rng.normal(5, 1, 35 * 24), -cost):
        hours = Hours(start=START, cost=cost, demand=load)
        found = before_after.measure(hours, START + 28 * DAY, START + 35 * DAY)
        assert isinstance(found, Measured)
        assert not found.scaled


def test_a_saving_may_be_negative_and_the_same_days_say_the_same() -> None:
    cost = week(35)
    cost[28 * 24 :] += 0.5
    hours = Hours(start=START, cost=cost)
    first, second = (before_after.measure(hours, START + 28 * DAY, START + 35 * DAY) for _ in range(2))
    assert first == second
    assert isinstance(first, Measured)
    assert float(first.saving) == pytest.approx(-0.5)


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [(28, 3, "not yet: 3 of 7 days"), (28, 0, "not yet: 0 of 7 days"),
     (2, 7, "2 days before the change are known, 7 are needed: nothing says what would have been")],
)  # fmt: skip
def test_before_there_is_enough_it_says_so(before: int, after: int, why: str) -> None:
    assert by_hours(np.random.default_rng(0), before, after) == NotYet(why=why)


def test_days_of_which_little_is_known_do_not_count() -> None:
    cost = week(35)
    cost[28 * 24 : 28 * 24 + 7] = np.nan
    found = before_after.measure(Hours(start=START, cost=cost), START + 28 * DAY, START + 35 * DAY)
    assert found == NotYet(why="not yet: 6 of 7 days")


def test_a_change_within_an_hour_leaves_that_hour_out_of_both_sides() -> None:
    hours = Hours(start=START, cost=np.arange(48.0))
    at = START + timedelta(hours=10, minutes=20)
    assert hours.between(START, at).cost.tolist() == list(range(10))
    assert hours.between(at, START + 2 * DAY).cost.tolist() == list(range(11, 48))


def test_each_day_of_the_week_is_on_once_and_off_once_in_a_fortnight() -> None:
    for block in range(20):
        days = [FIRST + timedelta(days=14 * block + number) for number in range(14)]
        on = [on_off.is_on("a1", day, since=FIRST) for day in days]
        assert [one ^ other for one, other in zip(on[:7], on[7:], strict=True)] == [True] * 7
    schedule = [[on_off.is_on(id_, FIRST + number * DAY, since=FIRST) for number in range(28)] for id_ in ("a1", "b2")]
    assert schedule[0] != schedule[1]
    assert 5 < sum(schedule[0]) < 23
    with pytest.raises(ValueError, match="begin on 2026-10-05, after 2026-10-04"):
        on_off.is_on("a1", FIRST - DAY, since=FIRST)


def test_a_week_on_and_off_is_too_little() -> None:
    days = {FIRST + number * DAY: 1.0 for number in range(13)}
    found = on_off.measure(days, "a1", since=FIRST)
    assert isinstance(found, NotYet)
    assert found.why == "not yet: 6 of 7 days of each kind"


def test_a_twin_that_cost_nothing_says_nothing() -> None:
    mine, other = Hours(start=START, cost=week(35)), Hours(start=START, cost=np.zeros(35 * 24))
    found = twins.measure(mine, other, START + 28 * DAY, START + 35 * DAY)
    assert found == NotYet(why="the twin cost nothing before the change")


def test_few_days_have_wider_levels() -> None:
    assert levels(7)[0] == pytest.approx(0.06, abs=0.003)
    assert levels(10_000)[0] == pytest.approx(0.1, abs=0.001)
    assert of_days([1.0] * 6) == NotYet(why="not yet: 6 of 7 days")
    steady = of_days([1.0] * 7)
    assert isinstance(steady, Measured)
    assert steady.p10 == steady.saving == steady.p90
