"""What Prometheus' service discovery says of each object: addresses and ``__meta_kubernetes_…`` labels.

Pure: objects in, label sets out, one for each target. Labels with an empty value are left out, which is the same.

Source:
    Prometheus 3, "kubernetes_sd_config"; discovery/kubernetes/{node,service,pod,endpointslice,ingress}.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from collector.kubernetes.kinds import Node, Pod
from collector.kubernetes.service_kinds import Endpoint, EndpointPort, EndpointSlice, Ingress, Service
from collector.targets import ADDRESS
from domain.names import INSTANCE
from kube.kinds import Container, Meta

Discovered = dict[str, str]

META: Final = "__meta_kubernetes_"
SERVICE_NAME: Final = "kubernetes.io/service-name"
"""Label of an EndpointSlice that names its Service."""
_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_]")
_ADDRESS_TYPES: Final = ("InternalIP", "InternalDNS", "ExternalIP", "ExternalDNS", "LegacyHostIP", "Hostname")


def node(one: Node) -> Iterator[Discovered]:
    """The kubelet; none where the node has no address."""
    addresses: dict[str, str] = {}
    for given in one.status.addresses or ():
        addresses.setdefault(given.get("type", ""), given.get("address", ""))
    host = next((addresses[kind] for kind in _ADDRESS_TYPES if kind in addresses), None)
    if host is None:
        return
    kubelet = (one.status.daemon_endpoints or {}).get("kubeletEndpoint") or {}
    yield {
        **meta("node", one.metadata),
        f"{META}node_provider_id": one.spec.provider_id,
        **{
            f"{META}node_condition_{_sanitized(own.type.lower())}": own.status.lower()
            for own in one.status.conditions or ()
        },
        **{f"{META}node_address_{_sanitized(kind)}": address for kind, address in addresses.items()},
        ADDRESS: joined(host, int(kubelet.get("Port", 0))),
        INSTANCE: one.metadata.name,
    }


def service(one: Service) -> Iterator[Discovered]:
    """Each port of it, by its name in the cluster's DNS."""
    spec, own = one.spec, of_service(one)
    for port in spec.ports or ():
        target = {
            **own,
            ADDRESS: joined(f"{one.metadata.name}.{one.metadata.namespace}.svc", port.port),
            f"{META}service_port_name": port.name,
            f"{META}service_port_number": str(port.port),
            f"{META}service_port_protocol": port.protocol,
            f"{META}service_type": spec.type,
        }
        if spec.type == "ExternalName":
            target[f"{META}service_external_name"] = spec.external_name
        else:
            target[f"{META}service_cluster_ip"] = spec.cluster_ip
        if spec.type == "LoadBalancer":
            target[f"{META}service_loadbalancer_ip"] = spec.load_balancer_ip
        yield target


def pod(one: Pod, on: Node | None = None) -> Iterator[Discovered]:
    """Each port of each container, and each container without ports by the bare address; none without an address."""
    if not one.status.pod_ip:
        return
    own = of_pod(one) | {f"{META}namespace": one.metadata.namespace} | (meta("node", on.metadata) if on else {})
    ids = {ran.name: ran.container_id for ran in one.status.container_statuses or ()}
    first_ids = {ran.name: ran.container_id for ran in one.status.init_container_statuses or ()}
    for container, first in containers(one):
        named = {
            **own,
            f"{META}pod_container_name": container.name,
            f"{META}pod_container_image": container.image,
            f"{META}pod_container_id": (first_ids if first else ids).get(container.name, ""),
            f"{META}pod_container_init": _bool(first),
        }
        if not container.ports:
            yield {**named, ADDRESS: one.status.pod_ip}
        for port in container.ports or ():
            yield {
                **named,
                ADDRESS: joined(one.status.pod_ip, int(port["containerPort"])),
                **_port(port.get("name", ""), port["containerPort"], port.get("protocol", "")),
            }


def endpoint_slice(
    one: EndpointSlice, of: Service | None, pods: dict[str, Pod], nodes: dict[str, Node]
) -> Iterator[Discovered]:
    """Each address at each port; of the pods behind it also the ports that the Service does not name.

    Args:
        one: The slice.
        of: Its Service.
        pods: Those that its endpoints name, by name: a slice knows only pods of its own namespace.
        nodes: Those to attach, by name.
    """
    own = {
        **meta("endpointslice", one.metadata),
        f"{META}namespace": one.metadata.namespace,
        f"{META}endpointslice_address_type": one.address_type,
        **(of_service(of) if of else {}),
    }
    seen: dict[str, set[int | None]] = {}
    for endpoint in one.endpoints or ():
        behind = _pod_behind(endpoint, pods)
        for port in one.ports or ():
            if behind is not None:
                seen.setdefault(behind.metadata.name, set()).add(port.port)
            for address in endpoint.addresses or ():
                yield {**own, **_endpoint(address, endpoint, port), **_on(endpoint, nodes), **_of_its_pod(behind, port)}
    for name, ports in seen.items():
        yield from ({**own, **left} for left in _other_ports(pods[name], ports))


def ingress(one: Ingress) -> Iterator[Discovered]:
    """Each path of each host; https where one of the certificates is for it."""
    own = {
        **meta("ingress", one.metadata),
        f"{META}namespace": one.metadata.namespace,
        f"{META}ingress_class_name": one.spec.ingress_class_name,
    }
    secured = [host for tls in one.spec.tls or () for host in tls.hosts or ()]
    for rule in one.spec.rules or ():
        scheme = "https" if any(_is_for(pattern, rule.host) for pattern in secured) else "http"
        paths = ["/"] if rule.http is None else [path.get("path") or "/" for path in rule.http.get("paths") or ()]
        for path in paths:
            yield {
                **own,
                ADDRESS: rule.host,
                f"{META}ingress_scheme": scheme,
                f"{META}ingress_host": rule.host,
                f"{META}ingress_path": path,
            }


