"""How pods are reached: Services, the slices of their endpoints, Ingresses."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec

from kube import kinds
from kube.kinds import Fields, Kind, Meta

T = TypeVar("T")


class ServicePort(Fields, frozen=True, gc=False, rename="camel"):
    """One of a Service's ports."""

    port: int
    name: str = ""
    protocol: str = ""


class ServiceSpec(Fields, frozen=True, gc=False, rename="camel"):
    """How a Service is reached."""

    type: str = ""
    ports: list[ServicePort] | None = None
    cluster_ip: str = msgspec.field(name="clusterIP", default="")
    load_balancer_ip: str = msgspec.field(name="loadBalancerIP", default="")
    external_name: str = ""
    external_traffic_policy: str = ""


class LoadBalancer(Fields, frozen=True, gc=False, rename="camel"):
    """Its addresses; none before somebody has made it."""

    ingress: list[dict[str, Any]] | None = None


class ServiceStatus(Fields, frozen=True, gc=False, rename="camel"):
    """What became of it."""

    load_balancer: LoadBalancer = LoadBalancer()


class Service(Fields, frozen=True, gc=False, rename="camel"):
    """Service, v1."""

    metadata: Meta
    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus = ServiceStatus()


class EndpointConditions(Fields, frozen=True, gc=False, rename="camel"):
    """None is unknown."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class Endpoint(Fields, frozen=True, gc=False, rename="camel"):
    """One backend of a Service."""

    addresses: list[str] | None = None
    conditions: EndpointConditions = EndpointConditions()
    hostname: str | None = None
    target_ref: kinds.ObjectReference | None = None
    node_name: str | None = None
    zone: str | None = None
    deprecated_topology: dict[str, str] | None = None


class EndpointPort(Fields, frozen=True, gc=False, rename="camel"):
    """A port that all endpoints of a slice have."""

    name: str | None = None
    protocol: str | None = None
    port: int | None = None
    app_protocol: str | None = None


class EndpointSlice(Fields, frozen=True, gc=False, rename="camel"):
    """EndpointSlice, discovery.k8s.io/v1."""

    metadata: Meta
    address_type: str = ""
    endpoints: list[Endpoint] | None = None
    ports: list[EndpointPort] | None = None


class IngressTls(Fields, frozen=True, gc=False, rename="camel"):
    """Hosts that have a certificate."""

    hosts: list[str] | None = None


class IngressRule(Fields, frozen=True, gc=False, rename="camel"):
    """One host; ``http`` holds its paths."""

    host: str = ""
    http: dict[str, Any] | None = None


class IngressSpec(Fields, frozen=True, gc=False, rename="camel"):
    """What is reached from outside."""

    ingress_class_name: str = ""
    tls: list[IngressTls] | None = None
    rules: list[IngressRule] | None = None


class Ingress(Fields, frozen=True, gc=False, rename="camel"):
    """Ingress, networking.k8s.io/v1."""

    metadata: Meta
    spec: IngressSpec = IngressSpec()


def _kind(group: str, plural: str, kind: str, made_into: type[T]) -> Kind[T]:
    return Kind(group=group, version="v1", kind=kind, plural=plural, namespaced=True, type=made_into)


SERVICE: Final = _kind("", "services", "Service", Service)
ENDPOINT_SLICE: Final = _kind("discovery.k8s.io", "endpointslices", "EndpointSlice", EndpointSlice)
INGRESS: Final = _kind("networking.k8s.io", "ingresses", "Ingress", Ingress)
