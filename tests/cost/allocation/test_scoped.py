"""What a scope costs in an hour: its own, and its part of idle, of kube-system and of overhead."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from cost.allocation.scoped import Scoped

BOTH = frozenset({"sharedIdle", "sharedSystem"})


def text(cluster: str = "c", **said: object) -> str:
    return json.dumps({"cluster": cluster, **said} if cluster else said)


def amount(
    costs: Mapping[str, str | Decimal], *namespaces: str, include: frozenset[str] = BOTH, **labels: str
) -> Decimal:
    scoped = Scoped(namespaces=frozenset(namespaces) or None, labels=labels, include=include)
    return scoped.amount({name: Decimal(cost) for name, cost in costs.items()})


HOUR = {
    text(namespace="search", owner="web", labels={"team": "a"}): "3", text(namespace="search", owner="cron"): "1",
    text(namespace="shop", owner="web", labels={"team": "a"}): "4", text(namespace="kube-system", owner="dns"): "2",
    text(line="__idle__"): "10", text("", line="__overhead__"): "0.8", text(line="__unmounted__"): "7",
}  # fmt: skip


def test_a_namespace_costs_what_all_of_its_pods_do() -> None:
    assert amount(HOUR, "search", include=frozenset()) == 4
    assert amount(HOUR, "search", "shop", include=frozenset(), team="a") == 7
    assert amount(HOUR, include=frozenset(), team="a") == 7
    assert amount(HOUR, include=frozenset()) == 10


def test_half_of_what_is_shared_is_half_of_everybody() -> None:
    assert amount(HOUR, "search", include=frozenset({"sharedIdle"})) == 8  # 4 of 10 that run
    assert amount(HOUR, "search", include=frozenset({"sharedSystem"})) == Decimal("5.4")  # half of 2 and of 0.8
    assert amount(HOUR, "search") == Decimal("10.4")  # and half of 10


def test_who_owns_kube_system_pays_for_it_once() -> None:
    assert amount(HOUR) == Decimal("20.8")
    assert amount(HOUR, "kube-system") == 4  # 2, and 2 of 10 of what is idle


def test_idle_is_shared_within_its_cluster() -> None:
    there = {text("far", namespace="search", owner="web"): "1", text("far", line="__idle__"): "100"}
    assert amount({**HOUR, **there}, "shop", include=frozenset({"sharedIdle"})) == 8


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.decimals(0, 9, places=6)), min_size=1),
       st.decimals(0, 9, places=6), st.decimals(0, 9, places=6))  # fmt: skip
def test_scopes_that_are_everything_together_cost_everything(
    pods: list[tuple[str, str, Decimal]], system: Decimal, idle: Decimal
) -> None:
    costs = {
        text(cluster, namespace=name, owner=str(number)): cost for number, (name, cluster, cost) in enumerate(pods)
    }
    for cluster in {cluster for _, cluster, cost in pods if cost}:
        costs |= {text(cluster, namespace="kube-system"): system, text(cluster, line="__idle__"): idle}
    costs |= {text("", line="__overhead__"): idle} if any(cost for _, _, cost in pods) else {}
    assert abs(sum(amount(costs, one) for one in "abc") - sum(costs.values())) < Decimal("1e-16")
