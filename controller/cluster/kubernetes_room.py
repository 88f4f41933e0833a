"""What raised floors may add in this cluster: what quotas and node pools leave, and the operator's own limit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from controller.actuation import stamp as stamps
from controller.actuation.shares import Claim, Granted, Room, granted
from controller.cluster import BoundsOrder
from controller.cluster.kubernetes_autoscalers import Autoscaler
from controller.cluster.kubernetes_view import View, resources_of
from domain.errors import RefusedError
from domain.units import parse_quantity
from kube.kinds import Quota

_RESOURCES = {
    "pods": "pods", "cpu": "cpu", "requests.cpu": "cpu", "memory": "memory", "requests.memory": "memory"
}  # fmt: skip
SETTING = "kubernetes.most_added_cores"


def floors(
    orders: Iterable[BoundsOrder], view: View, most_added_cores: float | None, pools: Iterable[Room] = ()
) -> dict[str, Granted]:
    """By rule, how high its floor may go in this pass; autoscalers that are not there have no say."""
    of = {order.rule: (order, found) for order in orders if (found := _autoscaler(order, view)) is not None}
    running = [_claim(order, found, view) for order, found in of.values()]
    first = granted(running, [*_quotas(view.quotas()), *pools])
    if most_added_cores is None:
        return first
    # The operator's limit counts what floors add to the owners' own, whatever runs.
    added = [
        replace(one, wants=first[one.rule].low, free=_own_floor(of[one.rule][1])) for one in running
    ]  # fmt: skip
    second = granted(added, [Room(resource="cpu", amount=most_added_cores, said=SETTING)])
    return {rule: one if one.why else first[rule] for rule, one in second.items()}


def within(order: BoundsOrder, grants: Mapping[str, Granted]) -> tuple[BoundsOrder, str]:
    """The order as far as there is room for it, and why no further; empty: there is for all of it."""
    grant = grants.get(order.rule)
    if grant is None or not grant.why or grant.low >= order.limits.low:
        return order, ""
    why = f"a floor of {order.limits.low} is held at {grant.low}: {grant.why}"
    return replace(order, limits=replace(order.limits, low=grant.low)), why


def _autoscaler(order: BoundsOrder, view: View) -> Autoscaler | None:
    return view.autoscaler(order.kind, order.target.namespace, order.name)


def _claim(order: BoundsOrder, found: Autoscaler, view: View) -> Claim:
    workload = view.workload(order.target)
    runs = 0 if workload is None else workload.spec.replicas
    asked = {} if workload is None else resources_of(workload, "requests")
    return Claim(
        rule=order.rule, namespace=order.target.namespace, stands=found.limits.low, wants=order.limits.low, free=runs,
        pod={**asked, "pods": 1.0},
    )  # fmt: skip


def _own_floor(found: Autoscaler) -> int:
    try:
        stamp = stamps.read(found.annotations)
    except RefusedError:
        stamp = None
    return found.limits.low if stamp is None else stamp.after(found.limits).baseline.low


def _quotas(quotas: Sequence[Quota]) -> Iterator[Room]:
    """In the order of their names; one for some pods only (by priority, best effort) is left to the API server."""
    for quota in sorted(quotas, key=lambda one: (one.metadata.namespace, one.metadata.name)):
        if quota.spec.scopes or quota.spec.scope_selector:
            continue
        hard, used = quota.status.hard or {}, quota.status.used or {}
        for name, resource in _RESOURCES.items():
            if name in hard:
                left = parse_quantity(hard[name]) - parse_quantity(used.get(name, "0"))
                where = quota.metadata.namespace
                said = f"ResourceQuota {where}/{quota.metadata.name} ({name})"
                yield Room(resource=resource, amount=float(left), said=said, namespace=where)
