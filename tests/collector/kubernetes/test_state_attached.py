from __future__ import annotations

from typing import Any

from collector.kubernetes import kinds, state, state_attached
from collector.kubernetes.exporter import EXPORTED, StateExporter, with_labels
from collector.kubernetes.storage_kinds import CLAIM, VOLUME
from tests.collector.kubernetes.conftest import Server
from tests.collector.kubernetes.objects import decoded, meta, pod, shown
from tests.fakes.metrics_store import MemoryMetricsStore

SLICE_OF_WEB = {"kubernetes.io/service-name": "web", "app": "web"}


def volume(**spec: Any) -> dict[str, Any]:
    source = {"csi": {"driver": "ebs.csi.aws.com", "volumeHandle": "vol-1"}}
    ref = {"claimRef": {"kind": "PersistentVolumeClaim", "namespace": "shop", "name": "data"}}
    own = {"capacity": {"storage": "10Gi"}, "storageClassName": "fast", "persistentVolumeReclaimPolicy": "Delete"}
    return {"metadata": meta("pv-1", ""), "spec": {**own, **source, **ref, **spec}, "status": {"phase": "Bound"}}


def claim() -> dict[str, Any]:
    requests = {"requests": {"storage": "10Gi"}}
    spec = {"storageClassName": "fast", "volumeName": "pv-1", "volumeMode": "Filesystem", "resources": requests}
    return {"metadata": meta("data", labels={"team": "a", "x": "y"}), "spec": spec, "status": {"phase": "Bound"}}


def endpoint(name: str, address: str, *, ready: bool | None = True) -> dict[str, Any]:
    conditions = {} if ready is None else {"ready": ready, "serving": ready, "terminating": False}
    ref = {"kind": "Pod", "namespace": "shop", "name": name}
    return {"addresses": [address], "conditions": conditions, "targetRef": ref, "nodeName": "node-a", "zone": "eu-1a"}


def test_a_volume_says_what_kube_state_metrics_says_of_it() -> None:
    told = shown(list(state_attached.volume(decoded(VOLUME, **volume()))), persistentvolume="pv-1")
    assert told['kube_persistentvolume_capacity_bytes{persistentvolume="pv-1"}'] == 10 * 2**30
    assert told[
        'kube_persistentvolume_claim_ref{claim_namespace="shop", name="data", persistentvolume="pv-1"}'
    ] == 1  # fmt: skip
    assert told[
        'kube_persistentvolume_info{csi_driver="ebs.csi.aws.com", csi_volume_handle="vol-1", '
        'persistentvolume="pv-1", reclaim_policy="Delete", storageclass="fast"}'
    ] == 1  # fmt: skip
    phases = {series: value for series, value in told.items() if series.startswith("kube_persistentvolume_status")}
    assert len(phases) == 5
    assert [series for series, value in phases.items() if value] == [
        'kube_persistentvolume_status_phase{persistentvolume="pv-1", phase="Bound"}'
    ]


def test_a_volume_without_a_capacity_that_can_be_read_has_none_told() -> None:
    for capacity in ({}, {"storage": "lots"}):
        told = shown(list(state_attached.volume(decoded(VOLUME, **volume(capacity=capacity)))), persistentvolume="pv-1")
        assert not any("capacity" in series for series in told)
        assert any("_info" in series for series in told)


def test_a_claim_says_what_it_asks_for_and_which_volume_it_has() -> None:
    given = {"namespace": "shop", "persistentvolumeclaim": "data"}
    told = shown(list(state_attached.claim(decoded(CLAIM, **claim()), ("team",))), **given)
    where = 'namespace="shop", persistentvolumeclaim="data"'
    assert told[f"kube_persistentvolumeclaim_resource_requests_storage_bytes{{{where}}}"] == 10 * 2**30
    info = f'{{{where}, storageclass="fast", volumemode="Filesystem", volumename="pv-1"}}'
    assert told[f"kube_persistentvolumeclaim_info{info}"] == 1
    assert told[f'kube_persistentvolumeclaim_labels{{label_team="a", {where}}}'] == 1
    assert told[f'kube_persistentvolumeclaim_status_phase{{{where}, phase="Bound"}}'] == 1


