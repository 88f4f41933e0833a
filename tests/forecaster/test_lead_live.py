"""The lead forecast tick by tick: the numbers of the walk over a whole history, gaps bridged from the past alone."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.load_ahead import Outlook
from forecaster import lead, lead_live, lead_outlook
from forecaster.lead_live import LeadState

MINUTELY = lead.Clock(day=1440, minute=1, delay=0)
"""The same arithmetic at a quarter of the ticks."""
UNIT = 10.0
EXACT = 1e-9


def trace(ticks: int, *, day: int, seed: int, noise: float, surge: float = 1.0) -> np.ndarray:
    dice = np.random.default_rng(seed)
    at = np.arange(ticks)
    wave = 100 * (1.1 + np.sin(2 * np.pi * at / day)) * np.exp(dice.normal(0, noise, ticks))
    noon = at % day // (day // 48)
    return np.where(noon == 24, surge * wave, wave).astype(np.float32).astype(np.float64)


def assert_same(live: Outlook, whole: Outlook, tick: int) -> None:
    for mine, theirs in ((live.add, whole.add), (live.keep, whole.keep)):
        assert mine.centre[0] == pytest.approx(theirs.centre[tick], rel=EXACT, abs=EXACT)
        assert mine.scale[0] == pytest.approx(theirs.scale[tick], rel=EXACT, abs=EXACT)
        assert np.abs(mine.tails[mine.row[0]] - theirs.tails[theirs.row[tick]]).max() < EXACT
        assert (mine.lowest, mine.step, mine.offset) == (theirs.lowest, theirs.step, theirs.offset)
    assert live.surge[0] == pytest.approx(whole.surge[tick], rel=EXACT, abs=EXACT)
    assert live.peak[0] == pytest.approx(whole.peak[tick], rel=EXACT)
    assert live.widened[0] == whole.widened[tick]


def begun(load: np.ndarray, windows: tuple, clock: lead.Clock) -> LeadState:
    return lead_live.begun(load, windows=windows, surge_last=windows[1][1], clock=clock, unit=UNIT)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000), noise=st.floats(0, 0.8), surge=st.floats(0.2, 4.0), days=st.floats(1.1, 9.0),
    middle=st.integers(1, 20), longer=st.integers(0, 90), delay=st.integers(0, 3), hours=st.integers(1, 30),
    day=st.sampled_from([1440, 1440, 500]),
)  # fmt: skip
def test_live_says_at_every_tick_what_the_walk_over_the_whole_history_says(
    seed: int, noise: float, surge: float, days: float, middle: int, longer: int, delay: int, hours: int, day: int
) -> None:
    clock = lead.Clock(day=day, minute=1, delay=delay)
    windows = ((max(middle - 1, 1), middle + 1), (1, middle + 1 + longer))
    first = max(int(days * clock.day), lead_outlook.fewest(windows, clock))
    load = trace(first + 60 * hours, day=clock.day, seed=seed, noise=noise, surge=surge)
    whole = lead_outlook.over(load, windows=windows, surge_last=windows[1][1], clock=clock, unit=UNIT)
    state = begun(load[:first], windows, clock)

    for tick in range(first, len(load)):
        state.advance(load[tick])
        assert_same(state.outlook(), whole, tick)


def test_live_follows_the_walk_at_15_seconds_for_a_day_and_over_the_end_of_its_buffer() -> None:
    clock = lead.Clock(day=5760, minute=4, delay=2)
    windows = ((7, 9), (1, 20))
    load = trace(int(9.3 * 5760), day=5760, seed=4, noise=0.1, surge=2.5)
    whole = lead_outlook.over(load, windows=windows, surge_last=20, clock=clock, unit=UNIT)
    first = int(8.1 * 5760) + 1
    state = begun(load[:first], windows, clock)

    for tick in range(first, len(load)):
        state.advance(load[tick])
        if tick % 7 == 0:
            assert_same(state.outlook(), whole, tick)
    assert (whole.surge > 0).any()
    assert whole.widened.any()


def test_live_follows_the_walk_where_a_day_is_shorter_than_the_longest_means() -> None:
    clock = lead.Clock(day=96, minute=4, delay=0)
    windows = ((3, 5), (1, 14))
    load = trace(14 * 96 + 900, day=96, seed=4, noise=0.1, surge=1.5)
    whole = lead_outlook.over(load, windows=windows, surge_last=6, clock=clock, unit=UNIT)
    first = lead_outlook.fewest(windows, clock)
    state = lead_live.begun(load[:first], windows=windows, surge_last=6, clock=clock, unit=UNIT)

    for tick in range(first, len(load)):
        state.advance(load[tick])
        if tick < len(load) - 4:  # the surge floor of a history ends with its last whole minute
            assert_same(state.outlook(), whole, tick)


def test_a_future_in_another_order_changes_nothing_that_was_said_before() -> None:
    windows = ((2, 4), (1, 6))
    load = trace(3 * 1440, day=1440, seed=2, noise=0.1)
    cut = 2 * 1440 + 77
    other = load.copy()
    np.random.default_rng(9).shuffle(other[cut:])

    one, two = (
        lead_outlook.over(each, windows=windows, surge_last=6, clock=MINUTELY, unit=UNIT) for each in (load, other)
    )
    assert (one.add.scale[1500:cut] == two.add.scale[1500:cut]).all()
    assert (one.keep.centre[1500:cut] == two.keep.centre[1500:cut]).all()
    assert (one.widened[:cut] == two.widened[:cut]).all()
    assert (one.peak[:cut] == two.peak[:cut]).all()
    assert (one.surge[:cut] == two.surge[:cut]).all()


def test_a_state_that_was_written_down_and_read_again_goes_on_as_if_nothing_had_been() -> None:
    windows = ((2, 4), (1, 6))
    load = trace(2 * 1440, day=1440, seed=3, noise=0.1)
    state = begun(load[:-50], windows, MINUTELY)
    again = pickle.loads(pickle.dumps(state))

    for value in load[-50:]:
        state.advance(value)
        again.advance(value)
    assert again.outlook().add.centre[0] == state.outlook().add.centre[0]
    assert again.tick == state.tick == len(load) - 1


def test_a_gap_is_held_for_five_minutes_and_then_bridged_by_the_day_before() -> None:
    values = np.concatenate([[math.nan, math.nan], np.arange(1.0, 1441.0), np.full(8, math.nan), [7.0, -1.0, math.inf]])
    made = lead_outlook.filled(values, MINUTELY)

    assert len(made) == len(values) - 2
    assert made[1440:1445].tolist() == [1440.0] * 5
    assert made[1445:1448].tolist() == [6.0, 7.0, 8.0]
    assert made[1448:].tolist() == [7.0, 7.0, 7.0]
    assert len(lead_outlook.filled(np.full(9, math.nan), MINUTELY)) == 0


@given(cut=st.integers(1, 200), missing=st.lists(st.integers(0, 199), max_size=40))
def test_what_bridges_a_gap_knows_nothing_of_what_came_after_it(cut: int, missing: list[int]) -> None:
    clock = lead.Clock(day=48, minute=1, delay=0)
    values = np.random.default_rng(1).random(200)
    values[missing] = math.nan
    whole, part = lead_outlook.filled(values, clock), lead_outlook.filled(values[:cut], clock)

    assert (whole[: len(part)] == part).all()


def test_a_flood_of_misses_widens_the_scale() -> None:
    windows = ((2, 4), (1, 6))
    load = trace(3 * 1440, day=1440, seed=5, noise=0.02)
    load[2 * 1440 + 600 :: 9] *= 3.0
    load = load.astype(np.float32).astype(np.float64)
    whole = lead_outlook.over(load, windows=windows, surge_last=6, clock=MINUTELY, unit=UNIT)
    plain = lead.forecast(load, windows=windows, clock=MINUTELY, unit=UNIT)[0]

    assert whole.widened[1500 : 2 * 1440 + 600].mean() < 0.2
    assert whole.widened[2 * 1440 + 610 : 2 * 1440 + 640].mean() > 0.8
    ratio = whole.add.scale / plain.scale
    assert (ratio[whole.widened] == 2).all()
    assert (ratio[~whole.widened] == 1).all()
