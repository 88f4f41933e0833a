"""The kill switch: a ConfigMap that stops every write within seconds, whoever leads, without a database.

It is looked at before each write, at most every two seconds. Where it cannot be read nothing is written: nobody knows
what an operator has just decided.
"""

from __future__ import annotations

import threading
from typing import Any, Final

import msgspec

from domain.errors import KubeError
from kube import Connection, Writer
from kube.kinds import Kind

NAME: Final = "foretide-freeze"
CONFIG_MAP: Final = Kind(
    group="", version="v1", kind="ConfigMap", plural="configmaps", namespaced=True, type=dict[str, Any]
)
LOOK_EVERY_SECONDS: Final = 2.0
UNREAD_FOR_SECONDS: Final = 10.0
"""A server that hangs for 5 s is not asked again by each of 2,000 rules."""


class Switch:
    """The switch of one Foretide; thread-safe."""

    def __init__(self, connection: Connection, *, namespace: str, always: str = "") -> None:
        """``always`` is a reason that holds as long as this process runs (FORETIDE_FREEZE)."""
        self._connection, self._namespace, self._always = connection, namespace, always
        self._lock = threading.Lock()
        self._why, self._look_at = "", float("-inf")

    def why(self) -> str:
        """Why nothing may be written; empty: it may."""
        if self._always:
            return self._always
        with self._lock:
            clock = self._connection.clock
            if clock.monotonic() >= self._look_at:
                self._why, lasts = self._read()
                self._look_at = clock.monotonic() + lasts
            return self._why

    def _read(self) -> tuple[str, float]:
        """And for how many seconds it is believed."""
        path = CONFIG_MAP.path(namespace=self._namespace, name=NAME)
        try:
            found = msgspec.json.decode(self._connection.request("GET", path, timeout_seconds=5.0), type=dict[str, Any])
        except KubeError as error:
            if error.status == 404:
                return "", LOOK_EVERY_SECONDS
            return f"ConfigMap {self._namespace}/{NAME} cannot be read: {error}", UNREAD_FOR_SECONDS
        reason = str((found.get("data") or {}).get("reason", ""))[:256]
        return reason or f"ConfigMap {self._namespace}/{NAME} is there", LOOK_EVERY_SECONDS


def freeze(writer: Writer, *, namespace: str, reason: str) -> None:
    """Stops every write.

    Raises:
        KubeError: It could not be written.
    """
    writer.apply(CONFIG_MAP, namespace, NAME, {"data": {"reason": reason}}, force=True)


def thaw(writer: Writer, *, namespace: str) -> None:
    """Lets writes go on; again does nothing.

    Raises:
        KubeError: It could not be taken away.
    """
    writer.delete(CONFIG_MAP, namespace, NAME)
