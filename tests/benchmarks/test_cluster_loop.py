"""The figures of the whole loop in a cluster, without a cluster: what is sent, and how what is seen is counted."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.cluster_ahead import outcome
from benchmarks.cluster_ahead_world import Seen
from benchmarks.cluster_curves import HISTORY_TICKS, Curve, curves
from benchmarks.cluster_loop import FIRST, STEPS, Step, Watched, steps
from benchmarks.report import NotMeasuredError
from controller.actuation import ramp
from tests.cluster.api import Object


def hpa(name: str, *, low: int, desired: int) -> Object:
    return {"metadata": {"name": name}, "spec": {"minReplicas": low}, "status": {"desiredReplicas": desired}}


def test_every_step_of_a_service_is_one_that_a_floor_may_take_at_once() -> None:
    planned = steps(4)
    assert len(planned) == 4 * STEPS
    assert max(step.floor for step in planned) <= ramp.risen(FIRST)


def test_a_step_is_over_when_the_status_shows_its_floor_and_not_when_it_is_written() -> None:
    watched = Watched()
    watched.sent(Step(at=0.0, service="a", floor=4), 10.0)
    watched.sent(Step(at=0.0, service="a", floor=6), 12.0)
    watched.seen([hpa("a", low=4, desired=2)], 13.0)
    assert (watched.written, watched.took, watched.missing) == ([3.0], [], 2)
    watched.seen([hpa("a", low=6, desired=6)], 20.0)
    assert (watched.took, watched.missing) == ([10.0, 8.0], 0)


def test_violated_minutes_and_replica_hours_are_those_of_the_ticks_that_were_seen() -> None:
    curve = Curve(name="a", load=np.full(10, 4.0), begin=0)  # 4 busy replicas are 4.72 at 84.75 %
    ready = np.array([[5, 5, 4, 4, 5, 5, 5, 5, 5, np.nan]])
    found = outcome(Seen(wanted=np.where(np.isnan(ready), np.nan, 6.0), ready=ready), [curve])
    assert found.minutes[0] == pytest.approx(2 / 4 * 10 / 9)
    assert found.hours[0] == pytest.approx(6 * 10 / 240)
    with pytest.raises(NotMeasuredError, match="only 80%"):
        outcome(Seen(wanted=ready[:, 2:7], ready=np.array([[5, np.nan, 5, 5, 5.0]])), [curve])


def test_made_curves_have_two_weeks_before_them_and_one_surges() -> None:
    made = {one.name: one for one in curves(None, ticks=600)}
    assert all(one.begin > HISTORY_TICKS for one in made.values())
    calm, surging = (np.array([made[name].at(tick) for tick in range(600)]) for name in ("days", "days-with-surges"))
    assert surging.max() > 2 * calm.max()
