"""What is offered to a workload, by the names that meshes, ingresses, libraries and queues give it.

Each family is one metric with the ways in which its labels may name the workload. Names are those of the projects' own
documentation; what a relabelling made of them is not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from app.fleet import POD_NAME, workload_of
from domain.labels import Labels
from domain.names import SERVICE_NAME, SPAN_CALLS_TOTAL, SPAN_KIND


@dataclass(frozen=True, slots=True, kw_only=True)
class Labeling:
    """How labels name a workload.

    Attributes:
        namespace: Label that holds the namespace; empty where ``composite`` does.
        label: Label that holds the name.
        pod: Whether that name is a pod's.
        composite: Pattern of the label's value with groups ``namespace`` and ``name``; empty for none.
        written: The same for a query, with ``{namespace}`` and ``{name}`` to be filled in.
    """

    namespace: str
    label: str
    pod: bool = False
    composite: str = ""
    written: str = ""

    def workload(self, labels: Labels) -> tuple[str, str] | None:
        """Namespace and name of the workload, as far as these labels have them."""
        value = labels.value_of(self.label)
        if self.composite:
            found = re.fullmatch(self.composite, value)
            return (found["namespace"], found["name"]) if found else None
        namespace = labels.value_of(self.namespace)
        return (namespace, workload_of(value) if self.pod else value) if value and namespace else None

    def selector(self, namespace: str, name: str, more: str) -> str:
        """The matchers of one workload; both may be templates such as ``{{name}}``."""
        own = [more] if more else []
        if self.composite:
            own.append(f'{self.label}=~"{self.written.format(namespace=namespace, name=name)}"')
        elif self.pod:
            own += [f'{self.namespace}="{namespace}"', f'{self.label}=~"{name}-[^-]+(-[^-]+)?"']
        else:
            own += [f'{self.namespace}="{namespace}"', f'{self.label}="{name}"']
        return ",".join(own)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One metric that tells offered load.

    Attributes:
        key: Short and fixed, as in names of policies.
        title: For people.
        metric: A counter of requests, or a gauge of waiting items.
        matchers: That select what counts.
        labelings: Ways to name the workload, the surest first.
        queue: Whether it is a gauge of waiting items.
        caution: What must be known about it; empty for nothing.
    """

    key: str
    title: str
    metric: str
    matchers: str
    labelings: tuple[Labeling, ...]
    queue: bool = False
    caution: str = ""

    @property
    def selector(self) -> str:
        """All of its series."""
        return f"{self.metric}{{{self.matchers}}}" if self.matchers else self.metric


