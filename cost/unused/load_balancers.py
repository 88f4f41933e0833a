"""Services of type LoadBalancer with nothing behind them for a week: the cloud bills the address all the same."""

from __future__ import annotations

from collections.abc import Iterator

from cost.unused.activity import Activity
from cost.unused.finding import Finding, Kind, Unknown, stamp
from cost.unused.prices import Prices
from cost.unused.snapshot import WEEK, LoadBalancer, Snapshot


def find(snapshot: Snapshot, activity: Activity, prices: Prices) -> Iterator[Finding | Unknown]:
    """None is ready, and the last write to its EndpointSlices, which a change of readiness is, was a week ago."""
    del activity
    for one in snapshot.load_balancers:
        if one.ready or not one.about.is_older_than(WEEK, snapshot.at):
            continue
        since = one.unchanged_since
        if one.slices == 0 or since is None:
            why = "have no EndpointSlice that says since when nothing is behind them"
            yield Unknown(kind=Kind.ORPHAN_LB, target=one.about.target, why=why)
        elif snapshot.at - since >= WEEK:
            yield _finding(one, prices)


def _finding(one: LoadBalancer, prices: Prices) -> Finding:
    of, price = one.about.target, prices.load_balancer()
    changed = () if one.unchanged_since is None else (("endpoints unchanged since", stamp(one.unchanged_since)),)
    patch = f"kubectl -n {of.namespace} patch service {of.name} -p"
    return Finding(
        kind=Kind.ORPHAN_LB, target=of, monthly=price.amount, since=one.unchanged_since,
        evidence=(("ready endpoints", "0"), *changed, ("address", one.address or "none"), *price.evidence),
        advice="Ask whether its workload comes back; as a ClusterIP the Service stays and the load balancer goes.",
        command=f"""{patch} '{{"spec":{{"type":"ClusterIP"}}}}'""",
        undo=f"""{patch} '{{"spec":{{"type":"LoadBalancer"}}}}'; the address is another one then, unless it was """
             "reserved at the cloud",
    )  # fmt: skip
