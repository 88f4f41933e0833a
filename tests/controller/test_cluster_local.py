"""Real processes: they start, answer, crash, stop, and end when their parent is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from controller.cluster.local import Companion, LocalCluster, LocalWorkload
from controller.cluster.replicas import Replicas
from domain.errors import ActuationError, UnavailableError
from domain.scaling import WorkloadRef

ROOT = Path(__file__).parents[2]
REPLICA = ROOT / "tests" / "fakes" / "http_replica.py"
COMMAND = ("{python}", "-S", str(REPLICA), "{fd}")
SHOP = WorkloadRef(kind="Deployment", namespace="demo", name="shop")
_TICK = threading.Event()


def eventually(holds: Callable[[], bool], what: str, *, seconds: float = 10.0) -> None:
    """Waits for other processes, which no clock of ours moves."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        _TICK.wait(0.02)


def gone(pids: list[int]) -> bool:
    return not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids)


def workload(folder: Path, *, replicas: int = 2, env: Mapping[str, str] | None = None) -> LocalWorkload:
    return LocalWorkload(
        ref=SHOP, command=COMMAND, replicas=replicas, env=env or {}, labels={"team": "web"},
        endpoints_file=folder / "sd" / "shop.json", stop_grace=timedelta(seconds=1),
    )  # fmt: skip


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., LocalCluster]]:
    running: list[LocalCluster] = []

    def started(*workloads: LocalWorkload, companions: tuple[Companion, ...] = ()) -> LocalCluster:
        cluster = LocalCluster(
            workloads or [workload(tmp_path)], companions=companions, folder=tmp_path / "logs",
            environment=dict(os.environ),
        )  # fmt: skip
        running.append(cluster)
        cluster.start()
        return cluster

    yield started
    for cluster in running:
        pids = cluster.pids()
        cluster.close()
        assert gone(pids)


def ready(cluster: LocalCluster, count: int) -> None:
    eventually(lambda: cluster.workload(SHOP).ready_replicas == count, f"{count} ready")


def listed(folder: Path) -> list[str]:
    found = json.loads((folder / "sd" / "shop.json").read_text())
    assert found[0]["labels"] == {"job": "shop", "namespace": "demo"}
    assert len(found) == 1
    return list(found[0]["targets"])


def test_it_grows_and_shrinks_newest_first(start: Callable[..., LocalCluster], tmp_path: Path) -> None:
    cluster = start()
    ready(cluster, 2)
    first = cluster.endpoints(SHOP)
    cluster.scale(SHOP, 3)
    assert cluster.workload(SHOP).current_replicas == 3
    ready(cluster, 3)
    eventually(lambda: listed(tmp_path) == list(cluster.endpoints(SHOP)), "the endpoints file")
    assert cluster.endpoints(SHOP)[:2] == first
    oldest, *newer = cluster.pids()
    cluster.scale(SHOP, 1)
    eventually(lambda: gone(newer), "the newest stopped")
    assert cluster.pids() == [oldest]
    eventually(lambda: listed(tmp_path) == [first[0]], "the endpoints file")


def test_every_replica_answers_at_its_own_port(start: Callable[..., LocalCluster], tmp_path: Path) -> None:
    cluster = start(workload(tmp_path, env={"GREETING": "moin"}))
    ready(cluster, 2)
    addresses = cluster.endpoints(SHOP)
    assert len(set(addresses)) == 2
    for address in addresses:
        with urllib.request.urlopen(f"http://{address}/", timeout=2) as response:
            assert response.read() == b"moin"


def test_targets_carry_the_labels_of_a_pod(start: Callable[..., LocalCluster], tmp_path: Path) -> None:
    edge = Companion(name="edge", namespace="demo", command=COMMAND, labels={"role": "load"})
    cluster = start(workload(tmp_path, replicas=1), companions=(edge,))
    eventually(lambda: len(cluster.scrape_targets()) == 2, "two targets")
    shop, load = cluster.scrape_targets()
    assert dict(shop.labels) == {
        "instance": shop.address, "job": "shop", "namespace": "demo", "pod": "shop-0", "team": "web",
    }  # fmt: skip
    assert (load.labels.value_of("job"), load.labels.value_of("role")) == ("edge", "load")


def test_a_crash_is_followed_by_a_restart(start: Callable[..., LocalCluster], tmp_path: Path) -> None:
    cluster = start(workload(tmp_path, replicas=1))
    ready(cluster, 1)
    (address,), (pid,) = cluster.endpoints(SHOP), cluster.pids()
    with pytest.raises(OSError, match=r"closed|reset|Remote end"):
        urllib.request.urlopen(f"http://{address}/crash", timeout=2)
    eventually(lambda: cluster.pids() not in ([], [pid]), "another process")
    ready(cluster, 1)
    assert cluster.workload(SHOP).current_replicas == 1


