"""Autoscalers that stand at their maximum: they scale nothing, and hide how much would be needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cost.unused.activity import MOST_GAPS_RATIO, Activity
from cost.unused.finding import Finding, Kind, Unknown
from cost.unused.prices import NOTHING, Prices
from cost.unused.snapshot import WEEK, Snapshot

LEAST_SHARE_RATIO: Final = 0.5
"""A guess: an evening's peak is below it, whole working days are above."""


def find(snapshot: Snapshot, activity: Activity, prices: Prices) -> Iterator[Finding | Unknown]:
    """At the maximum for half of the week; one without room (min = max), or that Foretide holds, is so on purpose."""
    del prices
    for one in snapshot.autoscalers:
        of = one.about.target
        if one.held or one.min_replicas >= one.max_replicas or not one.about.is_older_than(WEEK, snapshot.at):
            continue
        seen = activity.at_max.get((of.namespace, of.name))
        if seen is None or seen.known_ratio < 1 - MOST_GAPS_RATIO:
            why = (
                "no figures of desired replicas" if seen is None else "figures of desired replicas do not cover 7 days"
            )
            yield Unknown(kind=Kind.HPA_PINNED_AT_MAX, target=of, why=why)
        elif seen.share_ratio >= LEAST_SHARE_RATIO:
            keda = one.scaled_object
            what, field = ("scaledobject", "maxReplicaCount") if keda else ("horizontalpodautoscaler", "maxReplicas")
            patch = f"kubectl -n {of.namespace} patch {what} {keda or of.name} --type merge -p"
            more = max(one.max_replicas + 1, -(-one.max_replicas * 3 // 2))
            yield Finding(
                kind=Kind.HPA_PINNED_AT_MAX, target=of, monthly=NOTHING, since=snapshot.at - WEEK,
                evidence=(
                    ("at its maximum", f"{seen.share_ratio:.0%} of 7 days"), ("scales", one.scales),
                    ("bounds", f"{one.min_replicas} to {one.max_replicas}"),
                ),
                advice="Saves nothing: raise the maximum if it is short, or size the pods (foretide cost sizing) if "
                       "the target was set for others.",
                command=f"""{patch} '{{"spec":{{"{field}":{more}}}}}'""",
                undo=f"""{patch} '{{"spec":{{"{field}":{one.max_replicas}}}}}'""",
            )  # fmt: skip
