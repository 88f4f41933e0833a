"""What stories on a real API server have in common: our ServiceAccounts, the reaper's run, what may not be changed."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from app.system_clock import SystemClock
from controller.reaper import Orders, Reaper, Returned
from kube import Access, Connection, Writer, connect
from tests.cluster.api import Object
from tests.cluster.control_plane import Cluster
from tests.controller.cluster.world import World
from tests.deploy.applying import ACCOUNT
from tests.fakes.clock import ManualClock

CONTROLLER, REAPER = f"{ACCOUNT}controller", f"{ACCOUNT}reaper"
RIGHTS: Final = (
    "Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding",
    "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
)  # fmt: skip


def connection_of(cluster: Cluster, user: str | None = None) -> Connection:
    kubeconfig = cluster.kubeconfig() if user is None else cluster.kubeconfig(user)
    return connect(Access(kubeconfig=kubeconfig, context="foretide-test"), clock=SystemClock())


def reaped(guarded: Cluster, world: World, orders: Orders | None = None) -> dict[str, Returned]:
    """By the reaper's own ServiceAccount; waiting moves a clock, and nothing else."""
    clock = ManualClock(world.now)

    def wait(seconds: float) -> None:
        clock.advance(timedelta(seconds=seconds))

    connection = connection_of(guarded, REAPER)
    reaper = Reaper(
        connection, Writer(connection, qps=1000, burst=1000), now=clock.now, wait=wait,
        switch=world.switch.why, orders=orders or Orders(),
    )  # fmt: skip
    told = {one.name: one for one in reaper.run() if one.namespace == world.namespace}
    connection.close()
    world.now = clock.now()
    return told


def untouched(of: Object) -> tuple[Object, Object, list[tuple[str, str, Object]]]:
    """What may not be another after we are gone: spec, annotations, and who owns what of the rest."""
    metadata = of["metadata"]
    owners = [
        (one["manager"], one["operation"], one["fieldsV1"].get("f:spec", {}))
        for one in metadata["managedFields"]
        if one.get("subresource") != "status"
    ]
    return of["spec"], metadata.get("annotations", {}), owners
