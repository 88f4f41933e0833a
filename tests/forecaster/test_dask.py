"""The same chunks on a real Dask cluster of two workers, one of which is killed on the way."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from forecaster.fanout import fit_all
from tests.forecaster.test_fanout import TASK, alike, answers, many


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_round_on_dask_completes_though_a_worker_was_killed() -> None:
    import distributed  # a second that only this test shall cost, not the collection of all

    values = many(4 * 128)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(2, timeout=60)
        pids = list(client.run(os.getpid).values())
        client.run(sys.path.insert, 0, os.getcwd())

        def kill_one(done: int, total: int) -> None:
            if done == 1:
                os.kill(pids[0], signal.SIGKILL)

        made = fit_all(values, TASK, pool=client.get_executor(), workers=2, progress=kill_one)
    assert alike(answers(made), answers(fit_all(values, TASK)))
