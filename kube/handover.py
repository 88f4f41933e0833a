"""Tells a candidate at once when the Lease has no holder any more, which its tries would see up to 2.4 s later.

A watch beside the tries, and no more than that: where it fails or may not be (rights of an older install), the tries
find the same in their own time. What it says decides nothing; the try that it causes reads the Lease itself.
"""

from __future__ import annotations

from collections.abc import Callable

from kube.connection import Connection
from kube.kinds import LEASE
from kube.reflector import Reflector


class Handover:
    """Watches one Lease.

    Args:
        connection: The API server.
        namespace: Of the Lease.
        name: Of the Lease.
        free: Called, on the watch's thread, whenever the Lease was changed and has no holder, or is gone.
    """

    def __init__(self, connection: Connection, *, namespace: str, name: str, free: Callable[[], object]) -> None:
        self._key, self._free = (namespace, name), free
        self._reflector = Reflector(
            connection, LEASE, namespace=namespace, field_selector=f"metadata.name={name}", changed=self._look
        )  # fmt: skip

    def start(self) -> None:
        """Begins to watch."""
        self._reflector.start()

    def stop(self) -> None:
        """Ends the watch."""
        self._reflector.stop()

    def _look(self) -> None:
        lease = self._reflector.objects().get(self._key)
        if lease is None or not lease.spec.holder_identity:
            self._free()
