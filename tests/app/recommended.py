"""A cluster in a store, of which there is something to say: three nodes, one workload that asks for too much, and one
that nobody uses at night."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from app.cost_allocation import Allocations
from app.cost_commitments_live import Advice, LiveAdvice, Pool
from app.cost_facts import CostFacts
from app.cost_prices import Prices
from app.cost_spot_objects import Found, Seen
from app.queries import Queries
from app.recommendations import RecommendationDesk
from cost.commitments.newsvendor import Rates
from cost.commitments.plan import plan
from cost.commitments.spot import Workload
from cost.pricing.things import NodeFacts
from cost.unused.survey import Survey
from domain.clock import to_ms
from domain.labels import Labels
from domain.series import Series
from rules.ruleset import RuleSet
from rules.schema import PriceSheet
from store.metrics import MetricsStore
from store.state import State
from tests.app.world import NOW
from tests.fakes.clock import ManualClock

GIB = 1024**3
STEPS = 8 * 288
OURS = {"job": "foretide-kubernetes", "instance": "prod"}
EUROS = PriceSheet.model_validate({
    "apiVersion": "foretide.dev/v1alpha1", "kind": "PriceSheet", "metadata": {"name": "eu"},
    "spec": {"currency": "EUR", "rules": [{"match": {"instanceType": "m4"}, "hourly": 0.2},
                                          {"match": {"capacityType": "spot"}, "discountFromOnDemand": 0.65}],
             "overheadHourly": {"controlPlane": 0.1},
             "commitments": [{"id": "ri-9", "match": {"instanceType": "m9"}, "quantity": 2, "hourly": 0.05,
                              "ends": "2027-03-31"}]},
})  # fmt: skip


def series(name: str, values: np.ndarray, of: dict[str, str] = OURS, **labels: str) -> Series:
    """By five minutes, the last now."""
    times = to_ms(NOW) - 300_000 * np.arange(len(values) - 1, -1, -1, dtype=np.int64)
    found = Labels.of({"__name__": name, **of, **labels})
    return Series(labels=found, timestamps_ms=times, values=values.astype(float))


def told(name: str, value: float, **labels: str) -> Series:
    """The same for an hour."""
    return series(name, np.full(13, value), **labels)


def node(name: str) -> list[Series]:
    """Four cores and 16 GiB of pool blue."""
    has = {"cpu": 4, "memory": 16 * GIB}
    amounts = [told(f"kube_node_status_{of}", value, node=name, resource=resource)
               for of in ("capacity", "allocatable") for resource, value in has.items()]  # fmt: skip
    labels = {"label_cloud_google_com_gke_nodepool": "blue", "label_node_kubernetes_io_instance_type": "m4"}
    return [*amounts, told("kube_node_labels", 1, node=name, **labels)]


def workload(name: str, node_name: str, cpu: float, used: np.ndarray, *, pods: int) -> list[Series]:
    """A Deployment's pods, all alike."""
    own = {"namespace": "shop", "replicaset": f"{name}-7d4b9c6f5d"}
    made = [told("kube_replicaset_owner", 1, owner_kind="Deployment", owner_name=name, **own)]
    for number in range(pods):
        at = {"namespace": "shop", "pod": f"{name}-7d4b9c6f5d-x2v4{number}"}
        on = {**at, "node": node_name}
        made += [
            told("kube_pod_info", 1, created_by_kind="ReplicaSet", created_by_name=own["replicaset"], **on),
            told("kube_pod_container_resource_requests", cpu, resource="cpu", container="app", **on),
            told("kube_pod_container_resource_requests", GIB, resource="memory", container="app", **on),
            series("metrics_k8s_io_container_cpu_usage_cores", used, of={}, container="app", **at),
            series("metrics_k8s_io_container_memory_working_set_bytes", np.full(STEPS, 0.8 * GIB), of={},
                   container="app", **at),
        ]  # fmt: skip
    return made


def by_day(busy: float, idle: float) -> np.ndarray:
    """Busy from 06:00 to 20:00 UTC, idle at night."""
    hours = np.array([(NOW - timedelta(minutes=5 * at)).hour for at in range(STEPS - 1, -1, -1)])
    return np.where((hours >= 6) & (hours < 20), busy, idle)


CLUSTER = [
    *(one for name in ("n1", "n2", "n3") for one in node(name)),
    *workload("web", "n1", 1.0, np.full(STEPS, 0.4), pods=3), *workload("api", "n2", 0.9, by_day(0.8, 0.001), pods=3),
]  # fmt: skip


class Surveyor:
    """Says what is unused, and can be told something else."""

    def __init__(self, survey: Survey | None = None) -> None:
        self.survey = survey

    def __call__(self, now: datetime) -> Survey | None:
        return self.survey


READY = Seen(
    workloads=(
        Found(namespace="shop", name="api", requested_cores=Decimal("2.7"),
              workload=Workload(kind="Deployment", replicas=3, override=True)),
        Found(namespace="shop", name="web", requested_cores=Decimal(3),
              workload=Workload(kind="Deployment", replicas=3)),
    ),
    unseen=(),
)  # fmt: skip
"""One by annotation, one of which hardly anything is known."""


def buying(machines: int) -> LiveAdvice:
    """A plan for machines that always ran."""
    demand = np.full(4 * 168, float(machines))
    rates = Rates(on_demand=Decimal("0.2"), committed=Decimal("0.12"))
    pool = Pool(name="m4", region="", node=NodeFacts(), demand=demand, spot=np.zeros(len(demand)), zones=1)
    made = plan(demand[None, :], rates=rates, start=NOW)
    one = Advice(pool=pool, owned=(), rates=rates, plan=made, paths=demand[None, :], notes=())
    return LiveAdvice(start=NOW, end=NOW, currency="EUR", pools=(one,))


def desk(
    store: MetricsStore, state: State, clock: ManualClock, surveyor: Surveyor | None = None, *,
    spot: Seen | None = None, plans: LiveAdvice | None = None,
) -> RecommendationDesk:  # fmt: skip
    """Over what is in the store."""
    queries = Queries(store, clock=clock)
    rules: Any = RuleSet(price_sheets=(EUROS,))
    allocations = Allocations(CostFacts(queries, local=None), Prices(queries, lambda: rules), clock)
    return RecommendationDesk(
        state=state, allocations=allocations, queries=queries, rules=lambda: rules, leads=lambda: True,
        survey=surveyor or Surveyor(), spot=lambda: spot, plans=lambda: plans,
    )  # fmt: skip
