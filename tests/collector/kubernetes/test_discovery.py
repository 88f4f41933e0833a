"""What is expected of the objects below is what Prometheus 3.16 itself made of them (golden/kubernetes_discovery.json).

It was asked once: its package discovery/kubernetes (v0.316.0) in a small program, on tests/fakes/kube_api.py.
Debian's Prometheus, which relabelling is compared with, is built without discovery in Kubernetes. Asked anew, the
golden file has to have all but the pods' uid, which the server makes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from collector.config import parse_scrape_config
from collector.kubernetes import kinds, roles
from collector.kubernetes.discovery import KubernetesTargets
from collector.metrics import discovered_targets
from collector.targets import Target
from domain.labels import Labels
from tests.collector.kubernetes.conftest import Server, eventually
from tests.collector.kubernetes.objects import decoded, meta, node, pod
from tests.fakes.clock import ManualClock

SERVICE = {
    "metadata": meta("web", labels={"app": "web"}, annotations={"a.b/c": "d"}),
    "spec": {
        "type": "LoadBalancer",
        "clusterIP": "10.96.0.7",
        "loadBalancerIP": "1.2.3.4",
        "ports": [{"name": "http", "port": 80, "protocol": "TCP"}, {"port": 9000, "protocol": "TCP"}],
    },
}
OUTSIDE = {
    "metadata": meta("outside"),
    "spec": {"type": "ExternalName", "externalName": "x.example", "ports": [{"port": 443}]},
}
SLICE = {
    "metadata": meta("web-x1", labels={"kubernetes.io/service-name": "web", "l": "m"}),
    "addressType": "IPv4",
    "ports": [{"name": "http", "port": 8080, "protocol": "TCP", "appProtocol": "http"}],
    "endpoints": [
        {
            "addresses": ["10.1.0.7"],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "targetRef": {"kind": "Pod", "name": "web-5d9c7f6b8-abcde", "namespace": "shop"},
            "nodeName": "node-a",
            "zone": "eu-1a",
        },
        {
            "addresses": ["10.9.9.9"],
            "conditions": {"ready": False},
            "hostname": "h",
            "deprecatedTopology": {"t/o": "p"},
        },
        {"addresses": ["10.9.9.8"], "conditions": {}, "targetRef": {"kind": "Node", "name": "node-a"}},
    ],
}
INGRESS = {
    "metadata": meta("front", labels={"a-b": "c"}),
    "spec": {
        "ingressClassName": "nginx",
        "tls": [{"hosts": ["shop.example", "*.wild.example"]}],
        "rules": [
            {"host": "shop.example", "http": {"paths": [{"path": "/cart"}, {}]}},
            {"host": "a.wild.example"},
            {"host": "a.b.wild.example"},
            {"host": "plain.example", "http": {"paths": [{"path": "/"}]}},
        ],
    },
}
POD = pod(
    spec={
        "initContainers": [{"name": "proxy", "image": "p:1", "ports": [{"name": "admin", "containerPort": 15000}]}],
        "containers": [
            {"name": "web", "image": "web:1", "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"},
                                                      {"name": "metrics", "containerPort": 9102, "protocol": "TCP"}]},
            {"name": "log", "image": "log:1"},
        ],
    }
)  # fmt: skip
SIX = pod("six", status={"podIP": "fd00::7", "conditions": None, "containerStatuses": None})
STARTING = pod("starting", status={"podIP": ""})


def short(found: dict[str, str]) -> dict[str, str]:
    return {name.removeprefix("__meta_kubernetes_"): value for name, value in found.items() if value}


def addresses(found: list[dict[str, str]]) -> list[str]:
    return [one["__address__"] for one in found]


def test_a_node_is_its_kubelet() -> None:
    (found,) = roles.node(decoded(kinds.NODE, **node()))

    assert short(found) == {
        "__address__": "10.0.0.1:10250",
        "instance": "node-a",
        "node_name": "node-a",
        "node_provider_id": "aws:///eu/i-1",
        "node_condition_ready": "true",
        "node_label_karpenter_sh_nodepool": "spot",
        "node_labelpresent_karpenter_sh_nodepool": "true",
        "node_labelpresent_node_role_kubernetes_io_worker": "true",
        "node_annotation_a_b": "c",
        "node_annotationpresent_a_b": "true",
        "node_address_Hostname": "node-a.example",
        "node_address_InternalIP": "10.0.0.1",
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([("Hostname", "h"), ("ExternalIP", "1.1.1.1")], ["1.1.1.1:0"]),
        ([("Hostname", "h"), ("InternalDNS", "i"), ("ExternalIP", "1.1.1.1")], ["i:0"]),
        ([("InternalIP", "fd00::1"), ("InternalIP", "fd00::2")], ["[fd00::1]:0"]),
        ([("Other", "x")], []),
    ],
)
def test_a_nodes_address_is_the_first_in_prometheus_order(given: list[tuple[str, str]], expected: list[str]) -> None:
    own = [{"type": kind, "address": address} for kind, address in given]
    one = decoded(kinds.NODE, **node(addresses=own, daemonEndpoints=None))

    assert addresses(list(roles.node(one))) == expected


def test_a_service_is_each_of_its_ports() -> None:
    first, second = roles.service(decoded(kinds.SERVICE, **SERVICE))

    assert short(first) == {
        "__address__": "web.shop.svc:80",
        "namespace": "shop",
        "service_name": "web",
        "service_label_app": "web",
        "service_labelpresent_app": "true",
        "service_annotation_a_b_c": "d",
        "service_annotationpresent_a_b_c": "true",
        "service_port_name": "http",
        "service_port_number": "80",
        "service_port_protocol": "TCP",
        "service_type": "LoadBalancer",
        "service_cluster_ip": "10.96.0.7",
        "service_loadbalancer_ip": "1.2.3.4",
    }
    assert second["__address__"] == "web.shop.svc:9000"
    (outside,) = roles.service(decoded(kinds.SERVICE, **OUTSIDE))
    assert outside["__meta_kubernetes_service_external_name"] == "x.example"
    assert "__meta_kubernetes_service_cluster_ip" not in outside


def test_a_pod_is_each_port_of_each_container_and_a_container_without_ports_the_address_alone() -> None:
    found = list(roles.pod(decoded(kinds.POD, **POD), decoded(kinds.NODE, **node())))

    assert addresses(found) == ["10.1.0.7:8080", "10.1.0.7:9102", "10.1.0.7", "10.1.0.7:15000"]
    assert [one["__meta_kubernetes_pod_container_init"] for one in found] == ["false", "false", "false", "true"]
    own = short(found[0])
    assert own["node_label_karpenter_sh_nodepool"] == "spot"
    assert {name: value for name, value in own.items() if name.startswith("pod_") and "label" not in name} == {
        "pod_name": "web-5d9c7f6b8-abcde",
        "pod_ip": "10.1.0.7",
        "pod_ready": "true",
        "pod_phase": "Running",
        "pod_node_name": "node-a",
        "pod_host_ip": "10.0.0.1",
        "pod_uid": "uid-web-5d9c7f6b8-abcde",
        "pod_controller_kind": "ReplicaSet",
        "pod_controller_name": "web-5d9c7f6b8",
        "pod_annotation_prometheus_io_scrape": "true",
        "pod_annotationpresent_prometheus_io_scrape": "true",
        "pod_container_name": "web",
        "pod_container_image": "web:1",
        "pod_container_id": "containerd://w",
        "pod_container_init": "false",
        "pod_container_port_name": "http",
        "pod_container_port_number": "8080",
        "pod_container_port_protocol": "TCP",
    }
    assert list(roles.pod(decoded(kinds.POD, **STARTING))) == []
    assert addresses(list(roles.pod(decoded(kinds.POD, **SIX)))) == ["[fd00::7]:8080", "fd00::7"]


def test_a_slice_is_each_endpoint_and_the_other_ports_of_the_pods_behind_it() -> None:
    pods = {"web-5d9c7f6b8-abcde": decoded(kinds.POD, **POD)}
    of, nodes = decoded(kinds.SERVICE, **SERVICE), {"node-a": decoded(kinds.NODE, **node())}

    found = list(roles.endpoint_slice(decoded(kinds.ENDPOINT_SLICE, **SLICE), of, pods, nodes))

    assert addresses(found) == ["10.1.0.7:8080", "10.9.9.9:8080", "10.9.9.8:8080", "10.1.0.7:9102", "10.1.0.7:15000"]
    first = short(found[0])
    assert {
        name: value for name, value in first.items() if name.startswith("endpointslice_") and "label" not in name
    } == {
        "endpointslice_name": "web-x1",
        "endpointslice_address_type": "IPv4",
        "endpointslice_port": "8080",
        "endpointslice_port_name": "http",
        "endpointslice_port_protocol": "TCP",
        "endpointslice_port_app_protocol": "http",
        "endpointslice_endpoint_conditions_ready": "true",
        "endpointslice_endpoint_conditions_serving": "true",
        "endpointslice_endpoint_conditions_terminating": "false",
        "endpointslice_endpoint_node_name": "node-a",
        "endpointslice_endpoint_zone": "eu-1a",
        "endpointslice_address_target_kind": "Pod",
        "endpointslice_address_target_name": "web-5d9c7f6b8-abcde",
    }
    assert (first["service_label_app"], first["pod_name"], first["pod_container_name"]) == (
        "web",
        "web-5d9c7f6b8-abcde",
        "web",
    )
    assert first["node_name"] == short(found[2])["node_name"] == "node-a"
    assert "node_name" not in short(found[1])
    assert short(found[3])["pod_container_port_name"] == "metrics"
    assert "endpointslice_port" not in short(found[3])


def test_an_ingress_is_each_path_of_each_host() -> None:
    found = list(roles.ingress(decoded(kinds.INGRESS, **INGRESS)))

    told = [(one["__address__"], *(short(one)[f"ingress_{part}"] for part in ("scheme", "path"))) for one in found]
    assert told == [
        ("shop.example", "https", "/cart"),
        ("shop.example", "https", "/"),
        ("a.wild.example", "https", "/"),
        ("a.b.wild.example", "http", "/"),
        ("plain.example", "http", "/"),
    ]
    assert short(found[0])["ingress_class_name"] == "nginx"


def test_every_role_finds_what_prometheus_itself_finds() -> None:
    pods = {one["metadata"]["name"]: decoded(kinds.POD, **one) for one in (POD, SIX, STARTING)}
    services = [decoded(kinds.SERVICE, **one) for one in (SERVICE, OUTSIDE)]
    on = decoded(kinds.NODE, **node())
    found = {
        "node": [*roles.node(on)],
        "service": [target for one in services for target in roles.service(one)],
        "pod": [target for one in pods.values() for target in roles.pod(one, on)],
        "endpointslice": [
            *roles.endpoint_slice(decoded(kinds.ENDPOINT_SLICE, **SLICE), services[0], pods, {"node-a": on})
        ],
        "ingress": [*roles.ingress(decoded(kinds.INGRESS, **INGRESS))],
    }

    told = {role: sorted(map(_plain, targets)) for role, targets in found.items()}

    golden = json.loads(
        (Path(__file__).parents[2] / "golden" / "kubernetes_discovery.json").read_text(encoding="utf-8")
    )
    assert told == {role: sorted(map(_plain, targets)) for role, targets in golden.items()}
    assert sum(map(len, told.values())) == 20


def _plain(found: dict[str, str]) -> list[tuple[str, str]]:
    return sorted((name, value) for name, value in found.items() if value and not name.endswith("_pod_uid"))


# ---- kept up to date


def discovery(server: Server, text: str, registry: CollectorRegistry | None = None) -> KubernetesTargets:
    made = KubernetesTargets(
        parse_scrape_config(text, "f").jobs,
        server.connection,
        own_namespace="foretide",
        counts=discovered_targets(registry or CollectorRegistry()),
    )
    server.discoveries.append(made)
    made.start()
    return made


def job(**more: Any) -> str:
    return json.dumps({"scrape_configs": [{"job_name": "pods", "kubernetes_sd_configs": [{"role": "pod"}], **more}]})


ANNOTATED = [
    {"source_labels": ["__meta_kubernetes_pod_annotation_prometheus_io_scrape"], "regex": "true", "action": "keep"},
    {"source_labels": ["__meta_kubernetes_pod_container_port_name"], "regex": "http", "action": "keep"},
    {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
]


def ticked(made: KubernetesTargets) -> tuple[Target, ...]:
    made.tick(ManualClock().now())
    return made.targets()


def test_pods_with_the_usual_annotation_become_targets_and_leave_again(server: Server) -> None:
    registry = CollectorRegistry()
    server.create(kinds.POD, POD, pod("quiet", metadata={"annotations": {}}))
    made = discovery(server, job(relabel_configs=ANNOTATED), registry)

    eventually(lambda: len(ticked(made)) == 1, "the pod")
    (target,) = made.targets()
    assert str(target.url) == "http://10.1.0.7:8080/metrics"
    assert target.labels == Labels.of(job="pods", instance="10.1.0.7:8080", pod="web-5d9c7f6b8-abcde")
    counted = {
        result: registry.get_sample_value("foretide_collector_discovered_targets", {"job": "pods", "result": result})
        for result in ("kept", "dropped", "refused")
    }
    assert counted == {"kept": 1, "dropped": 5, "refused": 0}

    server.delete(kinds.POD, "web-5d9c7f6b8-abcde")
    eventually(lambda: ticked(made) == (), "its end")


def test_targets_stay_the_same_objects_while_their_pods_do(server: Server) -> None:
    server.create(kinds.POD, POD)
    made = discovery(server, job())
    eventually(lambda: len(ticked(made)) == 4, "the pod's targets")
    before = made.targets()

    server.create(kinds.POD, SIX)
    eventually(lambda: len(ticked(made)) == 6, "the other's")

    assert [id(one) for one in made.targets() if one in before] == [id(one) for one in before]


def test_namespaces_and_selectors_are_asked_of_the_server(server: Server) -> None:
    for namespace in ("shop", "bank", "foretide"):
        server.create(kinds.POD, pod("one", namespace), pod("two", namespace, metadata={"labels": {"app": "other"}}))
    entry = {
        "role": "pod",
        "namespaces": {"names": ["shop"], "own_namespace": True},
        "selectors": [{"role": "pod", "label": "app=web"}],
    }
    keep = [{"source_labels": ["__meta_kubernetes_namespace", "__meta_kubernetes_pod_name"], "target_label": "where"}]
    made = discovery(server, job(kubernetes_sd_configs=[entry], relabel_configs=keep))

    eventually(lambda: len(ticked(made)) == 4, "the pods of two namespaces")

    assert {one.labels.value_of("where") for one in made.targets()} == {"shop;one", "foretide;one"}
    asked = {(one.path, one.query.get("labelSelector")) for one in server.api.asked}
    assert asked == {(f"/api/v1/namespaces/{name}/pods", "app=web") for name in ("shop", "foretide")}


def test_a_target_that_cannot_be_scraped_is_counted_and_hides_no_other(server: Server) -> None:
    registry = CollectorRegistry()
    server.create(kinds.POD, POD)
    broken = [
        {
            "source_labels": ["__meta_kubernetes_pod_container_port_name"],
            "regex": "admin",
            "target_label": "__address__",
            "replacement": "a/b",
        }
    ]
    made = discovery(server, job(relabel_configs=broken), registry)

    eventually(lambda: len(ticked(made)) == 3, "the others")

    labels = {"job": "pods", "result": "refused"}
    assert registry.get_sample_value("foretide_collector_discovered_targets", labels) == 1


def test_a_slice_follows_its_service_and_its_pods(server: Server) -> None:
    server.create(kinds.ENDPOINT_SLICE, SLICE)
    mapped = [{"regex": "__meta_kubernetes_(service_label_app|pod_ready)", "action": "labelmap", "replacement": "$1"}]
    made = discovery(server, job(kubernetes_sd_configs=[{"role": "endpointslice"}], relabel_configs=mapped))
    eventually(lambda: len(ticked(made)) == 3, "the slice alone")

    server.create(kinds.SERVICE, SERVICE)
    server.create(kinds.POD, POD)
    eventually(lambda: {one.labels.value_of("service_label_app") for one in ticked(made)} == {"web"}, "its service")
    eventually(lambda: len(ticked(made)) == 5, "the other ports of its pod")

    ready = {one.address: one.labels.value_of("pod_ready") for one in made.targets()}
    assert ready["10.1.0.7:9102"] == "true"
