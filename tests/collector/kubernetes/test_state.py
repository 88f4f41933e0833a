from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from collector.kubernetes import kinds, state
from collector.kubernetes.exporter import EXPORTED
from kube.kinds import DEPLOYMENT, DISRUPTION_BUDGET, NAMESPACE, REPLICA_SET, STATEFUL_SET
from tests.collector.kubernetes.objects import decoded, meta, node, owner, pod, shown

CREATED = 1795255200.0
WHERE = 'namespace="shop", pod="web-5d9c7f6b8-abcde", uid="uid-web-5d9c7f6b8-abcde"'
GIVEN = {"namespace": "shop", "pod": "web-5d9c7f6b8-abcde", "uid": "uid-web-5d9c7f6b8-abcde"}


def of_pod(*labels: str, **changes: Any) -> dict[str, float]:
    return shown(list(state.pod(decoded(kinds.POD, **pod(**changes)), labels)), **GIVEN)


def named(name: str, samples: dict[str, float]) -> dict[str, float]:
    return {series.removeprefix(name): value for series, value in samples.items() if series.split("{")[0] == name}


def test_a_pod_says_what_kube_state_metrics_says_of_it() -> None:
    told = of_pod()

    assert named("kube_pod_info", told) == {
        '{created_by_kind="ReplicaSet", created_by_name="web-5d9c7f6b8", host_ip="10.0.0.1", host_network="false", '
        'namespace="shop", node="node-a", pod="web-5d9c7f6b8-abcde", pod_ip="10.1.0.7", priority_class="high", '
        'uid="uid-web-5d9c7f6b8-abcde"}': 1
    }
    assert named("kube_pod_created", told) == {f"{{{WHERE}}}": CREATED}
    assert named("kube_pod_start_time", told) == {f"{{{WHERE}}}": CREATED + 2}
    assert named("kube_pod_status_ready_time", told) == {f"{{{WHERE}}}": CREATED + 30}
    assert named("kube_pod_owner", told) == {
        '{namespace="shop", owner_is_controller="true", owner_kind="ReplicaSet", owner_name="web-5d9c7f6b8", '
        'pod="web-5d9c7f6b8-abcde", uid="uid-web-5d9c7f6b8-abcde"}': 1
    }
    phases = named("kube_pod_status_phase", told)
    assert len(phases) == 5
    assert [series for series, value in phases.items() if value] == [
        '{namespace="shop", phase="Running", pod="web-5d9c7f6b8-abcde", uid="uid-web-5d9c7f6b8-abcde"}'
    ]
    ready = named("kube_pod_status_ready", told)
    assert sorted((series[12:16], value) for series, value in ready.items()) == [("fals", 0), ("true", 1), ("unkn", 0)]
    assert named("kube_pod_container_status_restarts_total", told) == {f'{{container="web", {WHERE}}}': 2}
    assert not named("kube_pod_labels", told)
    assert not named("kube_pod_deletion_timestamp", told)


def test_a_container_that_ended_says_why_it_ended_last() -> None:
    ended = {"terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-11-20T10:00:00Z"}}
    one = pod()["status"]["containerStatuses"][0]

    told = of_pod(status={"containerStatuses": [{**one, "lastState": ended}, {**one, "name": "b", "lastState": {}}]})

    where = WHERE.replace("uid=", 'reason="OOMKilled", uid=')
    assert named("kube_pod_container_status_last_terminated_reason", told) == {f'{{container="web", {where}}}': 1}


def test_requests_and_limits_carry_their_unit() -> None:
    told = of_pod(spec={"nodeName": ""})

    assert named("kube_pod_container_resource_requests", told) == {
        '{container="web", namespace="shop", pod="web-5d9c7f6b8-abcde", resource="cpu", '
        'uid="uid-web-5d9c7f6b8-abcde", unit="core"}': 0.25,
        '{container="web", namespace="shop", pod="web-5d9c7f6b8-abcde", resource="memory", '
        'uid="uid-web-5d9c7f6b8-abcde", unit="byte"}': 64 * 1024 * 1024,
        '{container="web", namespace="shop", pod="web-5d9c7f6b8-abcde", resource="nvidia_com_gpu", '
        'uid="uid-web-5d9c7f6b8-abcde", unit="integer"}': 1,
    }
    assert list(named("kube_pod_container_resource_limits", told).values()) == [1]


