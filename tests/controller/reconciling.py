"""A reconciler with everything around it under a test's hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from controller.buffers import KeepBuffers, nowhere
from controller.capacities import Capacities
from controller.guardrails import Ceiling
from controller.reconcile import OutlookOf, Reconciler
from domain.errors import NoDataError, RowRefusedError
from domain.forecasts import Forecast
from domain.money import Money
from domain.scaling import Action, Decision, Workload, WorkloadRef
from domain.series import Signal
from rules.schema import SLO, ScalingRule
from tests.controller.stories import rule_of
from tests.fakes.cluster import FakeCluster

SHOP = WorkloadRef(kind="Deployment", namespace="demo", name="shop")
CART = WorkloadRef(kind="Deployment", namespace="demo", name="cart")
TICK = timedelta(seconds=15)
SLO_DOCUMENT = SLO.model_validate(
    {
        "apiVersion": "foretide.dev/v1alpha1", "kind": "SLO", "metadata": {"name": "errors", "namespace": "demo"},
        "spec": {"indicator": {"ratio": {"bad": "bad_total", "total": "all_total"}}, "objective": 99},
    }
)  # fmt: skip


def rule(name: str = "shop", *, query: str = "shop_rps", mode: str = "enforce", **spec: object) -> ScalingRule:
    return rule_of(
        {
            "replicas": {"min": 1, "max": 20},
            "mode": mode,
            "triggers": [{"name": "rps", "query": query, "perReplica": 10}],
            **spec,
        },
        name=name,
    )


@dataclass
class Bench:
    """A reconciler with everything around it under the test's hand."""

    cluster: FakeCluster
    rules: list[ScalingRule]
    answers: dict[str, float | Exception] = field(default_factory=dict)
    forecasts: dict[str, Forecast] = field(default_factory=dict)
    ledger: list[tuple[Decision, Action | None]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    spans: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    on_record: Callable[[Decision], None] = lambda decision: None
    outlook_of: OutlookOf | None = None
    gate: Callable[[ScalingRule], str] = lambda rule: ""
    held: dict[str, str] = field(default_factory=dict)
    slos: dict[str, SLO] = field(default_factory=dict)
    money: Ceiling | None = None
    asleep: set[str] = field(default_factory=set)
    capacities: Capacities | None = None
    levels: dict[str, float] = field(default_factory=dict)
    by_pod: dict[str, float] = field(default_factory=dict)
    keep_buffers: KeepBuffers = nowhere

    def __post_init__(self) -> None:
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.spans))
        self.reconciler = Reconciler(
            rules=lambda: self.rules,
            evaluate=self.evaluate,
            forecast_of=self.forecasts.get,
            cluster=self.cluster,
            record=self.record,
            cost_of=self.cost_of,
            registry=self.registry,
            tracer=provider.get_tracer("test"),
            outlook_of=self.outlook_of,
            gate=lambda one: self.gate(one),
            rings=lambda cases, now: self.held,
            slo_of=self.slos.get,
            budget_room=lambda rule, workload, now: self.money,
            slept=lambda key: key in self.asleep,
            cautions_of=lambda rule: self.levels,
            place_of=lambda rule: "rules.yaml:3",
            by_pod=self.asked_by_pod,
            capacities=self.capacities,
            keep_buffers=lambda orders, staying, now: self.keep_buffers(orders, staying, now),
        )

    def evaluate(self, expr: str, now: datetime, source: str | None = None) -> Signal:
        self.asked.append(expr)
        answer = self.answers.get(expr, NoDataError("query yields no series"))
        if isinstance(answer, Exception):
            raise answer
        return Signal(value=answer, window=timedelta(), as_of=now, count=1)

    def asked_by_pod(self, expr: str, now: datetime, source: str | None = None) -> dict[str, float]:
        self.asked.append(expr)
        return self.by_pod

    def record(self, made: Sequence[tuple[Decision, Action | None]]) -> dict[str, str]:
        lost = {}
        for decision, action in made:
            try:
                self.on_record(decision)
            except RowRefusedError as error:
                lost[decision.id] = str(error)
                continue
            self.ledger.append((decision, action))
        return lost

    def cost_of(self, workload: Workload, replicas: int) -> Money | None:
        return Money(amount=Decimal("0.01") * replicas, currency="EUR")

    def last(self, name: str) -> tuple[Decision, Action | None]:
        return next(pair for pair in reversed(self.ledger) if pair[0].rule == f"demo/{name}")

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


def two_rules() -> Bench:
    cluster = FakeCluster.of(SHOP, 4)
    cluster.workloads[CART] = Workload(ref=CART, current_replicas=2, ready_replicas=2, source="fake")
    return Bench(
        cluster=cluster,
        rules=[rule(), rule("cart", query="cart_rps")],
        answers={"shop_rps": 60.0, "cart_rps": 50.0},
    )
