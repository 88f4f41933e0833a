"""What nobody uses, on a real API server with the rights of deploy/kubernetes/discovery, days ahead of its clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.cost_unused import prices_of
from app.cost_unused_activity import unmeasured
from app.cost_unused_read import ClusterReader
from app.system_clock import SystemClock
from cost.pricing.chain import Sources
from cost.unused.finding import Kind, Target
from cost.unused.snapshot import LoadBalancer, Snapshot
from cost.unused.survey import Survey, survey
from kube import Access, connect
from tests.cluster.api import MERGE, Object, path
from tests.cluster.control_plane import Cluster
from tests.cluster.objects import deployment
from tests.deploy.applying import ACCOUNT

pytestmark = pytest.mark.slow

DAYS = timedelta(days=8)


def claim(namespace: str, name: str, **annotations: str) -> Object:
    return {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }  # fmt: skip


def a_stopped_database(namespace: str) -> Object:
    container = {"name": "db", "image": "example.invalid/db:1", "volumeMounts": [{"name": "data", "mountPath": "/d"}]}
    return {
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "namespace": namespace},
        "spec": {
            "replicas": 0, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}},
            "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [container]}},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim(namespace, "data")["spec"]}],
        },
    }  # fmt: skip


def nightly(namespace: str) -> Object:
    pod = {
        "restartPolicy": "Never", "containers": [{"name": "app", "image": "example.invalid/app:1"}],
        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "backup"}}],
    }  # fmt: skip
    return {
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly", "namespace": namespace},
        "spec": {"schedule": "0 3 * * *", "suspend": True, "jobTemplate": {"spec": {"template": {"spec": pod}}}},
    }  # fmt: skip


def seen(cluster: Cluster, who: str, namespace: str, after: timedelta = DAYS) -> tuple[Snapshot, Survey]:
    kubeconfig = cluster.kubeconfig(f"{ACCOUNT}{who}")
    connection = connect(Access(kubeconfig=kubeconfig, context="foretide-test"), clock=SystemClock())
    try:
        snapshot = ClusterReader(connection, namespace=namespace).snapshot(datetime.now(UTC) + after)
    finally:
        connection.close()
    return snapshot, survey(snapshot, unmeasured(), prices_of(snapshot, Sources(currency="USD")))


def behind(cluster: Cluster, namespace: str) -> LoadBalancer:
    (found,) = seen(cluster, "controller", namespace)[0].load_balancers
    return found


def test_unused_things_are_found_with_the_rights_that_are_shipped(installed: Cluster) -> None:
    namespace, api = installed.namespace("unused"), installed.api
    api.create(deployment("web", namespace, replicas=1))
    service: dict[str, Any] = {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 80}]}
    api.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "edge", "namespace": namespace},
                "spec": service})  # fmt: skip
    for one in (claim(namespace, "data-db-0"), claim(namespace, "backup"), claim(namespace, "left"),
                claim(namespace, "kept", **{"foretide.dev/keep": "the audit"})):  # fmt: skip
        api.create(one)
    api.create(a_stopped_database(namespace))
    api.create(nightly(namespace))
    api.until("an endpoint is ready", lambda: behind(installed, namespace).ready == 1)
    served = behind(installed, namespace).unchanged_since
    assert served is not None
    api.until("the second is over", lambda: datetime.now(UTC) > served + timedelta(seconds=1))
    api.request("PATCH", path("Deployment", "web", namespace), {"spec": {"replicas": 0}}, content_type=MERGE)
    api.until("no endpoint is ready", lambda: behind(installed, namespace).ready == 0)

    snapshot, told = seen(installed, "controller", namespace)
    assert snapshot.missing == {}
    claims = [one for one in told.findings if one.kind == Kind.UNUSED_PVC]
    assert [one.target.name for one in claims] == ["left"]
    assert [(one.target.name, one.reason) for one in told.kept] == [("kept", "the audit")]
    (orphan,) = (one for one in told.findings if one.kind == Kind.ORPHAN_LB)
    assert orphan.target == Target(namespace=namespace, kind="Service", name="edge")
    assert orphan.since is not None
    assert orphan.since > served, "that the endpoints went moved the time of the last write"
    early = seen(installed, "controller", namespace, timedelta(days=6))[1]
    assert early.findings == ()

    less = seen(installed, "collector", namespace)[1]
    why = next(one.why for one in less.not_known if one.kind is Kind.UNUSED_PVC)
    assert f"may not list cronjobs in {namespace}" in why
    assert [one.kind for one in less.findings if one.kind == Kind.UNUSED_PVC] == []
    assert [one.target for one in less.findings if one.kind == Kind.ORPHAN_LB] == [orphan.target]