@pytest.mark.parametrize("ready", ["False", "Unknown"])
def test_a_pod_that_is_not_ready_has_no_time_of_being_ready(ready: str) -> None:
    told = of_pod(ready=ready)

    assert not named("kube_pod_status_ready_time", told)
    assert sum(named("kube_pod_status_ready", told).values()) == 1


def test_a_pod_that_goes_a_bare_one_and_a_broken_quantity() -> None:
    told = of_pod(
        metadata={"deletionTimestamp": "2026-11-21T10:05:00Z", "ownerReferences": None},
        spec={"containers": [{"name": "x", "resources": {"requests": {"cpu": "much", "memory": "1k", "odd": "1"}}}]},
        status={"phase": "", "conditions": None, "containerStatuses": None},
    )

    assert named("kube_pod_deletion_timestamp", told) == {f"{{{WHERE}}}": CREATED + 300}
    assert 'owner_is_controller="<none>", owner_kind="<none>", owner_name="<none>"' in next(
        iter(named("kube_pod_owner", told))
    )
    assert list(named("kube_pod_container_resource_requests", told).values()) == [1000]
    assert not named("kube_pod_status_phase", told)


def test_labels_of_pods_are_told_where_they_are_named() -> None:
    told = named("kube_pod_labels", of_pod("app", "app.kubernetes.io/Name", "none"))

    assert list(told) == [f'{{label_app="web", label_app_kubernetes_io_name="web", {WHERE}}}']


def test_labels_that_become_the_same_are_kept_apart() -> None:
    one = decoded(
        NAMESPACE,
        metadata=meta("shop", "", labels={"team-a": "1", "team.a": "2", "teamB": "3"}),
        status={"phase": "Active"},
    )

    told = shown(list(state.namespace(one)), namespace="shop")

    assert named("kube_namespace_labels", told) == {
        '{label_team_a_conflict1="1", label_team_a_conflict2="2", label_team_b="3", namespace="shop"}': 1
    }
    assert named("kube_namespace_status_phase", told) == {
        '{namespace="shop", phase="Active"}': 1,
        '{namespace="shop", phase="Terminating"}': 0,
    }


def test_a_node_says_what_it_has_and_which_pool_it_is_of() -> None:
    told = shown(list(state.node(decoded(kinds.NODE, **node()))), node="node-a")

    assert list(named("kube_node_info", told)) == [
        '{container_runtime_version="containerd://2.1", internal_ip="10.0.0.1", kernel_version="6.1", '
        'kubelet_version="v1.36.2", node="node-a", os_image="Debian 12", pod_cidr="10.1.0.0/24", '
        'provider_id="aws:///eu/i-1", system_uuid="sys-1"}'
    ]
    assert named("kube_node_status_allocatable", told) == {
        '{node="node-a", resource="cpu", unit="core"}': 3.92,
        '{node="node-a", resource="memory", unit="byte"}': 15 * 2**30,
        '{node="node-a", resource="pods", unit="integer"}': 110,
    }
    assert len(named("kube_node_status_capacity", told)) == 3
    assert list(named("kube_node_labels", told)) == ['{label_karpenter_sh_nodepool="spot", node="node-a"}']
    assert list(named("kube_node_role", told)) == ['{node="node-a", role="worker"}']
    assert named("kube_node_status_condition", told) == {
        '{condition="Ready", node="node-a", status="true"}': 1,
        '{condition="Ready", node="node-a", status="false"}': 0,
        '{condition="Ready", node="node-a", status="unknown"}': 0,
    }
    assert named("kube_node_created", told) == {'{node="node-a"}': CREATED}


