"""Random clusters, for what must hold of any: ``python -m tests.cost.allocation.clusters [HOW_MANY]``.

They are made to hurt: pods without requests, bursts into what others reserved, pods of seconds, of no time and
outside the window, nodes that come and go, GPUs that nobody has, prices of zero, unknown usage, volumes that nobody
mounts.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from cost.allocation import attached, nodes
from cost.allocation.attached import Attached, Traffic, Use
from cost.allocation.distribute import OVERHEAD
from cost.allocation.ledger import Basis, Ledger, Line, cost_of, exact_sum, ledger
from cost.allocation.nodes import Amounts, NodeInterval, PodInterval, Window
from cost.allocation.report import Asked, Report, report
from cost.allocation.subject import Condition, Subject

START = datetime(2026, 11, 2, tzinfo=UTC)
WINDOW = Window(start=START, steps=12)
GIB = 2.0**30
BY = (("cluster",), ("namespace",), ("owner",), ("pod",), ("label:team", "namespace"), ())
Cluster = dict[str, Any]


def cluster(seed: int) -> Cluster:
    """Nodes, pods, volumes and the rest of one random cluster, and what its assets cost."""
    rng = np.random.default_rng(seed)
    made_nodes = [_node(rng, number) for number in range(rng.integers(0, 4))]
    pods = [_pod(rng, number) for number in range(rng.integers(0, 7))]
    return {
        "nodes": made_nodes,
        "pods": pods,
        "attached": [_attached(rng, number, pods) for number in range(rng.integers(0, 3))],
        "traffic": [Traffic(containers=(pod.subject,), gib={"zone": float(rng.exponential())}) for pod in pods[:2]],
        "overhead": _money(rng, 1.0),
    }


def books(made: Cluster, basis: Basis = "conserving", *, backwards: bool = False) -> Ledger:
    """Its ledger; ``backwards`` hands everything over in the other order."""
    turn: Any = (lambda some: list(reversed(list(some)))) if backwards else list
    shares = [
        nodes.share(node, turn(pods), WINDOW, basis=basis)
        for node, pods in turn(nodes.by_node(turn(made["nodes"]), turn(made["pods"])))
    ]
    split = [attached.share(one, WINDOW) for one in turn(made["attached"])]
    items = [item for share in shares for item in share.items] + [item for items, _ in split for item in items]
    for one in turn(made["traffic"]):
        items += attached.traffic_items(one, {"zone": Decimal("0.01")})
    return ledger(
        "USD", items=turn(items), idle=[share.idle for share in shares if share.idle is not None], basis=basis,
        lines=[line for _, lines in split for line in lines]
        + [Line(name=OVERHEAD, subject=Subject(cluster="c0"), cost=made["overhead"])],
    )  # fmt: skip


def asset_cost(made: Cluster) -> Decimal:
    """What was paid, reckoned without any pod."""
    hourly = [(node.start, node.end, cost) for node in made["nodes"] for cost in node.hourly_costs]
    hourly += [(one.start, one.end, one.hourly_cost) for one in made["attached"]]
    traffic = [Decimal(repr(gib)) * Decimal("0.01") for one in made["traffic"] for gib in one.gib.values()]
    paid = [cost_of(price, _inside(start, end)) for start, end, price in hourly]
    return exact_sum([made["overhead"], *traffic, *paid])


def asked(seed: int) -> Asked:
    """A random question."""
    rng = np.random.default_rng(seed)
    return Asked(
        by=BY[rng.integers(len(BY))], only=(_condition(rng),) if rng.random() < 0.5 else (),
        shared=((_condition(rng),),) if rng.random() < 0.5 else (), split=("weighted", "even")[rng.integers(2)],
        share_idle=("none", "weighted", "even")[rng.integers(3)], share_overhead=bool(rng.integers(2)),
    )  # fmt: skip


def shown(made: Report) -> Decimal:
    """Everything that a report says."""
    return exact_sum([*(row.cost for row in made.rows), *made.idle.values(), *made.lines.values(), made.filtered])


def amounts(made: Report) -> list[Decimal]:
    """Every amount in a report."""
    rows = [amount for row in made.rows for amount in (*row.costs, row.idle, row.shared, row.overhead, row.unused)]
    return [*rows, *made.idle.values(), *made.lines.values(), made.filtered, made.system_reserved]


def _inside(start: datetime, end: datetime | None) -> timedelta:
    return max(min(end or WINDOW.end, WINDOW.end) - max(start, WINDOW.start), timedelta())


def _condition(rng: np.random.Generator) -> Condition:
    name, values = (("namespace", "ns"), ("cluster", "c"), ("label:team", "t"))[rng.integers(3)]
    return Condition(dimension=name, values=frozenset([f"{values}{rng.integers(2)}"]), negated=bool(rng.integers(2)))


def _span(rng: np.random.Generator) -> tuple[datetime, datetime | None]:
    start = START + timedelta(seconds=int(rng.choice([-600, 0, 20, 61, 300, 700, 900])))
    length = rng.choice([0, 1, 20, 60, 3600, -1])
    return start, None if length < 0 else start + timedelta(seconds=int(length))


def _money(rng: np.random.Generator, scale: float) -> Decimal:
    return Decimal(0) if rng.random() < 0.1 else Decimal(repr(float(rng.exponential(scale)))).quantize(Decimal("1e-6"))


def _node(rng: np.random.Generator, number: int) -> NodeInterval:
    start, end = _span(rng)
    capacity = Amounts(
        cpu_cores=float(rng.choice([0, 1, 2, 64])), memory_bytes=float(rng.choice([0.5, 4, 256])) * GIB,
        gpus=float(rng.choice([0, 0, 4])),
    )  # fmt: skip
    allocatable = Amounts(cpu_cores=capacity.cpu_cores * 0.9, memory_bytes=capacity.memory_bytes * 0.8)
    return NodeInterval(
        subject=Subject(cluster=f"c{number % 2}", node=f"n{number}"), start=start, end=end, capacity=capacity,
        hourly_costs=(_money(rng, 1.0), _money(rng, 0.01), _money(rng, 1e4)), allocatable=allocatable,
    )  # fmt: skip


def _pod(rng: np.random.Generator, number: int) -> PodInterval:
    start, end = _span(rng)
    where = int(rng.integers(4))
    requests = Amounts(
        cpu_cores=float(rng.choice([0, 0.001, 0.5, 3])), memory_bytes=float(rng.choice([0, 0.1, 4])) * GIB,
        gpus=float(rng.choice([0, 0, 1])),
    )  # fmt: skip
    usage: Any = [rng.exponential(scale, WINDOW.steps).astype(np.float32) for scale in (1.0, GIB)]
    for series in usage:
        series[rng.random(WINDOW.steps) < 0.2] = np.nan
    if rng.random() < 0.2:
        usage = [None, None]
    return PodInterval(
        subject=Subject(
            cluster=f"c{where % 2}", node=f"n{where}", namespace=f"ns{rng.integers(3)}", pod=f"p{number}",
            owner_kind="Deployment", owner=("", "web", "api")[rng.integers(3)],
            labels={"team": f"t{rng.integers(2)}"} if rng.random() < 0.5 else {},
        ),
        start=start, end=end, requests=requests, cpu_usage=usage[0], memory_usage=usage[1],
    )  # fmt: skip


def _attached(rng: np.random.Generator, number: int, pods: list[PodInterval]) -> Attached:
    start, end = _span(rng)
    return Attached(
        component=("volume", "loadBalancer")[rng.integers(2)], name=f"v{number}", cluster="c0", start=start, end=end,
        hourly_cost=_money(rng, 0.1),
        uses=tuple(Use(subject=pod.subject, start=pod.start, end=pod.end) for pod in pods if rng.random() < 0.5),
    )  # fmt: skip


def check(seed: int) -> tuple[Decimal, int]:
    """The relative error of one cluster's report, and how many of its amounts are negative."""
    made = cluster(seed)
    whole, found = asset_cost(made), report(books(made), asked(seed))
    error = abs(shown(found) - whole) + abs(found.total - whole)
    return (error / whole if whole else error), sum(amount < 0 for amount in amounts(found))


def main(how_many: int) -> int:
    """Check so many clusters; 1 where one errs."""
    worst, negative = Decimal(0), 0
    for seed in range(how_many):
        error, below = check(seed)
        worst, negative = max(worst, error), negative + below
    print(f"{how_many} clusters: largest relative error {worst:.3g}, {negative} negative amounts")
    return 0 if worst <= Decimal("1e-9") and not negative else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000))
