"""Fits on a Dask cluster whose scheduler is elsewhere, and here while that cannot be reached.

``distributed`` (extra ``dask``) is imported by the thread that connects, 57 MB, and never without a scheduler address.
Dask repeats what a lost worker was at; what a lost scheduler was at is fitted here. The same function on the same input
gives the same forecast wherever it runs, as far as the machines' BLAS are alike.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final, ParamSpec, TypeVar

from domain.errors import FitFailedError
from forecaster.metrics import ClusterMetrics

P = ParamSpec("P")
T = TypeVar("T")
logger = logging.getLogger(__name__)

CONNECT_WITHIN: Final = timedelta(seconds=10)
FETCH_WITHIN: Final = timedelta(seconds=10)
"""From the end of a fit until its forecast, some 100 KB, is here."""
RETRY_AFTER: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class DaskConfig:
    """Where the scheduler is.

    Attributes:
        scheduler: ``tcp://host:8786``, or ``tls://…`` with the files below.
        tls_ca: PEM file of the authority that signed the cluster's certificates; None without TLS.
        tls_cert: Our own certificate.
        tls_key: Its key.
    """

    scheduler: str
    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None


class DaskPool(Executor):
    """Hands fits to the cluster; to ``local`` while it is away. Reconnects by itself."""

    def __init__(
        self, config: DaskConfig, *, local: Executor, metrics: ClusterMetrics, retry_after: timedelta = RETRY_AFTER
    ) -> None:
        """Begin to connect; fits run here until that is done.

        Args:
            config: Where the scheduler is.
            local: Runs what the cluster cannot; not shut down with this pool.
            metrics: Told whether the cluster is there, and what ran here instead.
            retry_after: How long after a failed attempt the next is made.
        """
        self._config, self._local, self._metrics, self._retry_after = config, local, metrics, retry_after
        self._lock = threading.Lock()
        self._client: Any = None
        self._told_away = False
        self._ended = threading.Event()
        self._lost = threading.Event()
        self._connecting = threading.Thread(target=self._keep_connected, name="dask-connect", daemon=True)
        self._connecting.start()

    @property
    def connected(self) -> bool:
        """Whether fits go to the cluster: the scheduler answers and has a worker."""
        return self._usable() is not None

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """As ``Executor.submit``; ``fn`` must be importable on the cluster's workers."""
        task = partial(fn, *args, **kwargs)
        client = self._usable()
        if client is None:
            return self._here(task)
        answer: Future[T] = Future()
        try:
            running = client.submit(task, pure=False)
            # Not client.get_executor(): its futures never end when the scheduler is lost while a result is fetched.
            running.add_done_callback(partial(self._came, task, answer))
        except Exception as error:  # whatever a client raises that has just lost its scheduler
            self._away(error)
            return self._here(task)
        return answer

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster; what is under way there is given up."""
        self._ended.set()
        self._lost.set()
        with self._lock:
            client, self._client = self._client, None
        self._metrics.connected.set(0)
        if client is not None:
            _close(client)
        if wait:
            self._connecting.join(timeout=CONNECT_WITHIN.total_seconds())

    def _usable(self) -> Any:
        with self._lock:
            client = self._client
        if client is None or client.status != "running" or not client.scheduler_info(n_workers=1)["n_workers"]:
            return None
        return client

    def _here(self, task: Callable[[], T]) -> Future[T]:
        self._metrics.fallbacks.inc()
        return self._local.submit(task)

    def _came(self, task: Callable[[], T], answer: Future[T], done: Any) -> None:
        """The cluster's answer, in a thread of its client; a fit whose scheduler was lost is repeated here."""
        try:
            result = done.result(timeout=FETCH_WITHIN.total_seconds())
        except (CancelledError, OSError, TimeoutError) as error:
            if self._ended.is_set():
                answer.cancel()
                answer.set_running_or_notify_cancel()
            else:
                self._away(error)
                self._here(task).add_done_callback(partial(_hand_on, answer))
        except Exception as error:  # the fit's own, or what Dask says of it
            answer.set_exception(_ours(error))
        else:
            answer.set_result(result)

    def _away(self, error: BaseException) -> None:
        """One line for each time that the cluster is lost."""
        self._metrics.connected.set(0)
        self._lost.set()
        with self._lock:
            told, self._told_away = self._told_away, True
        if not told:
            extra = {"scheduler": self._config.scheduler, "reason": f"{type(error).__name__}: {error}"}
            logger.warning("Dask cluster is away, fits run here", extra=extra)

    def _keep_connected(self) -> None:
        while not self._ended.is_set():
            try:
                client = _connect(self._config)
            except Exception as error:  # no scheduler, no extra, no certificate: the fits run here all the same
                self._away(error)
            else:
                self._take(client)
                while not self._ended.is_set() and client.status in ("running", "connecting"):
                    self._lost.wait(timeout=1.0)
                    self._lost.clear()
                    self._metrics.connected.set(client.status == "running")
                if not self._ended.is_set():
                    self._away(ConnectionError("the scheduler was lost"))
                _close(client)
            self._ended.wait(self._retry_after.total_seconds())

    def _take(self, client: Any) -> None:
        with self._lock:
            self._client, self._told_away = client, False
        self._metrics.connected.set(1)
        logger.info("Dask cluster is there", extra={"scheduler": self._config.scheduler})


def _connect(config: DaskConfig) -> Any:
    from distributed import Client
    from distributed.security import Security

    _hush()
    given: dict[str, Any] = {"timeout": CONNECT_WITHIN.total_seconds(), "set_as_default": False, "name": "foretide"}
    if config.tls_ca is not None:
        files = {"tls_ca_file": config.tls_ca, "tls_client_cert": config.tls_cert, "tls_client_key": config.tls_key}
        security: Callable[..., Any] = Security
        given["security"] = security(require_encryption=True, **files)
    client: Callable[..., Any] = Client
    return client(config.scheduler, **given)


def _close(client: Any) -> None:
    """A client that has lost its scheduler may fail to say goodbye."""
    try:
        client.close(timeout=2)
    except Exception as error:  # whatever tornado, asyncio and distributed raise in the middle of a lost connection
        logger.debug("Dask client did not close well", extra={"reason": f"{type(error).__name__}: {error}"})


def _hush() -> None:
    """``distributed`` brings log handlers of its own; what matters of its lines is told by ours."""
    for name in ("distributed", *(f"distributed.{part}" for part in ("client", "core", "comm", "utils"))):
        theirs = logging.getLogger(name)
        theirs.handlers.clear()
        theirs.setLevel(logging.CRITICAL)


def _hand_on(answer: Future[T], done: Future[T]) -> None:
    if done.cancelled():
        answer.cancel()
        answer.set_running_or_notify_cancel()
    elif (error := done.exception()) is not None:
        answer.set_exception(error)
    else:
        answer.set_result(done.result())


def _ours(error: BaseException) -> BaseException:
    """A fit that killed one worker after the other becomes a sentence; its own errors stay what they are."""
    if type(error).__name__ == "KilledWorker":
        return FitFailedError(f"the fit ended several workers of the Dask cluster: {error}")
    return error
