"""What a real API server does to a client: restarts, compaction, standstill, 429, rivals. In the end all is right."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.system_clock import SystemClock
from domain.errors import KubeError
from kube import Access, Connection, Fresh, Reflector, Writer, connect, listed, read
from kube.kinds import HPA, Hpa
from kube.reflector import Pace
from tests.cluster.control_plane import Cluster
from tests.fakes.cutting_proxy import CuttingProxy
from tests.kube.conftest import eventually, hpa

_VERBS = ["get", "list", "watch", "patch"]
QUICK = Pace(stall_seconds=1.0, first_pause_seconds=0.05, longest_pause_seconds=0.5, confirm_seconds=0.05)


def reached(file: Path) -> Connection:
    context = yaml.safe_load(file.read_text(encoding="utf-8"))["current-context"]
    return connect(Access(kubeconfig=file, context=context), clock=SystemClock())


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    return cluster.namespace()


@pytest.fixture
def proxy(cluster: Cluster) -> Iterator[CuttingProxy]:
    port = int(cluster.url.rpartition(":")[2])
    with CuttingProxy(("127.0.0.1", port)) as proxy:
        yield proxy


@pytest.fixture
def behind(cluster: Cluster, proxy: CuttingProxy, tmp_path: Path) -> Iterator[Connection]:
    """The real API server, seen through the proxy."""
    config = yaml.safe_load(cluster.kubeconfig().read_text(encoding="utf-8"))
    config["clusters"][0]["cluster"]["server"] = proxy.url
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    connection = reached(file)
    yield connection
    connection.close()


@pytest.fixture
def direct(cluster: Cluster) -> Iterator[Connection]:
    connection = reached(cluster.kubeconfig())
    yield connection
    connection.close()


@contextmanager
def reflecting(connection: Connection, namespace: str, pace: Pace = QUICK) -> Iterator[Reflector[Hpa]]:
    reflector = Reflector(connection, HPA, namespace=namespace, pace=pace)
    reflector.start()
    try:
        assert reflector.wait_synced(30.0)
        yield reflector
    finally:
        reflector.stop()


def agree(reflector: Reflector[Hpa], connection: Connection, namespace: str) -> bool:
    """Whether the reflector knows what the API server has, to the last version."""
    truth = listed(connection, HPA, namespace=namespace).objects
    known = reflector.objects()
    return {key: one.metadata.resource_version for key, one in truth.items()} == {
        key: one.metadata.resource_version for key, one in known.items()
    }


def fill(connection: Connection, namespace: str, names: list[str]) -> None:
    writer = Writer(connection, "helm", qps=1000.0, burst=1000)
    for name in names:
        writer.create(HPA, namespace, hpa(name))


def test_no_change_is_missed_while_the_watch_is_cut_again_and_again(
    behind: Connection, direct: Connection, proxy: CuttingProxy, namespace: str
) -> None:
    with reflecting(behind, namespace) as reflector:
        for number in range(30):
            fill(direct, namespace, [f"app-{number}"])
            proxy.cut()
        Writer(direct).delete(HPA, namespace, "app-7")

        eventually(lambda: agree(reflector, direct, namespace), "the truth")
        assert reflector.lists == 1


def test_a_connection_that_stays_open_and_says_nothing_is_given_up(
    behind: Connection, direct: Connection, proxy: CuttingProxy, namespace: str
) -> None:
    with reflecting(behind, namespace) as reflector:
        proxy.hold()
        fill(direct, namespace, ["one"])
        eventually(lambda: reflector.problem, "the stall")
        proxy.release()
        proxy.cut()

        eventually(lambda: agree(reflector, direct, namespace), "the truth")


def test_a_restarted_api_server_is_followed_again(cluster: Cluster, direct: Connection, namespace: str) -> None:
    fill(direct, namespace, [f"app-{number}" for number in range(5)])
    with reflecting(direct, namespace) as reflector:
        before = set(reflector.objects())
        seen = []

        cluster.restart_api()
        while not agree_or_none(reflector, direct, namespace):
            seen.append(set(reflector.objects()))
        fill(direct, namespace, ["after"])

        eventually(lambda: agree(reflector, direct, namespace), "the truth")
        assert all(known == before for known in seen)


def agree_or_none(reflector: Reflector[Hpa], connection: Connection, namespace: str) -> bool:
    try:
        return agree(reflector, connection, namespace)
    except KubeError:
        return False


def test_deletions_are_noticed_though_their_versions_are_compacted(
    cluster: Cluster, behind: Connection, direct: Connection, proxy: CuttingProxy, namespace: str
) -> None:
    fill(direct, namespace, ["one", "two", "three"])
    with reflecting(behind, namespace) as reflector:
        proxy.hold()
        Writer(direct).delete(HPA, namespace, "one")
        cluster.compact()
        cluster.restart_api()  # Its memory of the watch goes too: what is older than now is 410.
        proxy.release()
        proxy.cut()

        eventually(lambda: sorted(name for _, name in reflector.objects()) == ["three", "two"], "one is gone")
        assert reflector.lists == 2


def test_a_standing_api_server_makes_the_objects_old_and_nothing_else(
    cluster: Cluster, direct: Connection, namespace: str
) -> None:
    fill(direct, namespace, ["one"])
    with reflecting(direct, namespace) as reflector:
        with cluster.api_server.suspended():
            eventually(lambda: reflector.age_seconds() > 2.0, "age")
            with pytest.raises(KubeError) as refused:
                direct.request("GET", "/version", timeout_seconds=0.2)
            assert (refused.value.reason, list(reflector.objects())) == ("Timeout", [(namespace, "one")])

        eventually(lambda: reflector.age_seconds() < 1.0 and reflector.problem == "", "a sign of life")


def test_writes_arrive_though_others_change_the_object_all_the_time(direct: Connection, namespace: str) -> None:
    fill(direct, namespace, ["checkout"])
    ended = threading.Event()
    rival, edits = Writer(direct, "alice", qps=1000.0, burst=1000), []

    def edit() -> None:
        while not ended.wait(0.02):
            edits.append(str(len(edits)))
            rival.patch_merge(HPA, namespace, "checkout", {"metadata": {"labels": {"edit": edits[-1]}}})

    editing = threading.Thread(target=edit)
    editing.start()
    ours, conflicts = Writer(direct, qps=1000.0, burst=1000), []

    def current() -> Hpa:
        return read(direct, HPA, namespace=namespace, name="checkout")

    try:
        for replicas in [3, 4, 5, 6, 7] * 4:

            def again(replicas: int = replicas) -> Fresh:
                conflicts.append(replicas)
                return Fresh(body=floor(replicas), resource_version=current().metadata.resource_version)

            version = current().metadata.resource_version
            if replicas % 2:  # Half of the plans are made from a read that is old for certain.
                rival.patch_merge(HPA, namespace, "checkout", {"metadata": {"labels": {"seen": version}}})
            ours.apply(HPA, namespace, "checkout", floor(replicas), resource_version=version, force=True, again=again)
            assert current().spec.min_replicas == replicas
    finally:
        ended.set()
        editing.join()

    assert conflicts
    assert (current().metadata.labels or {})["edit"] == edits[-1]


def floor(replicas: int) -> dict[str, Any]:
    return {"spec": {"minReplicas": replicas}}


def test_a_server_that_says_429_is_waited_for(cluster: Cluster, direct: Connection, namespace: str) -> None:
    """Priority and fairness gives our account one seat, on which others of the account sit until we waited twice."""
    fill(direct, namespace, ["checkout"])
    ours = reached(cluster.kubeconfig(f"system:serviceaccount:{namespace}:foretide"))
    for one in (*_rights(namespace), *_one_seat(namespace)):
        cluster.api.create(one)
    ended, waited = threading.Event(), []

    def sit() -> None:
        while not ended.is_set():
            with suppress(KubeError):
                listed(ours, HPA, namespace=namespace)

    def pause(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            ended.set()
        threading.Event().wait(seconds)

    sitting = [threading.Thread(target=sit) for _ in range(6)]
    for one in sitting:
        one.start()
    writer, replicas = Writer(ours, pause=pause, qps=1000.0, burst=1000), 2
    while len(waited) < 2:
        replicas = 3 if replicas == 2 else 2
        writer.apply(HPA, namespace, "checkout", floor(replicas), force=True)
        assert read(direct, HPA, namespace=namespace, name="checkout").spec.min_replicas == replicas
    for one in sitting:
        one.join()

    assert max(waited) >= 1.0, "the server says Retry-After: 1"
    ours.close()


def _rights(namespace: str) -> list[dict[str, Any]]:
    rules = [
        {"apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"], "verbs": ["get", "list", "patch"]}
    ]
    subject = {"kind": "ServiceAccount", "name": "foretide", "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "hpas"}
    api = "rbac.authorization.k8s.io/v1"
    return [
        {"apiVersion": api, "kind": "Role", "metadata": {"name": "hpas", "namespace": namespace}, "rules": rules},
        {"apiVersion": api, "kind": "RoleBinding", "metadata": {"name": "hpas", "namespace": namespace},
         "roleRef": role, "subjects": [subject]},
    ]  # fmt: skip


def _one_seat(namespace: str) -> list[dict[str, Any]]:
    api = "flowcontrol.apiserver.k8s.io/v1"
    subject = {"kind": "ServiceAccount", "serviceAccount": {"name": "foretide", "namespace": namespace}}
    resource = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"], "namespaces": ["*"], "clusterScope": True}
    limited = {"nominalConcurrencyShares": 0, "lendablePercent": 0, "borrowingLimitPercent": 0,
               "limitResponse": {"type": "Reject"}}  # fmt: skip
    return [
        {"apiVersion": api, "kind": "PriorityLevelConfiguration", "metadata": {"name": namespace},
         "spec": {"type": "Limited", "limited": limited}},
        {"apiVersion": api, "kind": "FlowSchema", "metadata": {"name": namespace},
         "spec": {"priorityLevelConfiguration": {"name": namespace}, "matchingPrecedence": 10,
                  "rules": [{"subjects": [subject], "resourceRules": [resource]}]}},
    ]  # fmt: skip
