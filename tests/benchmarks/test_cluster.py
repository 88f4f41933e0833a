"""The replay that is set beside the real HPA controller; the rest of benchmarks.cluster needs a cluster."""

from __future__ import annotations

import numpy as np

from benchmarks.cluster_fidelity import FIRST, RUNS, Run, replay, within_one

DOUBLE = Run(name="double", load=lambda seconds: 200.0 if seconds < 10 else 400.0)


def test_a_replay_decides_only_when_the_real_controller_passed() -> None:
    replicas = replay(DOUBLE, [5.0, 30.5], seconds=60)

    assert replicas[30] == FIRST
    assert list(replicas[31:]) == [8] * 29


def test_slow_pods_are_not_counted_as_working() -> None:
    """They share no load and hold back a second step."""
    load = [200.0 if seconds < 5 else 600.0 for seconds in range(60)]
    run = Run(name="slow", load=lambda seconds: load[int(seconds)], start_seconds=20)

    assert replay(run, range(60), seconds=60).max() == 12


def test_every_curve_begins_with_the_first_replicas() -> None:
    assert {int(replay(run, [0.0, 1.0, 2.0], seconds=3)[-1]) for run in RUNS} == {FIRST}


def test_fidelity_is_the_share_of_ticks_at_most_one_pod_apart() -> None:
    assert within_one(np.array([4, 5, 6, 8]), np.array([4, 6, 5, 6])) == 0.75
