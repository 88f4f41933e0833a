"""Thousands of series as chunks: in this process, in a process pool, or on a Dask cluster, with the same result.

Chunks are cut by position alone and each is fitted on its own, so that the number of workers changes nothing but the
time. A chunk whose worker was lost is fitted again, on another worker or at last in this process. Processes of this
machine read their chunks from one block of shared memory (``forecaster.lending``); others get them sent.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from forecaster import engine
from forecaster.history import prepare_batch
from forecaster.lending import Lender, Rows

logger = logging.getLogger(__name__)

CHUNK: Final = 128
"""Series; 40 MB while it is fitted. Also the number that shares coefficients."""
AHEAD: Final = 2
"""Chunks handed out per worker beyond those being fitted: no worker waits, and few are in flight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What to fit, alike for all series: the arguments of ``engine.fit``."""

    season_length: int
    horizon: int
    levels: tuple[float, ...]


Chunk = NDArray[np.float32] | Rows
"""Histories, or where a process of this machine finds them."""


def fit_chunk(chunk: Chunk, task: Task) -> engine.State:
    """One chunk, NaN where nothing was measured; runs in a worker."""
    values = chunk.read() if isinstance(chunk, Rows) else chunk
    filled, measured = prepare_batch(values, task.season_length)
    return engine.fit(
        filled, measured, season_length=task.season_length, horizon=task.horizon, levels=task.levels
    )  # fmt: skip


def fit_all(
    values: NDArray[np.float32],
    task: Task,
    *,
    pool: Executor | None = None,
    workers: int = 1,
    shared: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[engine.State]:
    """Fit every series, ``CHUNK`` at a time.

    Args:
        values: Histories on one grid, NaN where nothing was measured, shape ``(series, steps)``.
        task: What to fit.
        pool: Where; None for this process. A Dask client's ``get_executor()`` is one too.
        workers: How many of its workers to keep busy.
        shared: Whether the workers are processes of this machine and read the histories from shared memory.
        progress: Called with the number of chunks done and of all.

    Returns:
        One state per chunk, in the order of the series.
    """
    states: list[engine.State] = []
    with ExitStack() as lent:
        chunks: list[Chunk] = [values[first : first + CHUNK] for first in range(0, len(values), CHUNK)]
        if shared and pool is not None:
            lender = lent.enter_context(Lender(values))
            chunks = [lender.rows(first, first + CHUNK) for first in range(0, len(values), CHUNK)]
        made = (fit_chunk(chunk, task) for chunk in chunks) if pool is None else _pooled(chunks, task, pool, workers)
        for state in made:
            states.append(state)
            progress(len(states), len(chunks))
    return states


def _pooled(chunks: Sequence[Chunk], task: Task, pool: Executor, workers: int) -> Iterator[engine.State]:
    """In order, a few chunks ahead of what is read."""
    flight: deque[Future[engine.State]] = deque()
    waiting = iter(chunks)
    for chunk in chunks:
        for next_chunk in islice(waiting, workers * (1 + AHEAD) - len(flight)):
            flight.append(_submitted(pool, next_chunk, task))
        yield _result(flight.popleft(), chunk, task)


def _submitted(pool: Executor, chunk: Chunk, task: Task) -> Future[engine.State]:
    try:
        return pool.submit(fit_chunk, chunk, task)
    except (BrokenExecutor, OSError) as error:
        failed: Future[engine.State] = Future()
        failed.set_exception(error)
        return failed


def _result(future: Future[engine.State], chunk: Chunk, task: Task) -> engine.State:
    """Of a chunk whose worker was lost the fit is repeated here: the round completes, only later."""
    try:
        return future.result()
    except (BrokenExecutor, OSError) as error:
        logger.warning("A chunk is fitted again", extra={"reason": f"{type(error).__name__}: {error}"})
        return fit_chunk(chunk, task)
