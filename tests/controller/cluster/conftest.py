from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kube import Access, connect
from tests.controller.cluster.world import World
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
