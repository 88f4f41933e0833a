from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kube import Access, connect
from tests.cluster.control_plane import Cluster
from tests.cluster.objects import deployment, hpa, replicas
from tests.controller.cluster.real import CONTROLLER, RIGHTS, connection_of
from tests.controller.cluster.world import World
from tests.deploy.applying import apply
from tests.deploy.manifests import FOLDER, objects, opt_in
from tests.fakes.clock import ManualClock
from tests.fakes.kube_api import KubeApi


@pytest.fixture
def fake() -> Iterator[KubeApi]:
    with KubeApi() as api:
        yield api


@pytest.fixture
def world(fake: KubeApi, clock: ManualClock, tmp_path: Path) -> Iterator[World]:
    """A Deployment of four ready replicas and its HPA 2..20."""
    connection = connect(Access(kubeconfig=fake.kubeconfig(tmp_path), context="fake"), clock=clock)
    world = World(connection, "shop")
    world.deployment()
    world.rolled_out()
    world.hpa()
    with world.watching():
        yield world
    connection.close()


@pytest.fixture(scope="session")
def guarded(cluster: Cluster) -> Cluster:
    """With the rights and the guardrails of deploy/kubernetes."""
    if not isinstance(cluster, Cluster):
        pytest.skip("these stories need kwok's pods and the audit log of the tests' own cluster")
    for one in objects(FOLDER):
        if one["kind"] in RIGHTS:
            apply(cluster.api, one)
    return cluster


@pytest.fixture
def real_world(guarded: Cluster) -> Iterator[World]:
    """A namespace that has opted in, a Deployment of two ready pods of half their request, and its HPA 2..20."""
    namespace, api = guarded.namespace("act"), guarded.api
    for one in opt_in("bounds"):
        apply(api, {**one, "metadata": {**one["metadata"], "namespace": namespace}})
    guarded.metrics.set_load(namespace, "web", cpu_millicores=100)
    api.create(deployment("web", namespace, replicas=2))
    api.create(hpa("web", namespace, low=2))
    api.until("two are ready", lambda: replicas(api, "web", namespace) == (2, 2) or None)
    ours, admin = connection_of(guarded, CONTROLLER), connection_of(guarded)
    world = World(ours, namespace, admin=admin)
    with world.watching():
        yield world
    guarded.metrics.forget(namespace)
    api.delete("Namespace", namespace)
    ours.close()
    admin.close()