_BY_POD: Final = (
    Labeling(namespace="namespace", label="pod", pod=True),
    Labeling(namespace="kubernetes_namespace", label="kubernetes_pod_name", pod=True),
)
_SERVICE: Final = (
    Labeling(namespace="exported_namespace", label="exported_service"),
    Labeling(namespace="namespace", label="service"),
)
_AT_THE_EDGE: Final = "counts only what comes through it, and names the service, taken for a workload of the same name"
FAMILIES: Final = (
    Family(
        key="istio", title="Istio", metric="istio_requests_total", matchers='reporter="destination"',
        labelings=(Labeling(namespace="destination_workload_namespace", label="destination_workload"),),
    ),
    Family(
        key="linkerd", title="Linkerd", metric="request_total", matchers='direction="inbound"',
        labelings=(
            Labeling(namespace="namespace", label="deployment"), Labeling(namespace="namespace", label="statefulset"),
            *_BY_POD,
        ),
    ),
    Family(
        key="opentelemetry", title="OpenTelemetry HTTP server", metric="http_server_request_duration_seconds_count",
        matchers="",
        labelings=(
            Labeling(namespace="k8s_namespace_name", label="k8s_deployment_name"),
            Labeling(namespace="k8s_namespace_name", label="k8s_statefulset_name"), *_BY_POD,
        ),
    ),
    Family(
        key="opentelemetry-rpc", title="OpenTelemetry RPC server", metric="rpc_server_duration_milliseconds_count",
        matchers="",
        labelings=(Labeling(namespace="k8s_namespace_name", label="k8s_deployment_name"), *_BY_POD),
    ),
    Family(
        key="spans", title="RED series of spans (Foretide, OpenTelemetry spanmetrics)", metric=SPAN_CALLS_TOTAL,
        matchers=f'{SPAN_KIND}="SPAN_KIND_SERVER"',
        labelings=(
            Labeling(namespace="k8s_namespace_name", label="k8s_deployment_name"),
            Labeling(namespace="service_namespace", label=SERVICE_NAME),
        ),
        caution="counts sampled traces; names the service of the spans, taken for a workload of the same name",
    ),
    Family(
        key="http-requests", title="Prometheus client libraries", metric="http_requests_total", matchers="",
        labelings=_BY_POD,
        caution="some libraries count the probes and scrapes of /healthz and /metrics too",
    ),
    Family(
        key="grpc", title="gRPC servers (go-grpc-prometheus)", metric="grpc_server_started_total", matchers="",
        labelings=_BY_POD,
    ),
    Family(
        key="ingress-nginx", title="ingress-nginx", metric="nginx_ingress_controller_requests", matchers="",
        labelings=_SERVICE, caution=_AT_THE_EDGE,
    ),
    Family(
        key="contour", title="Envoy behind Contour", metric="envoy_cluster_upstream_rq_total", matchers="",
        labelings=(
            Labeling(
                namespace="", label="envoy_cluster_name",
                composite=r"(?P<namespace>[a-z0-9-]+)_(?P<name>[a-z0-9-]+)_[0-9]+", written="{namespace}_{name}_[0-9]+",
            ),
        ),
        caution=_AT_THE_EDGE,
    ),
    Family(
        key="envoy-gateway", title="Gateway API (Envoy Gateway)", metric="envoy_cluster_upstream_rq_total", matchers="",
        labelings=(
            Labeling(
                namespace="", label="envoy_cluster_name",
                composite=r"(?:http|grpc)route/(?P<namespace>[a-z0-9-]+)/(?P<name>[a-z0-9-]+)/.+",
                written="(http|grpc)route/{namespace}/{name}/.+",
            ),
        ),
        caution="counts only what comes through it, and names the route, taken for a workload of the same name",
    ),
    Family(
        key="traefik", title="Traefik", metric="traefik_service_requests_total", matchers="",
        labelings=(
            Labeling(
                namespace="", label="service",
                composite=r"(?P<namespace>[a-z0-9]+)-(?P<name>[a-z0-9-]+)-(?:[0-9]+|[a-z]+)@kubernetes(?:crd|gateway)?",
                written="{namespace}-{name}-[0-9a-z]+@kubernetes.*",
            ),
            Labeling(
                namespace="", label="exported_service",
                composite=r"(?P<namespace>[a-z0-9]+)-(?P<name>[a-z0-9-]+)-(?:[0-9]+|[a-z]+)@kubernetes(?:crd|gateway)?",
                written="{namespace}-{name}-[0-9a-z]+@kubernetes.*",
            ),
        ),
        caution=f"{_AT_THE_EDGE}; a namespace with a dash in its name is not told apart",
    ),
    Family(
        key="kafka-lag", title="Kafka consumer lag (kafka_exporter)", metric="kafka_consumergroup_lag", matchers="",
        labelings=(Labeling(namespace="namespace", label="consumergroup"),), queue=True,
        caution="the consumer group is taken for a workload of the same name; the namespace is the exporter's",
    ),
    Family(
        key="rabbitmq", title="RabbitMQ queues", metric="rabbitmq_queue_messages_ready", matchers="",
        labelings=(Labeling(namespace="namespace", label="queue"),), queue=True,
        caution="the queue is taken for a workload of the same name; the namespace is the broker's",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A family with the labeling that names most of the workloads asked for."""

    family: Family
    labeling: Labeling
    workloads: frozenset[tuple[str, str]]

    def by_workload(self, namespace: str, window: str) -> str:
        """Load of every workload of a namespace, with labels ``namespace`` and ``workload``; not for composites."""
        own, label = self.family, self.labeling
        matchers = ",".join(part for part in (own.matchers, f'{label.namespace}="{namespace}"') if part)
        value = f"{own.metric}{{{matchers}}}" if own.queue else f"rate({own.metric}{{{matchers}}}[{window}])"
        made = f"sum by ({label.label}) ({value})"
        pattern = POD_NAME if label.pod else "(.+)"
        return f'sum by (workload) (label_replace({made}, "workload", "$1", "{label.label}", "{pattern}"))'


def queries(families: Iterable[Family] = FAMILIES) -> dict[str, str]:
    """For each family the instant query whose label sets say which workloads it names."""
    made = {}
    for family in families:
        labels = dict.fromkeys(name for one in family.labelings for name in (one.namespace, one.label) if name)
        made[family.key] = f"count by ({', '.join(labels)}) ({family.selector})"
    return made


def offered(family: Family, found: Iterable[Labels], wanted: frozenset[tuple[str, str]]) -> Offered | None:
    """Which of the wanted workloads it names, by the labeling that names most; None where it names none."""
    seen = list(found)
    best: Offered | None = None
    for labeling in family.labelings:
        named = frozenset(one for labels in seen if (one := labeling.workload(labels)) is not None) & wanted
        if named and (best is None or len(named) > len(best.workloads)):
            best = Offered(family=family, labeling=labeling, workloads=named)
    return best
