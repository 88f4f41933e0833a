from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pytest

from domain.forecasts import Forecast
from forecaster.served import Served
from forecaster.trail import Trail
from tests.forecaster.synthetic import SEASON, START

STEP = timedelta(minutes=5)
HOUR = timedelta(hours=1)
LEVELS = (0.05, 0.5, 0.95)


def forecast(known: int, level: float, horizon: int = 8) -> Forecast:
    return Forecast(
        signal="shop/checkout/soon", model="median", made_at=START, cutoff=START + (known - 1) * STEP, step=STEP,
        season=SEASON, mean=np.full(horizon, level), quantiles=LEVELS, values=np.full((horizon, 3), level),
        reference=None, backtest=None, history_start=START,
    )  # fmt: skip


def lived(hours: int, judged: tuple[timedelta, ...]) -> Served:
    """A load of 100 that is forecast as 150 in the first half of the hours, and as 110 in the second."""
    memory = Served(levels=LEVELS, watched=(0.95,), horizon=8, step=STEP, judged=judged)
    steps = 12 * hours
    for known in range(1, steps + 1):
        memory.learn(np.full(known, 100.0), START)
        said = forecast(known, 150.0 if known <= steps // 2 else 110.0)
        memory.remember(said, said)
    return memory


def test_only_what_was_served_over_the_time_counts() -> None:
    found = lived(40, (4 * HOUR, 36 * HOUR)).wapes(START + 40 * HOUR)
    assert found[4 * HOUR] == pytest.approx(0.1)
    assert 0.25 < found[36 * HOUR] < 0.35


def test_until_so_much_was_served_nothing_is_said() -> None:
    assert lived(40, (48 * HOUR,)).wapes(START + 40 * HOUR) == {}
    assert lived(40, ()).wapes(START + 40 * HOUR) == {}


def test_it_outlives_a_restart() -> None:
    judged = (4 * HOUR, 36 * HOUR)
    before, after = lived(40, judged), Served(levels=LEVELS, watched=(0.95,), horizon=8, step=STEP, judged=judged)
    body = json.loads(json.dumps(before.body()))
    after.restore(body)
    assert after.wapes(START + 40 * HOUR) == before.wapes(START + 40 * HOUR)
    del body["trail"]  # as written before gates looked back
    after.restore(body)


def test_no_more_is_kept_than_the_longest_time_needs() -> None:
    trail = Trail([3 * HOUR])
    for hour in range(1000):
        trail.add(START + hour * HOUR, 1.0, 10.0)
    assert len(trail.body()["sums"]) == 4
    assert trail.wapes([3 * HOUR], START + 999 * HOUR) == {3 * HOUR: pytest.approx(0.1)}


def test_where_nothing_but_zero_came_the_ratio_is_unknown() -> None:
    trail = Trail([HOUR])
    for hour in range(5):
        trail.add(START + hour * HOUR, 1.0, 0.0)
    assert trail.wapes([HOUR], START + 4 * HOUR) == {}
