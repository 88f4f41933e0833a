"""The load one start-up ahead: nothing from the future, calibrated tails, seasons and surges learned."""

import numpy as np
import pytest

from forecaster import lead, lead_features, lead_surge
from tests.controller.simulate import worlds

CLOCK = lead.Clock(day=5760, minute=4, delay=2)
UNIT = worlds.SERVICE.safe_rps
WINDOWS = ((7, 9), (1, 12))


def test_a_future_in_another_order_changes_no_earlier_forecast() -> None:
    load = worlds.load(9, noise=0.05)
    cut = 5 * 5760 + 1234
    other = load.copy()
    np.random.default_rng(3).shuffle(other[cut:])

    for mine, theirs in zip(
        lead.forecast(load, windows=WINDOWS, clock=CLOCK, unit=UNIT),
        lead.forecast(other, windows=WINDOWS, clock=CLOCK, unit=UNIT),
        strict=True,
    ):
        assert (mine.centre[:cut] == theirs.centre[:cut]).all()
        assert (mine.scale[:cut] == theirs.scale[:cut]).all()
        assert (mine.tails[mine.row[:cut]] == theirs.tails[theirs.row[:cut]]).all()
        assert (mine.centre[cut + 12 :] != theirs.centre[cut + 12 :]).any()
    before, after = (lead_surge.floor(one, last=12, day=5760, minute=4, delay=2)[:cut] for one in (load, other))
    assert (before == after).all()


@pytest.mark.parametrize("share", [0.1, 0.02])
def test_errors_lie_beyond_a_tail_as_often_as_it_says(share: float) -> None:
    load = worlds.load(12, noise=0.06)
    made = lead.forecast(load, windows=((7, 9),), clock=CLOCK, unit=UNIT)[0]
    ahead = np.log(lead_features.largest_ahead(load, 7, 9) + made.offset)
    standard = (ahead - made.centre) / made.scale
    point = np.argmax(made.tails < share, axis=1)[made.row]
    beyond = standard > made.lowest + made.step * point

    assert beyond[5 * 5760 : -20].mean() == pytest.approx(share, rel=0.35)


def test_a_steep_morning_is_seen_coming_after_some_days() -> None:
    day = np.concatenate([np.full(2880, 300.0), np.full(2880, 1500.0)])
    load = np.tile(day, 8)
    made = lead.forecast(load, windows=((7, 9),), clock=CLOCK, unit=UNIT)[0]
    before_the_step = 7 * 5760 + 2880 - 8

    assert np.exp(made.centre[before_the_step]) > 900
    assert np.exp(made.centre[7 * 5760 + 1000]) == pytest.approx(300, rel=0.1)


def surges(missing: int | None = None) -> np.ndarray:
    load = np.full(10 * 5760, 400.0)
    dice = np.random.default_rng(5)
    for day in range(10):
        if day != missing:
            begin = day * 5760 + 2880 + dice.integers(-8, 9)
            load[begin : begin + 120] *= 2.5
    return load


def test_a_surge_of_every_noon_is_ready_for_before_it_comes_even_after_a_day_without() -> None:
    floor = lead_surge.floor(surges(missing=7), last=12, day=5760, minute=4, delay=2)

    assert floor[8 * 5760 + 2880 - 12] == pytest.approx(1000, rel=0.05)
    assert floor[8 * 5760 + 1000] == 0
    assert (floor[: 4 * 5760] == 0).all()


def test_no_surge_floor_stands_under_a_smooth_day() -> None:
    floor = lead_surge.floor(worlds.load(9, noise=0.05), last=12, day=5760, minute=4, delay=2)

    assert np.mean(floor > 0) < 0.01


def test_the_largest_ahead_is_the_largest_ahead() -> None:
    load = np.random.default_rng(0).random(60)

    for first, last in ((7, 9), (1, 12), (3, 6)):
        made = lead_features.largest_ahead(load, first, last)
        assert made[:40].tolist() == [load[k + first : k + last + 1].max() for k in range(40)]
    back = lead_features.trailing_max(load, 20)
    assert back[30:].tolist() == [load[k - 19 : k + 1].max() for k in range(30, 60)]
