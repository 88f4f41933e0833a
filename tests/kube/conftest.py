"""The API servers that the client is tested on: the fake one, and (slow) the real one of tests/cluster."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from kube import Access, Connection, Writer, connect
from kube.kinds import HPA
from tests.fakes.clock import ManualClock
from tests.fakes.kube_api import KubeApi

_TICK = threading.Event()


@dataclass(frozen=True)
class Place:
    """A namespace of our own on a server."""

    connection: Connection
    clock: ManualClock
    namespace: str

    def writer(self, field_manager: str = "foretide", **given: Any) -> Writer:
        return Writer(self.connection, field_manager, pause=self.pause, chance=lambda: 0.5, **given)

    def pause(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    def hpa(self, name: str = "checkout", *, by: str = "helm", **spec: Any) -> dict[str, Any]:
        """Creates one, as its owner would."""
        return self.writer(by).create(HPA, self.namespace, hpa(name, **spec))


def eventually(holds: Callable[[], object], what: str, *, seconds: float = 20.0) -> None:
    """Waits until ``holds``; fails with ``what`` when it does not within a generous time."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"not within {seconds} s: {what}"
        _TICK.wait(0.005)


def hpa(name: str, **spec: Any) -> dict[str, Any]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    given = {"minReplicas": 2, "maxReplicas": 10, "scaleTargetRef": target, **spec}
    return {"metadata": {"name": name, "labels": {"app": name}}, "spec": given}


@pytest.fixture
def fake() -> Iterator[KubeApi]:
    with KubeApi() as api:
        yield api


@pytest.fixture
def on_fake(fake: KubeApi, clock: ManualClock, tmp_path: Path) -> Iterator[Place]:
    connection = connect(Access(kubeconfig=fake.kubeconfig(tmp_path), context="fake"), clock=clock)
    yield Place(connection, clock, "shop")
    connection.close()


@pytest.fixture
def on_real(request: pytest.FixtureRequest, clock: ManualClock) -> Iterator[Place]:
    cluster = request.getfixturevalue("cluster")
    file = cluster.kubeconfig()
    context = yaml.safe_load(file.read_text(encoding="utf-8"))["current-context"]
    connection = connect(Access(kubeconfig=file, context=context), clock=clock)
    yield Place(connection, clock, cluster.namespace())
    connection.close()


@pytest.fixture(params=["fake", pytest.param("real", marks=[pytest.mark.slow, pytest.mark.cluster])])
def place(request: pytest.FixtureRequest) -> Place:
    """Each test that takes this runs on both servers."""
    place: Place = request.getfixturevalue(f"on_{request.param}")
    return place
