"""How many cores the node pools can hold at most, where Karpenter says it: its NodePools' limits, and nodes of nobody.

Asked once a minute. Where a pool has no limit, where there is no Karpenter, or where we may not look, nobody knows:
then only quotas and the operator's own limit count.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from controller.actuation.shares import Room
from controller.cluster.kubernetes_view import View, resources_of
from domain.errors import KubeError
from domain.units import parse_quantity
from kube import Connection, listed
from kube.kinds import NODE, Kind

NODE_POOL: Final = Kind(
    group="karpenter.sh", version="v1", kind="NodePool", plural="nodepools", namespaced=False, type=dict[str, Any]
)
_OF_POOL: Final = "karpenter.sh/nodepool"
_EVERY_SECONDS: Final = 60.0
_ABSENT_SECONDS: Final = 600.0


class Pools:
    """Of one cluster."""

    def __init__(self, connection: Connection) -> None:
        """Nothing is asked yet."""
        self._connection, self._at = connection, float("-inf")
        self._cores: float | None = None

    def rooms(self, view: View) -> Iterator[Room]:
        """What is left when every Deployment and StatefulSet has what it asks for; other pods are not counted."""
        cores = self._held()
        if cores is None:
            return
        asked = sum(one.spec.replicas * resources_of(one, "requests").get("cpu", 0.0) for one in view.workloads())
        yield Room(resource="cpu", amount=cores - asked, said="what the node pools can hold")

    def _held(self) -> float | None:
        now = self._connection.clock.monotonic()
        if now >= self._at:
            try:
                self._cores = self._counted()
            except KubeError:
                self._cores = None
            self._at = now + (_ABSENT_SECONDS if self._cores is None else _EVERY_SECONDS)
        return self._cores

    def _counted(self) -> float | None:
        pools = listed(self._connection, NODE_POOL).objects
        limits = [((pool.get("spec") or {}).get("limits") or {}).get("cpu") for pool in pools.values()]
        if not limits or None in limits:
            return None
        nodes = listed(self._connection, NODE).objects.values()
        alone = [one for one in nodes if _OF_POOL not in (one.metadata.labels or {}) and not one.spec.unschedulable]
        own = [(one.status.allocatable or {}).get("cpu", "0") for one in alone]
        return float(sum(parse_quantity(str(text)) for text in [*limits, *own]))