def meta(role: str, given: Meta) -> Discovered:
    """Name, labels and annotations of an object of a role."""
    found = {f"{META}{role}_name": given.name}
    for kind, pairs in (("label", given.labels), ("annotation", given.annotations)):
        for key, text in (pairs or {}).items():
            found[f"{META}{role}_{kind}_{_sanitized(key)}"] = text
            found[f"{META}{role}_{kind}present_{_sanitized(key)}"] = "true"
    return found


def of_service(one: Service) -> Discovered:
    """What endpoints carry of their Service."""
    return {f"{META}namespace": one.metadata.namespace, **meta("service", one.metadata)}


def of_pod(one: Pod) -> Discovered:
    """What is true of all its containers."""
    ready = next((own.status for own in one.status.conditions or () if own.type == "Ready"), "Unknown")
    made_by = next((owner for owner in one.metadata.owner_references or () if owner.controller), None)
    return {
        f"{META}pod_ip": one.status.pod_ip,
        f"{META}pod_ready": ready.lower(),
        f"{META}pod_phase": one.status.phase,
        f"{META}pod_node_name": one.spec.node_name,
        f"{META}pod_host_ip": one.status.host_ip,
        f"{META}pod_uid": one.metadata.uid,
        **meta("pod", one.metadata),
        f"{META}pod_controller_kind": made_by.kind if made_by else "",
        f"{META}pod_controller_name": made_by.name if made_by else "",
    }


def containers(one: Pod) -> Iterator[tuple[Container, bool]]:
    """All containers, and whether each is an init container."""
    yield from ((container, False) for container in one.spec.containers)
    yield from ((container, True) for container in one.spec.init_containers or ())


def joined(host: str, port: int) -> str:
    """``host:port``, IPv6 addresses in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _endpoint(address: str, endpoint: Endpoint, port: EndpointPort) -> Discovered:
    ref, conditions = endpoint.target_ref, endpoint.conditions
    prefix = f"{META}endpointslice_"
    topology = (endpoint.deprecated_topology or {}).items()
    return {
        ADDRESS: address if port.port is None else joined(address, port.port),
        f"{prefix}port_name": port.name or "",
        f"{prefix}port_protocol": port.protocol or "",
        f"{prefix}port": "" if port.port is None else str(port.port),
        f"{prefix}port_app_protocol": port.app_protocol or "",
        f"{prefix}endpoint_conditions_ready": _bool(conditions.ready),
        f"{prefix}endpoint_conditions_serving": _bool(conditions.serving),
        f"{prefix}endpoint_conditions_terminating": _bool(conditions.terminating),
        f"{prefix}endpoint_hostname": endpoint.hostname or "",
        f"{prefix}endpoint_node_name": endpoint.node_name or "",
        f"{prefix}endpoint_zone": endpoint.zone or "",
        f"{prefix}address_target_kind": ref.kind if ref else "",
        f"{prefix}address_target_name": ref.name if ref else "",
        **{f"{prefix}endpoint_topology_{_sanitized(key)}": text for key, text in topology},
        **{f"{prefix}endpoint_topology_present_{_sanitized(key)}": "true" for key, _ in topology},
    }


def _pod_behind(endpoint: Endpoint, pods: dict[str, Pod]) -> Pod | None:
    ref = endpoint.target_ref
    return pods.get(ref.name) if ref is not None and ref.kind == "Pod" else None


def _on(endpoint: Endpoint, nodes: dict[str, Node]) -> Discovered:
    ref = endpoint.target_ref
    found = nodes.get(ref.name if ref is not None and ref.kind == "Node" else endpoint.node_name or "")
    return meta("node", found.metadata) if found else {}


def _of_its_pod(behind: Pod | None, port: EndpointPort) -> Discovered:
    """The pod, and the container that has this port."""
    if behind is None:
        return {}
    found = of_pod(behind)
    for container, first in containers(behind):
        for own in container.ports or ():
            if own["containerPort"] == port.port:
                found |= _named_port(container, own, first)
                break
    return found


def _other_ports(one: Pod, served: Iterable[int | None]) -> Iterator[Discovered]:
    if not one.status.pod_ip:
        return
    for container, first in containers(one):
        for own in container.ports or ():
            if own["containerPort"] not in served:
                address = joined(one.status.pod_ip, int(own["containerPort"]))
                yield {**of_pod(one), **_named_port(container, own, first), ADDRESS: address}


def _named_port(container: Container, port: dict[str, object], first: bool) -> Discovered:
    return {
        f"{META}pod_container_name": container.name,
        f"{META}pod_container_image": container.image,
        f"{META}pod_container_init": _bool(first),
        **_port(str(port.get("name", "")), port["containerPort"], str(port.get("protocol", ""))),
    }


def _port(name: str, number: object, protocol: str) -> Discovered:
    return {
        f"{META}pod_container_port_name": name,
        f"{META}pod_container_port_number": str(number),
        f"{META}pod_container_port_protocol": protocol,
    }


def _is_for(pattern: str, host: str) -> bool:
    """A certificate's host name; ``*.shop.example`` is for hosts one part longer."""
    if not pattern.startswith("*."):
        return pattern == host
    return bool(host.partition(".")[0]) and host.partition(".")[2] == pattern[2:]


def _bool(value: bool | None) -> str:
    return "" if value is None else "true" if value else "false"


def _sanitized(name: str) -> str:
    return _NOT_IN_NAMES.sub("_", name)
