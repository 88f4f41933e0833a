from __future__ import annotations

import os
import signal
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecaster import lending
from forecaster.fanout import CHUNK, Task, fit_all
from forecaster.workers import FitPool
from tests.forecaster.synthetic import curve, noise

TASK = Task(season_length=24, horizon=6, levels=(0.5, 0.95))


def many(count: int = 2 * CHUNK + 10) -> np.ndarray:
    return np.stack([curve(200) * (1 + 0.1 * noise(200, seed)) for seed in range(count)]).astype(np.float32)


def answers(states: list[Any]) -> bytes:
    return np.concatenate([state.forecast() for state in states]).tobytes()


def alike(one: bytes, other: bytes) -> bool:
    """This process may compute in two threads, which add up in another order: a step of the descent may differ."""
    return bool(np.isclose(np.frombuffer(one), np.frombuffer(other), rtol=1e-3).mean() > 0.99)


def test_workers_change_nothing_but_the_time() -> None:
    values, told = many(), []
    alone = fit_all(values, TASK, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]
    made = []
    for workers in (1, 2):
        with FitPool(workers) as pool:
            made.append(answers(fit_all(values, TASK, pool=pool, workers=workers)))
    assert made[0] == made[1]
    assert alike(made[0], answers(alone))


def blocks() -> set[str]:
    """Names of the shared memory that this process holds; the tests beside it have their own."""
    return {path.name for path in Path("/dev/shm").glob(f"{lending.prefix()}*")}


def test_shared_memory_changes_no_bit_and_is_gone_afterwards() -> None:
    values, before = many(), blocks()
    with FitPool(2) as pool:
        sent = answers(fit_all(values, TASK, pool=pool, workers=2))
        seen: set[str] = set()
        read = answers(
            fit_all(values, TASK, pool=pool, workers=2, shared=True, progress=lambda *_: seen.update(blocks() - before))
        )
    assert read == sent
    assert len(seen) == 1
    assert blocks() == before


def test_a_killed_worker_leaves_no_shared_memory_behind() -> None:
    values, before = many(), blocks()
    with FitPool(1) as pool:
        made = fit_all(values, TASK, pool=DyingPool(pool), workers=1, shared=True)
    assert alike(answers(made), answers(fit_all(values, TASK)))
    assert blocks() == before


def test_a_round_that_ends_early_leaves_no_shared_memory_behind() -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    before = blocks()
    with FitPool(1) as pool, pytest.raises(KeyboardInterrupt):
        fit_all(many(), TASK, pool=pool, shared=True, progress=stop)
    assert blocks() == before


class DyingPool(Executor):
    """Kills a worker of the real pool beneath it when the second chunk is handed out."""

    def __init__(self, pool: FitPool) -> None:
        self.pool, self.handed_out = pool, 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.handed_out += 1
        future = self.pool.submit(fn, *args, **kwargs)
        if self.handed_out == 2:
            self.pool.submit(os.kill, self.pool.submit(os.getpid).result(), signal.SIGKILL)
        return future


def test_a_round_completes_though_a_worker_was_killed() -> None:
    values = many()
    with FitPool(1) as pool:
        made = fit_all(values, TASK, pool=DyingPool(pool), workers=1)
    assert alike(answers(made), answers(fit_all(values, TASK)))


class BrokenPool(Executor):
    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        raise BrokenProcessPool("gone")


def test_without_any_worker_the_round_runs_here() -> None:
    values = many(CHUNK + 1)
    assert answers(fit_all(values, TASK, pool=BrokenPool())) == answers(fit_all(values, TASK))
