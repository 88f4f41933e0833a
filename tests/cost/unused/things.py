"""A small cluster in which nothing is unused, and pieces to add to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from cost.pricing.chain import Sources, price_nodes
from cost.pricing.things import NodeFacts
from cost.unused.activity import HOURS, Activity, Hours
from cost.unused.finding import Finding, Kind, Target
from cost.unused.prices import Prices
from cost.unused.snapshot import About, Claim, ContainerAsks, Owner, Pod, PodShape, Snapshot, Volume, Workload
from cost.unused.survey import Survey, survey
from rules.schema import PriceSheet

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
OLD = NOW - timedelta(days=30)
GIB = Decimal(2) ** 30
WEB = Target(namespace="shop", kind="Deployment", name="web")
SHEET = PriceSheet.model_validate({
    "apiVersion": "foretide.dev/v1alpha1", "kind": "PriceSheet", "metadata": {"name": "list"},
    "spec": {
        "currency": "EUR", "cpuCoreHour": "0.03", "memoryGiBHour": "0.004", "loadBalancerHourly": "0.025",
        "rules": [
            {"match": {"storageClass": "fast"}, "perUnit": {"gibMonth": "0.119"}},
            {"match": {"instanceType": "m6i.xlarge"}, "hourly": "0.23"},
        ],
    },
})  # fmt: skip
PRICES = Prices(sources=Sources(currency="EUR", sheet=SHEET))
SILENT, FLAT = Hours(known=HOURS, lowest=20.0, highest=120.0), Hours(known=HOURS, lowest=0.002, highest=0.005)


def about(kind: str, name: str, namespace: str = "shop", **more: Any) -> About:
    return About(target=Target(namespace=namespace, kind=kind, name=name), created=more.pop("created", OLD), **more)


def owned(kind: str, name: str, group: str = "apps") -> tuple[Owner, ...]:
    return (Owner(group=group, kind=kind, name=name),)


def shape(cpu: str | None = "0.5", memory: str | None = "1", **more: Any) -> PodShape:
    asks = ContainerAsks(
        name="app", cpu_cores=None if cpu is None else Decimal(cpu),
        memory_bytes=None if memory is None else Decimal(memory) * GIB,
    )  # fmt: skip
    return PodShape(containers=(asks,), **more)


def pod(name: str, *, owner: tuple[Owner, ...] = (), namespace: str = "shop", **more: Any) -> Pod:
    own = about("Pod", name, namespace, owners=owner, keep=more.pop("keep", None))
    return Pod(about=own, shape=more.pop("shape", None) or shape(), **more)


def workload(kind: str, name: str, namespace: str = "shop", **more: Any) -> Workload:
    own = {name: more.pop(name) for name in ("owners", "created", "keep") if name in more}
    return Workload(about=about(kind, name, namespace, **own), **more)


def claim(name: str = "data", namespace: str = "shop", **more: Any) -> Claim:
    own = {name: more.pop(name) for name in ("owners", "created", "keep") if name in more}
    fields: dict[str, Any] = {"volume": "pv-1", "storage_class": "fast", "gib": Decimal(100), **more}
    return Claim(about=about("PersistentVolumeClaim", name, namespace, **own), **fields)


def volume(name: str = "pv-1", **more: Any) -> Volume:
    fields: dict[str, Any] = {"storage_class": "fast", "gib": Decimal(100), "reclaim": "Retain", **more}
    return Volume(about=about("PersistentVolume", name, ""), **fields)


def cluster(**more: Any) -> Snapshot:
    """One Deployment of two pods in a namespace of its own; ``more`` is added to it."""
    made = Snapshot(
        at=NOW, namespaces=(about("Namespace", "shop", ""),),
        pods=tuple(pod(f"web-5d-{name}", owner=owned("ReplicaSet", "web-5d")) for name in "ab"),
        workloads=(
            workload("Deployment", "web", replicas=2),
            workload("ReplicaSet", "web-5d", owners=owned("Deployment", "web")),
        ),
    )  # fmt: skip
    lists = {name: (*getattr(made, name), *value) if isinstance(value, tuple) else value
             for name, value in more.items()}  # fmt: skip
    return replace(made, **lists)


def activity(traffic: Hours | None = None, cpu: Hours | None = None, **more: Any) -> Activity:
    """Of the Deployment."""
    return Activity(
        traffic={} if traffic is None else {WEB: traffic}, cpu={} if cpu is None else {WEB: cpu}, **more
    )  # fmt: skip


def surveyed(snapshot: Snapshot, seen: Activity | None = None, prices: Prices = PRICES) -> Survey:
    return survey(snapshot, seen or activity(), prices)


def found(kind: Kind, snapshot: Snapshot, seen: Activity | None = None, prices: Prices = PRICES) -> list[Finding]:
    return [one for one in surveyed(snapshot, seen, prices).findings if one.kind == kind]


def priced_on_a_node() -> Prices:
    """Pods of ``n1`` cost their part of a machine at 0.23 an hour."""
    node = NodeFacts(
        name="n1", labels={"node.kubernetes.io/instance-type": "m6i.xlarge"}, cpu_cores=Decimal(4),
        memory_gib=Decimal(16),
    )  # fmt: skip
    sources = Sources(currency="EUR", sheet=SHEET)
    priced, _ = price_nodes(sources, [node], NOW.date())
    return Prices(sources=sources, nodes={"n1": node}, priced=priced)
