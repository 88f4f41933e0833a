"""Real processes: what is tested here is what happens when one of them dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from domain.errors import FitFailedError, HistoryTooShortError
from forecaster.fit import fit
from forecaster.workers import FitPool, OneShotPool
from tests.forecaster.synthetic import curve, request

PATIENCE = 20


@pytest.fixture
def pool() -> Iterator[FitPool]:
    pool = FitPool(1)
    yield pool
    pool.shutdown(cancel_futures=True)


@pytest.fixture
def one_shot() -> Iterator[OneShotPool]:
    pool = OneShotPool()
    yield pool
    pool.shutdown(cancel_futures=True)


def test_a_fit_runs_in_a_worker_and_equals_one_made_here(pool: FitPool) -> None:
    here, there = fit(request(curve(400))), pool.submit(fit, request(curve(400))).result(PATIENCE)
    assert there.mean.tobytes() == here.mean.tobytes()
    assert pool.submit(os.getpid).result(PATIENCE) not in (os.getpid(), None)


def test_a_worker_computes_in_one_thread(pool: FitPool) -> None:
    pool.submit(fit, request(curve(2000))).result(PATIENCE)
    worker = psutil.Process(pool.submit(os.getpid).result(PATIENCE))
    assert worker.num_threads() == 2  # its own, and the one that waits for the parent's end


def test_an_error_of_ours_comes_back_whole_and_leaves_the_pool_alive(pool: FitPool) -> None:
    with pytest.raises(HistoryTooShortError, match="needs 0:02:30 of history"):
        pool.submit(fit, request(curve(3))).result(PATIENCE)
    assert pool.submit(fit, request(curve(300))).result(PATIENCE).horizon == 48


def test_the_pool_is_built_anew_after_a_worker_was_killed(pool: FitPool) -> None:
    first = pool.submit(os.getpid).result(PATIENCE)
    with pytest.raises(BrokenProcessPool):
        pool.submit(os.kill, first, signal.SIGKILL).result(PATIENCE)
    assert pool.submit(os.getpid).result(PATIENCE) != first


def test_ctrl_c_is_left_to_the_parent(pool: FitPool) -> None:
    worker = pool.submit(os.getpid).result(PATIENCE)
    os.kill(worker, signal.SIGINT)
    assert pool.submit(os.getpid).result(PATIENCE) == worker


def test_one_shot_workers_end_with_their_task(one_shot: OneShotPool) -> None:
    first, second = (one_shot.submit(os.getpid).result(PATIENCE) for _ in range(2))
    assert first != second
    assert not psutil.pid_exists(first)


def test_one_shot_error_comes_back(one_shot: OneShotPool) -> None:
    with pytest.raises(HistoryTooShortError, match="needs 0:02:30 of history"):
        one_shot.submit(fit, request(curve(3))).result(PATIENCE)
    with pytest.raises(FitFailedError, match="^ZeroDivisionError: "):
        one_shot.submit(divmod, 1, 0).result(PATIENCE)


def test_a_one_shot_worker_that_dies_fails_its_task_alone(one_shot: OneShotPool) -> None:
    with pytest.raises(FitFailedError, match="a worker ended without an answer, exit code 7"):
        one_shot.submit(os._exit, 7).result(PATIENCE)
    assert one_shot.submit(abs, -2).result(PATIENCE) == 2


def test_a_one_shot_worker_that_hangs_is_killed() -> None:
    hasty = OneShotPool(timeout=timedelta(milliseconds=50))
    with pytest.raises(FitFailedError, match=r"a worker was killed after 0:00:00.050000"):
        hasty.submit(signal.pause).result(PATIENCE)
    hasty.shutdown()


def test_shutdown_kills_what_runs_and_drops_what_waits() -> None:
    pool = OneShotPool()
    running, waiting = pool.submit(signal.pause), pool.submit(signal.pause)
    while pool.busy is None:
        pass
    pool.shutdown(cancel_futures=True)
    assert isinstance(running.exception(PATIENCE), FitFailedError)
    assert waiting.cancelled()


def test_nothing_survives_a_parent_that_was_killed() -> None:
    """Pool worker, busy one-shot worker, fork server and resource tracker end by themselves, and take what was lent."""
    parent = subprocess.Popen(
        [sys.executable, "-m", "tests.forecaster.doomed_parent"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    ready, _, block = parent.stdout.readline().strip().partition(" ")
    assert (ready, (Path("/dev/shm") / block).exists()) == ("ready", True)
    children = psutil.Process(parent.pid).children(recursive=True)
    assert len(children) >= 4
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs(children, timeout=PATIENCE)
    survivors = [" ".join(child.cmdline()) for child in alive]
    for child in alive:
        child.kill()
    assert survivors == []
    assert not (Path("/dev/shm") / block).exists()
    parent.communicate()  # closes the pipes, which a survivor would have kept open