def test_a_pod_names_its_claims_and_those_made_for_it_and_no_other_volume() -> None:
    volumes = [
        {"name": "token", "projected": {"sources": []}},
        {"name": "store", "persistentVolumeClaim": {"claimName": "data"}},
        {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}},
    ]
    one = decoded(kinds.POD, **pod("web-1", spec={"volumes": volumes}))
    told = [told for told in state.pod(one) if told[0] == "kube_pod_spec_volumes_persistentvolumeclaims_info"]
    assert [dict(pairs) for _, pairs, _ in told] == [
        {"persistentvolumeclaim": "data", "volume": "store"},
        {"persistentvolumeclaim": "web-1-scratch", "volume": "scratch"},
    ]
    assert decoded(kinds.POD, **pod(spec={"volumes": volumes[:1]})).spec.volumes is None


def test_a_service_tells_its_type_and_the_address_of_its_load_balancer() -> None:
    spec = {"type": "LoadBalancer", "clusterIP": "10.0.0.9", "externalTrafficPolicy": "Cluster"}
    waiting = {"metadata": meta("web"), "spec": spec}
    made = {**waiting, "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}, {"hostname": "lb.example"}]}}}
    given = {"namespace": "shop", "service": "web"}
    told = shown(list(state_attached.service(decoded(kinds.SERVICE, **made))), **given)
    assert told['kube_service_spec_type{namespace="shop", service="web", type="LoadBalancer"}'] == 1
    ingress = "kube_service_status_load_balancer_ingress"
    assert told[f'{ingress}{{ip="203.0.113.7", namespace="shop", service="web"}}'] == 1
    assert told[f'{ingress}{{hostname="lb.example", namespace="shop", service="web"}}'] == 1
    assert not any(series.startswith(ingress) for series in
                   shown(list(state_attached.service(decoded(kinds.SERVICE, **waiting))), **given))  # fmt: skip


def test_a_slice_tells_of_which_service_it_is_and_each_address_behind_it() -> None:
    body = {
        "metadata": meta("web-x7k2p", labels=SLICE_OF_WEB), "addressType": "IPv4",
        "endpoints": [endpoint("web-1", "10.1.0.7"), endpoint("web-2", "10.1.0.8", ready=None)],
    }  # fmt: skip
    given = {"namespace": "shop", "endpointslice": "web-x7k2p"}
    told = shown(list(state_attached.endpoint_slice(decoded(kinds.ENDPOINT_SLICE, **body))), **given)
    where = 'endpointslice="web-x7k2p"'
    assert told[f'kube_endpointslice_labels{{{where}, label_kubernetes_io_service_name="web", namespace="shop"}}'] == 1
    rest = 'namespace="shop", ready="true", serving="true", targetref_kind="Pod", targetref_name="web-1"'
    own = f'endpoint_nodename="node-a", endpoint_zone="eu-1a", {where}, {rest}, targetref_namespace="shop"'
    assert told[f'kube_endpointslice_endpoints{{address="10.1.0.7", {own}, terminating="false"}}'] == 1
    assert sum(series.startswith("kube_endpointslice_endpoints") for series in told) == 2


def test_labels_that_are_named_are_told_of_pods_claims_and_services_and_no_others(server: Server) -> None:
    server.create(kinds.POD, pod("web-1", metadata={"labels": {"team": "a", "app": "web"}}))
    server.create(CLAIM, claim())
    server.create(kinds.SERVICE, {"metadata": meta("web", labels={"app": "web"}), "spec": {"type": "ClusterIP"}})
    store = MemoryMetricsStore()
    exporter = StateExporter(
        server.watch(kinds.POD, CLAIM, kinds.SERVICE), store=store, clock=server.clock, instance="prod",
        exported=with_labels(("team", "not-there")),
    )  # fmt: skip
    exporter.tick(server.clock.now())
    assert store.last("kube_pod_labels", pod="web-1", label_team="a") == 1
    assert store.last("kube_persistentvolumeclaim_labels", label_team="a") == 1
    assert store.last("kube_service_spec_type", service="web") == 1
    assert all("uid" in dict(own) for own in store.samples if own.metric_name.startswith("kube_service"))
    names = {own.metric_name for own in store.samples}
    assert "kube_service_labels" not in names
    assert not any(key.startswith("label_app") for own in store.samples for key, _ in own)
    assert [one.kind for one in with_labels(("team",))] == [one.kind for one in EXPORTED]
