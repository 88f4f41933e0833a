"""Kubernetes events for the people who ask ``kubectl describe``: when something changed, never on each pass.

They are a courtesy: written on a thread of their own with a rate of their own, dropped when too many wait, and a
failure is logged once. What must not be lost stands in the ledger.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from domain.clock import Clock
from domain.errors import KubeError
from kube.kinds import EVENT
from kube.writer import Writer

logger = logging.getLogger(__name__)

Severity = Literal["Normal", "Warning"]

_LONGEST_MESSAGE: Final = 1024
"""The API refuses longer ones."""
_WAITING: Final = 1000
_REMEMBERED: Final = 10_000
_FORGOTTEN_AFTER_SECONDS: Final = 3000.0
"""The API server forgets events after an hour: what still holds may be said again after 50 minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Regarding:
    """Which object an event is about."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    message: str
    at: float


class Events:
    """Says things about objects; from any thread.

    Args:
        writer: Of its own, with a low rate, so that events never hold back a deed.
        clock: The time.
        component: Who says it.
        instance: Which process.
    """

    def __init__(
        self, writer: Writer, *, clock: Clock, component: str = "foretide", instance: str = "foretide"
    ) -> None:
        self._writer, self._clock, self._component, self._instance = writer, clock, component, instance
        self._said: OrderedDict[tuple[Regarding, str], _Said] = OrderedDict()
        self._waiting: queue.Queue[tuple[str, dict[str, Any]] | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)
        self._lock = threading.Lock()
        self._count = 0
        self.dropped = 0
        self._problem = ""

    def start(self) -> None:
        """Begins to write; what was said before waits."""
        self._thread.start()

    def stop(self) -> None:
        """Writes what waits, for at most five seconds."""
        try:
            self._waiting.put_nowait(None)
        except queue.Full:
            return
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)

    def say(self, regarding: Regarding, reason: str, message: str, *, severity: Severity = "Normal") -> bool:
        """Says ``message`` unless it was the last thing said under ``reason`` about this object; whether it was new.

        Args:
            regarding: The object; a recreated one is another.
            reason: A word in CamelCase.
            message: A sentence; cut at 1,024 characters.
            severity: ``Warning`` for what somebody should look at.
        """
        with self._lock:
            if not self._is_new((regarding, reason), message):
                return False
            self._put(regarding, self._body(regarding, reason, message, severity, self._clock.now()))
            return True

    def _is_new(self, key: tuple[Regarding, str], message: str) -> bool:
        """Whether it differs from what was said last; remembers it."""
        now, last = self._clock.monotonic(), self._said.pop(key, None)
        if last is not None and last.message == message and now - last.at < _FORGOTTEN_AFTER_SECONDS:
            self._said[key] = last
            return False
        self._said[key] = _Said(message=message, at=now)
        while len(self._said) > _REMEMBERED:
            self._said.popitem(last=False)
        return True

    def _put(self, regarding: Regarding, body: dict[str, Any]) -> None:
        try:
            self._waiting.put_nowait((regarding.namespace or "default", body))
        except queue.Full:
            self.dropped += 1

    def _body(
        self, regarding: Regarding, reason: str, message: str, severity: Severity, now: datetime
    ) -> dict[str, Any]:
        self._count += 1
        at = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        name = f"{regarding.name[:200]}.{int(now.timestamp() * 1000):x}{self._count:x}"
        return {
            "metadata": {"namespace": regarding.namespace or "default", "name": name},
            "involvedObject": _reference(regarding),
            "reason": reason, "message": message[:_LONGEST_MESSAGE], "type": severity,
            "firstTimestamp": at, "lastTimestamp": at, "count": 1,
            "source": {"component": self._component},
            "reportingComponent": self._component, "reportingInstance": self._instance,
        }  # fmt: skip

    def _run(self) -> None:
        while (waiting := self._waiting.get()) is not None:
            namespace, body = waiting
            try:
                self._writer.create(EVENT, namespace, body)
                self._problem = ""
            except KubeError as error:
                if error.reason != self._problem:
                    self._problem = error.reason
                    logger.warning("an event could not be written", extra={"error": error.message})
            except Exception:
                logger.exception("an event broke")


def _reference(regarding: Regarding) -> Mapping[str, str]:
    reference = {
        "apiVersion": regarding.api_version, "kind": regarding.kind,
        "namespace": regarding.namespace, "name": regarding.name, "uid": regarding.uid,
    }  # fmt: skip
    return {field: value for field, value in reference.items() if value}