def test_a_deployment_says_what_is_wanted_and_how_far_it_is() -> None:
    long = {"short": "x", "kubectl.kubernetes.io/last-applied-configuration": "y" * 300}
    status = {
        "replicas": 5,
        "updatedReplicas": 2,
        "readyReplicas": 4,
        "availableReplicas": 3,
        "unavailableReplicas": 1,
        "observedGeneration": 8,
    }
    one = decoded(
        DEPLOYMENT,
        metadata=meta("web", generation=9, labels={"app": "web"}, annotations=long),
        spec={"replicas": 6},
        status=status,
    )

    told = shown(list(state.deployment(one)), namespace="shop", deployment="web")

    by_name = {series.split("{")[0]: value for series, value in told.items()}
    assert by_name == {
        "kube_deployment_created": CREATED,
        "kube_deployment_metadata_generation": 9,
        "kube_deployment_status_observed_generation": 8,
        "kube_deployment_status_replicas": 5,
        "kube_deployment_status_replicas_available": 3,
        "kube_deployment_status_replicas_ready": 4,
        "kube_deployment_status_replicas_updated": 2,
        "kube_deployment_status_replicas_unavailable": 1,
        "kube_deployment_spec_replicas": 6,
        "kube_deployment_spec_paused": 0,
        "kube_deployment_labels": 1,
        "kube_deployment_annotations": 1,
    }
    assert 'kube_deployment_annotations{annotation_short="x", deployment="web", namespace="shop"}' in told


def test_a_stateful_set_has_names_of_its_own() -> None:
    one = decoded(STATEFUL_SET, metadata=meta("db"), spec={"replicas": 3}, status={"readyReplicas": 2})

    told = shown(list(state.stateful_set(one)), namespace="shop", statefulset="db")

    assert told['kube_statefulset_replicas{namespace="shop", statefulset="db"}'] == 3
    assert told['kube_statefulset_status_replicas_ready{namespace="shop", statefulset="db"}'] == 2


def test_a_replica_set_without_pods_is_left_out() -> None:
    def told(**spec: int) -> dict[str, float]:
        one = decoded(REPLICA_SET, metadata=meta("web-1", ownerReferences=[owner("Deployment", "web")]), spec=spec)
        return shown(list(state.replica_set(one)), namespace="shop", replicaset="web-1")

    assert told(replicas=0) == {}
    assert list(named("kube_replicaset_owner", told(replicas=2))) == [
        '{namespace="shop", owner_is_controller="true", owner_kind="Deployment", owner_name="web", replicaset="web-1"}'
    ]


