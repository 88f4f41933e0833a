"""A small API server and what reads it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.kubernetes.discovery import KubernetesTargets
from kube import Access, Connection, Reflector, connect
from kube.kinds import Kind
from tests.fakes.clock import ManualClock
from tests.fakes.kube_api import KubeApi


class Server:
    """The fake API server, and the reflectors that were started on it."""

    def __init__(self, api: KubeApi, connection: Connection, clock: ManualClock) -> None:
        self.api, self.connection, self.clock = api, connection, clock
        self.reflectors: list[Reflector[Any]] = []
        self.discoveries: list[KubernetesTargets] = []

    def create(self, kind: Kind[Any], *objects: dict[str, Any]) -> None:
        with self.api.changing() as kept:
            for one in objects:
                key = (one["metadata"].get("namespace", ""), one["metadata"]["name"])
                kept.create((kind.group, kind.plural), key, one, manager="tests")

    def merge(self, kind: Kind[Any], name: str, body: dict[str, Any], namespace: str = "shop") -> None:
        with self.api.changing() as kept:
            kept.merge((kind.group, kind.plural), (namespace, name), body, manager="tests")

    def delete(self, kind: Kind[Any], name: str, namespace: str = "shop") -> None:
        with self.api.changing() as kept:
            kept.delete((kind.group, kind.plural), (namespace, name))

    def watch(self, *kinds: Kind[Any]) -> dict[str, Reflector[Any]]:
        started = {kind.plural: Reflector(self.connection, kind) for kind in kinds}
        for one in started.values():
            self.reflectors.append(one)
            one.start()
        for one in started.values():
            assert one.wait_synced(10)
        return started


def eventually(holds: Callable[[], object], what: str, *, seconds: float = 10.0) -> None:
    """Waits until ``holds``; fails with ``what`` when it does not within a generous time."""
    until, tick = time.monotonic() + seconds, threading.Event()
    while not holds():
        assert time.monotonic() < until, f"not within {seconds} s: {what}"
        tick.wait(0.005)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    clock = ManualClock()
    with KubeApi() as api:
        made = Server(api, connect(Access(kubeconfig=api.kubeconfig(tmp_path), context="fake"), clock=clock), clock)
        yield made
        for one in [*made.reflectors, *made.discoveries]:
            one.stop()
