"""Who pays for how much of a node, a volume, a load balancer: numbers that can be checked by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cost.allocation import attached, nodes
from cost.allocation.attached import Attached, Traffic, Use, coefficients, load_balancer_hourly, traffic_items
from cost.allocation.charging import container_allocation
from cost.allocation.ledger import Basis, ledger
from cost.allocation.nodes import Amounts, NodeInterval, PodInterval, Window
from cost.allocation.report import Asked, report, total_efficiency
from cost.allocation.subject import Condition, Subject, dimensions

START = datetime(2026, 11, 2, tzinfo=UTC)
HOUR = Window(start=START, steps=60)
GIB = 2.0**30
NODE = Subject(cluster="c", node="n")


def after(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def node(*, cpu: float = 1.0, gib: float = 1.0, costs: tuple[str, str, str] = ("1", "1", "0")) -> NodeInterval:
    return NodeInterval(
        subject=NODE, start=START, end=None, capacity=Amounts(cpu_cores=cpu, memory_bytes=gib * GIB),
        hourly_costs=(Decimal(costs[0]), Decimal(costs[1]), Decimal(costs[2])),
    )  # fmt: skip


def pod(
    name: str, *, cpu: float = 0.0, gib: float = 0.0, used: float | None = None, used_gib: float | None = None,
    start: datetime = START, end: datetime | None = None,
) -> PodInterval:  # fmt: skip
    return PodInterval(
        subject=Subject(cluster="c", node="n", namespace=name, pod=name), start=start, end=end,
        requests=Amounts(cpu_cores=cpu, memory_bytes=gib * GIB),
        cpu_usage=None if used is None else np.full(60, used),
        memory_usage=None if used_gib is None else np.full(60, used_gib * GIB),
    )  # fmt: skip


def costs(*pods: PodInterval, on: NodeInterval | None = None, basis: Basis = "conserving") -> dict[str, float]:
    found = nodes.share(on or node(), pods, HOUR, basis=basis)
    assert found.idle is not None
    return {item.subject.pod: float(item.cost) for item in found.items} | {"idle": float(sum(found.idle.costs))}


def test_a_burst_into_reserved_memory_is_shared_where_opencost_charges_the_node_twice() -> None:
    # opencost#1815: a node of 1 GB, one pod uses all of it, another requests all of it.
    pods = pod("p1", used_gib=1, used=0), pod("p2", gib=1, used_gib=0, used=0)
    on = node(costs=("0", "1", "0"))
    assert costs(*pods, on=on) == {"p1": 0.5, "p2": 0.5, "idle": 0.0}
    assert costs(*pods, on=on, basis="opencost") == {"p1": 1.0, "p2": 1.0, "idle": -1.0}


def test_the_scaling_of_a_contended_node_is_told() -> None:
    found = nodes.share(node(), [pod("a", cpu=1), pod("b", used=1.0)], HOUR)
    assert found.notes == (
        "node n: its pods took more CPU than it has for 1.00 h; they were charged 50.0% of it at the least",
    )


def test_a_pod_of_twenty_seconds_pays_for_twenty_seconds() -> None:
    short = pod("short", cpu=1, start=after(10.2), end=after(10.2) + timedelta(seconds=20))
    assert costs(short, on=node(costs=("3.6", "0", "0")))["short"] == pytest.approx(0.02)


def test_a_pod_is_charged_from_being_scheduled_without_any_usage() -> None:
    assert costs(pod("waiting", cpu=0.5, start=after(30)), on=node(costs=("1", "0", "0")))["waiting"] == 0.25


def test_the_three_wastes_are_told_apart() -> None:
    on = NodeInterval(
        subject=NODE, start=START, end=None, capacity=Amounts(cpu_cores=4.0), allocatable=Amounts(cpu_cores=3.5),
        hourly_costs=(Decimal(4), Decimal(0), Decimal(0)),
    )  # fmt: skip
    share = nodes.share(on, [pod("web", cpu=2, used=0.5)], HOUR)
    assert share.idle is not None
    assert (share.idle.unallocated[0], share.idle.system_reserved[0]) == (Decimal("1.5"), Decimal("0.5"))
    assert float(share.items[0].measured.unused) == pytest.approx(1.5)


def test_gpus_of_a_node_without_pods_that_ask_for_them_are_idle() -> None:
    on = NodeInterval(
        subject=NODE, start=START, end=None, capacity=Amounts(gpus=4.0),
        hourly_costs=(Decimal(0), Decimal(0), Decimal(8)),
    )  # fmt: skip
    assert costs(pod("web"), on=on) == {"web": 0.0, "idle": 8.0}


def test_a_volume_is_split_over_the_pods_of_each_piece() -> None:
    # OpenCost, TestGetPVCCostCoefficients.
    spans = [(after(0), after(60)), (after(0), after(15)), (after(30), after(60)), (after(45), after(60))]
    found = coefficients(spans, START, after(60))
    assert found == pytest.approx([0.5833333, 0.125, 0.2083333, 0.0833333, 0.0], abs=1e-6)


@given(st.lists(st.tuples(st.integers(0, 59), st.integers(1, 60)), max_size=30))
def test_each_minute_of_a_volume_is_paid_once_in_equal_parts(given_spans: list[tuple[int, int]]) -> None:
    """Against the definition, minute by minute."""
    spans = [(begin, min(begin + length, 60)) for begin, length in given_spans]
    found = coefficients([(after(begin), after(end)) for begin, end in spans], START, after(60))
    there = [[begin <= minute < end for begin, end in spans] for minute in range(60)]
    expected = [sum(row[number] / sum(row) for row in there if row[number]) / 60 for number in range(len(spans))]
    assert found == pytest.approx([*expected, sum(not any(row) for row in there) / 60], abs=1e-12)
    assert (found >= 0).all()


def test_a_volume_that_nobody_mounts_for_a_while_is_unmounted_for_that_while() -> None:
    use = Use(subject=Subject(pod="p"), start=START, end=after(15))
    volume = Attached(
        component="volume", name="v", cluster="c", start=START, end=None, hourly_cost=Decimal(4), uses=(use,)
    )
    items, lines = attached.share(volume, HOUR)
    assert [item.cost for item in items] == [Decimal(1)]
    assert [(line.name, line.cost) for line in lines] == [("__unmounted__", Decimal(3))]


def test_a_load_balancer_is_split_by_hours_and_costs_what_opencost_says() -> None:
    uses = tuple(
        Use(subject=Subject(pod=name), start=START, end=after(minutes)) for name, minutes in (("a", 60), ("b", 20))
    )
    balancer = Attached(
        component="loadBalancer", name="lb", cluster="c", start=START, end=None,
        hourly_cost=load_balancer_hourly(), uses=uses,
    )  # fmt: skip
    items, lines = attached.share(balancer, HOUR)
    assert [float(item.cost) for item in items] == pytest.approx([0.01875, 0.00625])
    assert lines == []
    assert load_balancer_hourly(rules=7, gib=Decimal(10)) == Decimal("0.225")


def test_traffic_is_split_evenly_over_containers() -> None:
    pair = (Subject(pod="p", container="a"), Subject(pod="p", container="b"))
    items = traffic_items(Traffic(containers=pair, gib={"zone": 3.0, "internet": 1.0}),
                          {"zone": Decimal("0.01"), "internet": Decimal("0.12")})  # fmt: skip
    assert [item.cost for item in items] == [Decimal("0.075")] * 2


def test_efficiency_is_usage_by_request_weighted_by_cost() -> None:
    # Kubecost's documentation: 2 CPU and 1 GB requested, 0.5 and 0.5 used, at 10 and 1: 26 %.
    share = nodes.share(
        node(cpu=2, gib=1, costs=("20", "1", "0")), [pod("p", cpu=2, gib=1, used=0.5, used_gib=0.5)], HOUR
    )
    found = report(ledger("USD", items=share.items), Asked(by=("pod",))).rows[0].efficiency
    assert found is not None
    assert (found.cpu, found.memory) == (0.25, 0.5)
    assert found.total == pytest.approx(5.5 / 21)
    assert total_efficiency(0.5, 0.5, 0.0, 0.0) == 0.0


def test_use_without_a_request_is_wholly_efficient_and_without_usage_nothing_is_known() -> None:
    shares = [nodes.share(node(), [one], HOUR) for one in (pod("p", used=0.5), pod("p", cpu=0.5))]
    used, unknown = (report(ledger("USD", items=share.items), Asked()).rows[0].efficiency for share in shares)
    assert used is not None
    assert used.cpu == 1.0
    assert unknown is None


def test_opencosts_sample_takes_the_larger_and_nan_as_nothing() -> None:
    nan = float("nan")
    assert [container_allocation(*pair) for pair in ((1.0, 2.0), (2.0, 1.0), (nan, 1.0), (1.0, nan), (nan, nan))] == [
        2.0, 2.0, 1.0, 1.0, 0.0,
    ]  # fmt: skip


def test_an_average_above_512_cores_is_a_broken_counter_in_opencosts_basis() -> None:
    found = costs(pod("p", cpu=1, used=600.0), on=node(cpu=1000, costs=("1000", "0", "0")), basis="opencost")
    assert found["p"] == pytest.approx(1.0)


def test_an_unknown_dimension_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match='"team" is no dimension: expected cluster, node,'):
        dimensions(["namespace", "team"])


def test_amounts_below_zero_are_refused() -> None:
    with pytest.raises(ValueError, match="0 or more"):
        Amounts(cpu_cores=-1.0)
    with pytest.raises(ValueError, match="price below zero"):
        node(costs=("-1", "0", "0"))


def test_shared_costs_with_a_filter_and_idle_apart_are_opencosts_own_only_in_its_basis() -> None:
    def found(basis: Basis) -> float:
        shares = [
            nodes.share(node(cpu=4, costs=("4", "0", "0")), [pod("a", cpu=1), pod("b", cpu=1), pod("c", cpu=1)], HOUR)
        ]
        books = ledger("USD", items=shares[0].items, idle=[s.idle for s in shares if s.idle is not None], basis=basis)
        is_ = {name: Condition(dimension="namespace", values=frozenset([name])) for name in ("a", "b")}
        return float(sum(report(books, Asked(only=(is_["b"],), shared=((is_["a"],),))).idle.values()))

    # idle 1, a third of it each; b has half of what is a's.
    assert found("conserving") == pytest.approx(1 / 3 + 1 / 6)
    assert found("opencost") == pytest.approx(0.5)
