"""Work that takes longer than a request: started, watched, cancelled; a few at a time, the oldest results forgotten."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import uuid4

from domain.clock import Clock
from domain.errors import ForetideError, OverloadedError

log = logging.getLogger(__name__)

AT_ONCE: Final = 1
"""Each backtest has a process of its own; two would take what decisions need."""
MOST_WAITING: Final = 8
KEPT: Final = 100


class OperationState(StrEnum):
    """Where it stands."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing comes any more."""
        return self in (OperationState.SUCCEEDED, OperationState.FAILED, OperationState.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One piece of work.

    Attributes:
        kind: What it does ("backtest").
        subject: What it is about (``namespace/name``).
        progress_ratio: From 0 to 1, roughly.
        message: What it does now, or how it ended.
        result: Where its result is, an address of the API; empty before.
    """

    id: str
    kind: str
    subject: str
    state: OperationState
    progress_ratio: float
    message: str
    created_at: datetime
    updated_at: datetime
    result: str = ""


class CancelledError(ForetideError):
    """The operation was cancelled while it ran."""


Report = Callable[[str, float], None]
"""Tells what is being done and how far it is; raises ``CancelledError`` where nobody wants it any more."""
Work = Callable[[Report], str]
"""Does it and gives the address of the result."""


class Operations:
    """Those of this process; thread-safe."""

    def __init__(self, *, clock: Clock) -> None:
        """Start nothing yet."""
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, Operation] = {}
        self._stops: dict[str, Callable[[], None]] = {}
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="operation")
        self._closed = False

    def start(self, kind: str, subject: str, work: Work, *, stop: Callable[[], None] = lambda: None) -> Operation:
        """Do ``work`` when its turn comes; ``stop`` is called when it is cancelled on the way.

        Raises:
            OverloadedError: Too many wait already.
        """
        now = self._clock.now()
        made = Operation(
            id=str(uuid4()), kind=kind, subject=subject, state=OperationState.PENDING, progress_ratio=0.0,
            message="waits for its turn", created_at=now, updated_at=now,
        )  # fmt: skip
        with self._lock:
            waiting = sum(one.state is OperationState.PENDING for one in self._known.values())
            if waiting >= MOST_WAITING or self._closed:
                raise OverloadedError(f"{waiting} operations wait already; ask again when some have ended")
            self._known[made.id] = made
            self._stops[made.id] = stop
            for old in [one.id for one in self._known.values() if one.state.ended][: max(len(self._known) - KEPT, 0)]:
                del self._known[old]
        self._pool.submit(self._run, made.id, work)
        return made

    def get(self, operation_id: str) -> Operation | None:
        """One of them."""
        with self._lock:
            return self._known.get(operation_id)

    def all(self) -> list[Operation]:
        """All that are known, newest first."""
        with self._lock:
            return sorted(self._known.values(), key=lambda one: one.created_at, reverse=True)

    def cancel(self, operation_id: str) -> Operation | None:
        """End it, if it has not ended; None where nobody knows it."""
        with self._lock:
            found = self._known.get(operation_id)
            if found is None or found.state.ended:
                return found
            stop = self._stops.get(operation_id)
        ended = self._became(operation_id, OperationState.CANCELLED, "cancelled")
        if stop is not None:
            stop()
        return ended

    def close(self) -> None:
        """Cancel everything and take nothing more."""
        with self._lock:
            self._closed = True
        for one in self.all():
            self.cancel(one.id)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self, operation_id: str, work: Work) -> None:
        def report(words: str, share: float) -> None:
            told = self._became(operation_id, OperationState.RUNNING, words, share=share)
            if told is None or told.state is OperationState.CANCELLED:
                raise CancelledError("cancelled")

        try:
            report("begins", 0.0)
            result = work(report)
        except CancelledError:
            return
        except ForetideError as error:
            self._became(operation_id, OperationState.FAILED, str(error))
        except Exception as error:
            log.exception("operation failed", extra={"operation": operation_id})
            self._became(operation_id, OperationState.FAILED, f"{type(error).__name__}: a defect; the log has it")
        else:
            self._became(operation_id, OperationState.SUCCEEDED, "done", share=1.0, result=result)
        finally:
            with self._lock:
                self._stops.pop(operation_id, None)

    def _became(
        self, operation_id: str, state: OperationState, message: str, *, share: float | None = None, result: str = ""
    ) -> Operation | None:
        """What has ended stays as it is."""
        with self._lock:
            found = self._known.get(operation_id)
            if found is None or found.state.ended:
                return found
            changed = replace(
                found, state=state, message=message, updated_at=self._clock.now(), result=result,
                progress_ratio=found.progress_ratio if share is None else share,
            )  # fmt: skip
            self._known[operation_id] = changed
            return changed