def test_what_is_not_ready_is_no_endpoint(start: Callable[..., LocalCluster], tmp_path: Path) -> None:
    blocker = tmp_path / "not-yet"
    blocker.touch()
    cluster = start(workload(tmp_path, replicas=1, env={"READY_UNLESS": str(blocker)}))
    eventually(lambda: len(cluster.scrape_targets()) == 1, "a target")
    assert (cluster.workload(SHOP).ready_replicas, cluster.endpoints(SHOP)) == (0, ())
    blocker.unlink()
    ready(cluster, 1)


def test_a_stubborn_child_is_killed_after_its_grace(start: Callable[..., LocalCluster], tmp_path: Path) -> None:
    cluster = start(workload(tmp_path, replicas=2, env={"STUBBORN": "1"}))
    ready(cluster, 2)
    pids = cluster.pids()
    cluster.scale(SHOP, 1)
    eventually(lambda: gone(pids[1:]), "the newest killed", seconds=5)
    began = time.monotonic()
    cluster.close()
    assert time.monotonic() - began < 8
    assert gone(pids)
    with pytest.raises(UnavailableError, match="shutting down"):
        cluster.scale(SHOP, 1)


def test_what_it_cannot_do_it_says(start: Callable[..., LocalCluster]) -> None:
    cluster = start()
    with pytest.raises(ActuationError, match=r"cannot have 9 replicas: this machine may run 0 to 8 of it"):
        cluster.scale(SHOP, 9)
    other = WorkloadRef(kind="Deployment", namespace="demo", name="other")
    with pytest.raises(ActuationError, match="does not run on this machine"):
        cluster.scale(other, 1)
    assert cluster.workload(other).current_replicas is None


def test_the_start_of_each_replica_is_measured(start: Callable[..., LocalCluster], tmp_path: Path) -> None:
    cluster = start(workload(tmp_path))
    ready(cluster, 2)
    starts = cluster.starts(SHOP)
    assert sorted(name.partition("@")[0] for name in starts) == ["shop-0", "shop-1"]
    assert all(0 < one.seconds < 60 for one in starts.values())


def test_its_pods_are_told_with_their_state(start: Callable[..., LocalCluster], tmp_path: Path) -> None:
    cluster = start(workload(tmp_path))
    ready(cluster, 2)
    pods = cluster.pods(SHOP, datetime.now(UTC))
    assert sorted(pods) == ["shop-0", "shop-1"]
    for one in pods.values():
        assert one.ready_seconds is not None
        assert 0 <= one.ready_seconds <= one.age_seconds
        assert (one.requests["cpu"], one.limits) == (0.25, {})
    asked = cluster.pod_usage_query(SHOP, "cpu")
    assert asked is not None
    assert asked.expr == 'sum by (pod) (rate(process_cpu_seconds_total{job="shop", namespace="demo"}[1m]))'


def test_another_command_is_another_version(start: Callable[..., LocalCluster], tmp_path: Path) -> None:
    one = workload(tmp_path)
    versions = start(one).versions(SHOP)
    assert len(versions) == 1
    assert start(one).versions(SHOP) == versions
    assert start(replace(one, env={"RELEASE": "2"})).versions(SHOP) != versions


def test_usage_is_read_from_the_replicas_themselves(start: Callable[..., LocalCluster]) -> None:
    cluster = start()
    assert cluster.usage_query(SHOP, "cpu") == (
        'sum(rate(process_cpu_seconds_total{job="shop", namespace="demo"}[1m]))'
    )
    assert cluster.usage_query(SHOP, "memory") == 'sum(process_resident_memory_bytes{job="shop", namespace="demo"})'


def test_a_command_that_is_not_there_backs_off(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    replicas = Replicas(
        "shop", desired=1, command=("no-such-program",), env={}, ready_path="/", stop_grace_seconds=1, folder=tmp_path
    )
    tried = []
    for second in range(80):
        caplog.clear()
        replicas.converge(float(second))
        tried += [second for record in caplog.records if "no-such-program" in record.__dict__["error"]]
    assert tried == [0, 1, 3, 7, 15, 31, 61]


PARENT = """
import os, sys, threading
from pathlib import Path
from controller.cluster.local import LocalCluster, LocalWorkload
from domain.scaling import WorkloadRef
ref = WorkloadRef(kind="Deployment", namespace="demo", name="shop")
cluster = LocalCluster([LocalWorkload(ref=ref, command=tuple(sys.argv[2:]), replicas=3)],
                       folder=Path(sys.argv[1]), environment=dict(os.environ))
cluster.start()
pause = threading.Event()
while len(cluster.endpoints(ref)) < 3:
    pause.wait(0.05)
print(*cluster.pids(), flush=True)
sys.stdin.read()
"""


def test_a_killed_parent_takes_its_children_with_it(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path), *COMMAND],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    ) as parent:  # fmt: skip
        assert parent.stdout is not None
        children = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(children) == 3
        assert not gone(children)
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait(5)
    eventually(lambda: gone(children), "the children ended", seconds=5)
