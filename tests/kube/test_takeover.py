"""Leaders that are killed, suspended or cut off: somebody else leads, and no late write of an older epoch is kept."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kube import Reflector
from kube.kinds import HPA
from tests.cluster.control_plane import Cluster
from tests.fakes.cutting_proxy import CuttingProxy
from tests.kube.conftest import Place, eventually

ROOT = Path(__file__).parents[2]
TIMES = "3,2,0.2,0.5"
"""15/10/2 s in small; the API takes whole seconds of lease only."""


class Candidate:
    """A process and what it told so far."""

    def __init__(self, kubeconfig: Path, namespace: str, identity: str) -> None:
        context = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))["current-context"]
        command = [sys.executable, "-m", "tests.kube.candidate", str(kubeconfig), context, namespace, identity, TIMES]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        self.told: list[str] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.told.append(line.strip())

    def leads(self, epoch: int) -> bool:
        return f"leads {epoch}" in self.told

    def writes(self, epoch: int) -> bool:
        return f"wrote {epoch}" in self.told

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def history(on_real: Place) -> Iterator[list[int]]:
    """Every epoch that the API server kept, in order."""
    kept: list[int] = []

    class Listening(Reflector[dict[str, Any]]):
        def _changed(self, event: Any) -> None:
            super()._changed(event)
            for one in self.objects().values():
                if epoch := (one["metadata"].get("annotations") or {}).get("foretide.dev/epoch"):
                    kept.append(int(epoch))

    on_real.hpa()
    reflector = Listening(on_real.connection, HPA.as_dicts(), namespace=on_real.namespace)
    reflector.start()
    assert reflector.wait_synced(30.0)
    yield kept
    reflector.stop()


@pytest.fixture
def candidates() -> Iterator[list[Candidate]]:
    started: list[Candidate] = []
    yield started
    for one in started:
        one.end()


def two(candidates: list[Candidate], first: Path, second: Path, namespace: str) -> tuple[Candidate, Candidate]:
    """The first leads with epoch 1, the second waits."""
    candidates.append(Candidate(first, namespace, "one"))
    eventually(lambda: candidates[0].writes(1), "one leads")
    candidates.append(Candidate(second, namespace, "two"))
    eventually(lambda: "started" in candidates[1].told, "two waits")
    return candidates[0], candidates[1]


def test_a_killed_leader_is_followed_and_its_successor_killed_too(
    cluster: Cluster, on_real: Place, history: list[int], candidates: list[Candidate]
) -> None:
    file = cluster.kubeconfig()
    one, other = two(candidates, file, file, on_real.namespace)

    one.send(signal.SIGKILL)
    eventually(lambda: other.writes(2), "two leads")
    candidates.append(Candidate(file, on_real.namespace, "one"))
    other.send(signal.SIGKILL)
    eventually(lambda: candidates[2].writes(3), "a new one leads")

    eventually(lambda: history[-1:] == [3], "its write")
    assert history == sorted(history)


def test_a_leader_that_stops_hands_over(
    cluster: Cluster, on_real: Place, candidates: list[Candidate], history: list[int]
) -> None:
    file = cluster.kubeconfig()
    one, other = two(candidates, file, file, on_real.namespace)

    one.send(signal.SIGTERM)

    eventually(lambda: "stopped" in one.told and other.writes(2), "two leads")
    eventually(lambda: history[-1:] == [2], "its write")


def test_a_leader_that_was_suspended_writes_nothing_when_it_wakes_up(
    cluster: Cluster, on_real: Place, history: list[int], candidates: list[Candidate]
) -> None:
    file = cluster.kubeconfig()
    one, other = two(candidates, file, file, on_real.namespace)

    for epoch in (2, 4):
        one.send(signal.SIGSTOP)
        eventually(lambda epoch=epoch: other.writes(epoch), "two leads")
        one.send(signal.SIGCONT)
        other.send(signal.SIGSTOP)
        eventually(lambda epoch=epoch: one.writes(epoch + 1), "one leads again")
        other.send(signal.SIGCONT)

    eventually(lambda: history[-1:] == [5], "the last write")
    assert history == sorted(history)


def test_a_leader_that_is_cut_off_writes_nothing_late(
    cluster: Cluster, on_real: Place, history: list[int], candidates: list[Candidate], tmp_path: Path
) -> None:
    port = int(cluster.url.rpartition(":")[2])
    with CuttingProxy(("127.0.0.1", port)) as proxy:
        config = yaml.safe_load(cluster.kubeconfig().read_text(encoding="utf-8"))
        config["clusters"][0]["cluster"]["server"] = proxy.url
        behind = tmp_path / "behind"
        behind.write_text(yaml.safe_dump(config), encoding="utf-8")
        one, other = two(candidates, behind, cluster.kubeconfig(), on_real.namespace)

        proxy.hold()
        eventually(lambda: other.writes(2), "two leads")
        proxy.release()
        other.send(signal.SIGTERM)
        eventually(lambda: one.writes(3), "one leads again")

    eventually(lambda: history[-1:] == [3], "its write")
    assert history == sorted(history)
