"""The processes that fit: a small pool that stays, and one process per Holt-Winters reference that ends with it.

All of them are forked from a fork server that has imported ``forecaster.fit`` (numpy, no statsmodels), so that one
starts in some 20 ms and shares most of its memory. A worker whose parent is gone ends by itself, also after SIGKILL.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import timedelta
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any, Final, ParamSpec, TypeVar

from domain.errors import FitFailedError, ForetideError

P = ParamSpec("P")
T = TypeVar("T")

PRELOADED: Final = ("forecaster.one_thread", "forecaster.fit")
ORPHANED: Final = 3
"""Exit code of a worker whose parent is gone; nobody is left to read it but a debugger."""
NICENESS: Final = 5
"""Collecting, deciding and answering come first; a forecast may be some tenths of a second later."""


def fork_server() -> ForkServerContext:
    """Where all workers come from; the server itself starts with the first of them."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    return context


class FitPool(Executor):
    """A process pool that is built anew when a worker was killed: the fits under way fail, later ones run."""

    def __init__(self, workers: int) -> None:
        """Start nothing yet: a worker starts when there is work for it."""
        self._workers = workers
        self._lock = threading.Lock()
        self._closed = False
        self._processes = self._build()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """As ``Executor.submit``; ``fn`` must be picklable."""
        with self._lock:
            try:
                return self._processes.submit(fn, *args, **kwargs)
            except BrokenProcessPool:
                if self._closed:
                    raise
                self._processes.shutdown(wait=False)
                self._processes = self._build()
                return self._processes.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers, each after the fit that it is at."""
        with self._lock:
            self._closed = True
        self._processes.shutdown(wait=wait, cancel_futures=cancel_futures)

    def _build(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(self._workers, mp_context=fork_server(), initializer=live_with_parent)


class OneShotPool(Executor):
    """Runs one task at a time, each in a process of its own, so that what it imported leaves memory with it.

    ``ProcessPoolExecutor(max_tasks_per_child=1)`` keeps a fresh worker waiting between tasks and can hang when a
    worker ends at the wrong moment (cpython issue 115634).
    """

    def __init__(self, *, timeout: timedelta = timedelta(minutes=2)) -> None:
        """Take the time after which a task that is not done is killed."""
        self._timeout = timeout
        self._context = fork_server()
        self._waiting = ThreadPoolExecutor(1, thread_name_prefix="one-shot")
        self._lock = threading.Lock()
        self._closed = False
        self._process: ForkServerProcess | None = None

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """As ``Executor.submit``; the future fails with FitFailedError when the process dies or takes too long."""
        return self._waiting.submit(self._run, partial(fn, *args, **kwargs))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Drop the tasks that wait when ``cancel_futures``, and kill the one that runs."""
        with self._lock:
            self._closed = cancel_futures
            if cancel_futures and self._process is not None:
                self._process.kill()
        self._waiting.shutdown(wait=wait, cancel_futures=cancel_futures)

    @property
    def busy(self) -> int | None:
        """Process id of the task that runs; None when none does."""
        with self._lock:
            return None if self._process is None else self._process.pid

    def _run(self, task: Callable[[], T]) -> T:
        receiver, sender = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_answer, args=(task, sender), daemon=True)
        with self._lock:
            if self._closed:
                raise FitFailedError("the pool of workers is shut down")
            process.start()
            self._process = process
        sender.close()
        try:
            outcome: T = self._received(receiver, process)
            return outcome
        finally:
            with self._lock:
                self._process = None
            process.kill()
            process.join()
            process.close()
            receiver.close()

    def _received(self, receiver: Connection, process: ForkServerProcess) -> Any:  # whatever the task returns
        if not receiver.poll(self._timeout.total_seconds()):
            raise FitFailedError(f"a worker was killed after {self._timeout} without an answer")
        try:
            outcome, error = receiver.recv()
        except EOFError as ended:
            process.join()
            raise FitFailedError(f"a worker ended without an answer, exit code {process.exitcode}") from ended
        if error is not None:
            raise error
        return outcome


def live_with_parent() -> None:
    """Make this worker process leave Ctrl-C to its parent, yield to the parent's own work, and end when it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), name="end-with-parent", daemon=True).start()


def _end_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(ORPHANED)


def _answer(task: Callable[[], object], sender: Connection) -> None:
    """Body of a one-shot process: send ``(result, None)`` or ``(None, error)``."""
    live_with_parent()
    try:
        sender.send((task(), None))
    except ForetideError as error:
        sender.send((None, error))
    except Exception as error:  # anything else becomes ours here, where its kind is still known
        sender.send((None, FitFailedError(f"{type(error).__name__}: {error}")))
