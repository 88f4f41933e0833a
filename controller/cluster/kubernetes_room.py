"""What raised floors and replicas may add here: what quotas and node pools leave, and the operator's own limit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from controller.actuation import stamp as stamps
from controller.actuation.limits import Limits
from controller.actuation.shares import Claim, Granted, Room, granted
from controller.cluster import BoundsOrder, Order, ReplicasOrder
from controller.cluster.kubernetes_autoscalers import Autoscaler
from controller.cluster.kubernetes_view import View, resources_of
from domain.errors import RefusedError
from domain.units import parse_quantity
from kube.kinds import Quota

_RESOURCES = {
    "pods": "pods", "cpu": "cpu", "requests.cpu": "cpu", "memory": "memory", "requests.memory": "memory"
}  # fmt: skip
SETTING = "kubernetes.most_added_cores"


def shared(
    orders: Iterable[Order], view: View, most_added_cores: float | None, pools: Iterable[Room] = ()
) -> dict[str, Granted]:
    """By rule, how high its floor or its replicas may go in this pass; what is not there has no say.

    An HPA of our own that is to be made has one: what it begins with beyond its rule's own ``min`` is a floor.
    """
    known = [one for order in orders if (one := _claim(order, view)) is not None]
    first = granted([claim for claim, _ in known], [*_quotas(view.quotas()), *pools])
    if most_added_cores is None:
        return first
    # The operator's limit counts what is added to what the owners ask for themselves, whatever runs.
    added = [replace(claim, wants=first[claim.rule].low, free=own) for claim, own in known]
    second = granted(added, [Room(resource="cpu", amount=most_added_cores, said=SETTING)])
    return {rule: one if one.why else first[rule] for rule, one in second.items()}


def within(order: BoundsOrder, grants: Mapping[str, Granted]) -> tuple[BoundsOrder, str]:
    """The order as far as there is room for it, and why no further; empty: there is for all of it."""
    grant = grants.get(order.rule)
    if grant is None or not grant.why or grant.low >= order.limits.low:
        return order, ""
    why = f"a floor of {order.limits.low} is held at {grant.low}: {grant.why}"
    return replace(order, limits=replace(order.limits, low=grant.low)), why


def _claim(order: Order, view: View) -> tuple[Claim, int] | None:
    """And what its owner asks for without us; None where there is nothing to set."""
    workload = view.workload(order.target)
    if isinstance(order, ReplicasOrder):
        heights = None if workload is None else (workload.spec.replicas, order.replicas, order.least)
    else:
        heights = _of_floor(order, view)
    if heights is None:
        return None
    stands, wants, own = heights
    asked = {} if workload is None else resources_of(workload, "requests")
    claim = Claim(
        rule=order.rule, namespace=order.target.namespace, stands=stands, wants=wants,
        free=0 if workload is None else workload.spec.replicas, pod={**asked, "pods": 1.0},
    )  # fmt: skip
    return claim, own


def _of_floor(order: BoundsOrder, view: View) -> tuple[int, int, int] | None:
    """As it stands, as it is to be (never above the ceiling that is somebody's), and its owner's own."""
    found, own = view.autoscaler(order.kind, order.target.namespace, order.name), order.own
    if own is not None:
        stands = own.bounds.low if found is None else found.limits.low
        return stands, min(order.limits.low, own.bounds.high), own.bounds.low
    if found is None:
        return None
    baseline = _baseline(found)
    return found.limits.low, min(order.limits.low, baseline.high), baseline.low


def _baseline(found: Autoscaler) -> Limits:
    try:
        stamp = stamps.read(found.annotations)
    except RefusedError:
        stamp = None
    return found.limits if stamp is None else stamp.after(found.limits).baseline


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
