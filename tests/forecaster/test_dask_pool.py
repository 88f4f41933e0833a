"""Fits on a real Dask scheduler that comes, goes and comes back; what it loses is fitted here."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import psutil
import pytest
from prometheus_client import CollectorRegistry

from domain.forecasts import Forecast
from forecaster.dask_pool import DaskConfig, DaskPool
from forecaster.fit import fit
from forecaster.metrics import ClusterMetrics
from tests.fakes.executors import InlineExecutor
from tests.forecaster.synthetic import SEASON_LENGTH, curve, noise, request

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
PATIENCE = 60.0


def until(holds: Callable[[], bool]) -> None:
    """Look again until it holds."""
    never = threading.Event()
    for _ in range(int(PATIENCE / 0.05)):
        if holds():
            return
        never.wait(0.05)
    raise AssertionError("it never came to hold")


class Cluster:
    """Scheduler and workers as processes of their own, to be killed one by one."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, *, workers: int = 1) -> subprocess.Popen[bytes]:
        scheduler = self._run("scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--no-show")
        for _ in range(workers):
            self._run("worker", self.address, "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1")
        return scheduler

    def _run(self, kind: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *arguments, "--no-dashboard"]
        environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "OPENBLAS_NUM_THREADS": "1"}
        nowhere = subprocess.DEVNULL
        self.processes.append(subprocess.Popen(command, env=environment, stdout=nowhere, stderr=nowhere))
        return self.processes[-1]

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        self.processes.clear()


@pytest.fixture
def dask() -> Iterator[Cluster]:
    made = Cluster()
    yield made
    made.stop()


@pytest.fixture
def pool(dask: Cluster, registry: CollectorRegistry) -> Iterator[DaskPool]:
    made = DaskPool(
        DaskConfig(scheduler=dask.address), local=InlineExecutor(), metrics=ClusterMetrics(registry),
        retry_after=timedelta(milliseconds=200),
    )  # fmt: skip
    yield made
    made.shutdown(wait=False)


def told(registry: CollectorRegistry, name: str) -> float:
    return registry.get_sample_value(f"foretide_forecaster_cluster_{name}") or 0.0


def days(seed: int = 0) -> np.ndarray:
    return curve(6 * SEASON_LENGTH) + 5 * noise(6 * SEASON_LENGTH, seed)


def test_fits_run_there_and_are_those_of_here(dask: Cluster, pool: DaskPool, registry: CollectorRegistry) -> None:
    dask.start()
    until(lambda: pool.connected)
    assert pool.submit(os.getpid).result(PATIENCE) == dask.processes[1].pid
    there: Forecast = pool.submit(fit, request(days())).result(PATIENCE)
    assert np.allclose(there.values, fit(request(days())).values, rtol=1e-6)
    assert (told(registry, "connected"), told(registry, "fallbacks_total")) == (1.0, 0.0)


def test_a_fits_own_error_comes_back(dask: Cluster, pool: DaskPool) -> None:
    dask.start()
    until(lambda: pool.connected)
    with pytest.raises(ZeroDivisionError):
        pool.submit(divmod, 1, 0).result(PATIENCE)


def test_while_the_scheduler_is_away_fits_run_here_and_it_is_told_once(
    dask: Cluster, pool: DaskPool, registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "forecaster.dask_pool")
    assert pool.submit(os.getpid).result(PATIENCE) == os.getpid()
    assert told(registry, "fallbacks_total") == 1.0
    scheduler = dask.start()
    until(lambda: pool.connected)
    running = [pool.submit(fit, request(days(seed))) for seed in range(40)]
    scheduler.send_signal(signal.SIGKILL)
    made = [one.result(PATIENCE) for one in running]
    assert [one.signal for one in made] == ["shop/checkout/soon"] * 40
    until(lambda: not pool.connected)
    assert pool.submit(os.getpid).result(PATIENCE) == os.getpid()
    assert [record.message for record in caplog.records].count("Dask cluster is away, fits run here") <= 2
    dask.stop()
    dask.start()
    until(lambda: pool.connected)
    assert pool.submit(os.getpid).result(PATIENCE) in {process.pid for process in dask.processes}


def test_a_worker_that_was_killed_costs_no_fit(dask: Cluster, pool: DaskPool) -> None:
    dask.start(workers=2)
    until(lambda: pool.connected)
    running = [pool.submit(fit, request(days(seed))) for seed in range(20)]
    running[0].result(PATIENCE)
    psutil.Process(dask.processes[1].pid).kill()
    assert len([one.result(PATIENCE) for one in running]) == 20


def test_a_cluster_without_workers_keeps_nobody_waiting(dask: Cluster, pool: DaskPool) -> None:
    dask.start(workers=0)
    assert pool.submit(os.getpid).result(PATIENCE) == os.getpid()
