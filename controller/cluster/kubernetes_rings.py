"""How far the rings are: a ConfigMap beside the Lease, so that the next leader goes on where this one was.

It is written when a ring opens, halts or is done, and says so to people in ``data.status``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from controller.actuation.rings import Plan, State, said
from controller.cluster.kubernetes_errors import undone
from controller.cluster.kubernetes_switch import CONFIG_MAP
from domain.errors import KubeError, RefusedError
from kube import Connection, Writer
from kube.decoding import decoded

NAME: Final = "foretide-rings"
EVERYWHERE: Final = "everything acts everywhere"
_STATE: Final = "state.json"


class RingShelf:
    """The ConfigMap of one Foretide."""

    def __init__(
        self, connection: Connection, writer: Writer, *, namespace: str, plan: Plan, leads: Callable[[], bool]
    ) -> None:
        """``leads`` says whether we may write at all; an operator's command may."""
        self._connection, self._writer, self._namespace = connection, writer, namespace
        self._plan, self._leads = plan, leads
        self._version: str | None = None
        self.status = ""
        """What stood there for people when it was last read."""

    def read(self) -> State:
        """As it is; nothing is known where there is none.

        Raises:
            ForetideError: It cannot be read, or nobody can have written it; ``RefusedError`` when we do not lead.
        """
        if not self._leads():
            raise RefusedError("another process leads")
        path = CONFIG_MAP.path(namespace=self._namespace, name=NAME)
        try:
            with undone(f"ConfigMap {self._namespace}/{NAME} cannot be read"):
                try:
                    raw = self._connection.request("GET", path, timeout_seconds=5.0)
                except KubeError as error:
                    if error.status != 404:
                        raise
                    self._version, self.status = None, ""
                    return State()
            found = decoded(raw, dict[str, Any])
            self._version, data = found["metadata"]["resourceVersion"], found.get("data") or {}
            self.status = str(data.get("status", ""))
            return decoded(data.get(_STATE, "{}"), State)
        except (msgspec.DecodeError, KeyError) as error:
            raise KubeError(
                f"ConfigMap {self._namespace}/{NAME} is not as we write it ({error}): delete it, and the rings begin "
                "anew", status=200, reason="Invalid",
            ) from error  # fmt: skip

    def write(self, state: State, told: str = "") -> None:
        """Unless somebody changed it since ``read``, with ``told`` for people; raises an ``ActuationError``."""
        told = told or "\n".join(f"{one.name}: {said(one, self._plan)}" for one in state.releases)
        data = {"status": told or EVERYWHERE, _STATE: msgspec.json.encode(state).decode()}
        with undone(f"ConfigMap {self._namespace}/{NAME} is not written"):
            self._writer.apply(
                CONFIG_MAP, self._namespace, NAME, {"data": data}, resource_version=self._version, force=True
            )