def test_an_hpa_says_its_bounds_its_metrics_and_what_it_sees() -> None:
    one = decoded(
        kinds.HPA,
        metadata=meta("web", generation=3),
        spec={
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 2,
            "maxReplicas": 9,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
                },
                {
                    "type": "Pods",
                    "pods": {"metric": {"name": "rps"}, "target": {"type": "AverageValue", "averageValue": "1500m"}},
                },
                {
                    "type": "External",
                    "external": {"metric": {"name": "queue"}, "target": {"type": "Value", "value": "30"}},
                },
                {
                    "type": "ContainerResource",
                    "containerResource": {"name": "memory", "container": "web", "target": {"averageValue": "1Gi"}},
                },
                {"type": "Unheard"},
            ],
        },
        status={
            "currentReplicas": 4,
            "desiredReplicas": 5,
            "currentMetrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "current": {"averageUtilization": 81, "averageValue": "203m"}},
                }
            ],
            "conditions": [
                {"type": "ScalingLimited", "status": "False", "reason": "DesiredWithinRange", "message": "fine"}
            ],
        },
    )

    told = shown(list(state.hpa(one)), namespace="shop", horizontalpodautoscaler="web")

    prefix, where = "kube_horizontalpodautoscaler_", 'horizontalpodautoscaler="web"'
    short = {series.removeprefix(prefix).replace(f"{where}, ", ""): value for series, value in told.items()}
    assert short == {
        'info{namespace="shop", scaletargetref_api_version="apps/v1", scaletargetref_kind="Deployment", '
        'scaletargetref_name="web"}': 1,
        'created{namespace="shop"}': CREATED,
        'metadata_generation{namespace="shop"}': 3,
        'spec_min_replicas{namespace="shop"}': 2,
        'spec_max_replicas{namespace="shop"}': 9,
        'status_current_replicas{namespace="shop"}': 4,
        'status_desired_replicas{namespace="shop"}': 5,
        'spec_target_metric{metric_name="cpu", metric_target_type="utilization", namespace="shop"}': 70,
        'spec_target_metric{metric_name="rps", metric_target_type="average", namespace="shop"}': 1.5,
        'spec_target_metric{metric_name="queue", metric_target_type="value", namespace="shop"}': 30,
        'spec_target_metric{metric_name="memory", metric_target_type="average", namespace="shop"}': 2**30,
        'status_target_metric{metric_name="cpu", metric_target_type="utilization", namespace="shop"}': 81,
        'status_target_metric{metric_name="cpu", metric_target_type="average", namespace="shop"}': 0.203,
        'status_condition{condition="ScalingLimited", namespace="shop", status="true"}': 0,
        'status_condition{condition="ScalingLimited", namespace="shop", status="false"}': 1,
        'status_condition{condition="ScalingLimited", namespace="shop", status="unknown"}': 0,
    }


def test_disruption_budgets_and_quotas() -> None:
    budget = decoded(DISRUPTION_BUDGET, metadata=meta("web"), status={"disruptionsAllowed": 1, "expectedPods": 4})
    quota = decoded(
        kinds.QUOTA, metadata=meta("q"), status={"hard": {"requests.cpu": "20"}, "used": {"requests.cpu": "1500m"}}
    )

    allowed = named(
        "kube_poddisruptionbudget_status_pod_disruptions_allowed", shown(list(state.disruption_budget(budget)))
    )
    told = shown(list(state.quota(quota)), namespace="shop", resourcequota="q")

    assert list(allowed.values()) == [1]
    assert named("kube_resourcequota", told) == {
        '{namespace="shop", resource="requests.cpu", resourcequota="q", type="hard"}': 20,
        '{namespace="shop", resource="requests.cpu", resourcequota="q", type="used"}': 1.5,
    }


def test_every_name_that_foretide_asks_kube_state_metrics_for_is_told() -> None:
    root = Path(__file__).parents[3]
    sources = [*root.glob("app/**/*.py"), *root.glob("controller/**/*.py"), *root.glob("cost/**/*.py")]
    sources += [*root.glob("examples/kubernetes/*.yaml"), *root.glob("dashboard/**/*.py")]
    texts = "\n".join(source.read_text(encoding="utf-8") for source in sources)
    asked = set(
        re.findall(
            r"\b(kube_(?:pod|node|deployment|statefulset|replicaset|namespace|horizontal|resourceq|persistentv|service|endpointslice)[a-z_]+[a-z])\b",
            texts,
        )
    )
    told = "\n".join(source.read_text(encoding="utf-8") for source in (root / "collector" / "kubernetes").glob("*.py"))

    unknown = {name for name in asked if name not in told and not _by_prefix(name, told)}

    assert len(asked) > 20
    assert unknown == {"kube_pod_container_resource", "kube_horizontalpodautoscaler_status"} & asked
    assert {one.kind.plural for one in EXPORTED} >= {"pods", "nodes", "deployments", "statefulsets"}


def _by_prefix(name: str, told: str) -> bool:
    prefix, _, rest = name.partition("_status_") if "_status_" in name else name.rpartition("_")
    known = ("kube_deployment", "kube_statefulset")
    return prefix in known and f"{{prefix}}_{'status_' if '_status_' in name else ''}{rest}" in told
