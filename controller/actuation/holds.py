"""What forbids a step: everything (a freeze, a view of the cluster that is too old) or only what takes away."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

NO_DOWN_AFTER: Final = timedelta(minutes=2)
NOTHING_AFTER: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """How far a workload's controller has come.

    Attributes:
        generation: Of the object.
        observed_generation: That its controller has seen.
        replicas: That it asks for.
        updated_replicas: Of the newest template.
        paused: Stopped halfway, as a canary by hand is.
        says: What its controller says of a rollout that is not done; empty: nothing.
    """

    generation: int
    observed_generation: int
    replicas: int
    updated_replicas: int
    paused: bool = False
    says: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holds:
    """Two sentences; empty where nothing is held."""

    everything: str = ""
    downs: str = ""

    def without_releases(self, why: str) -> Holds:
        """With one more reason to take nothing away; an empty one changes nothing."""
        return self if not why else replace(self, downs=self.downs or why)


NONE: Final = Holds()


def of(*, switch: str, annotation: str | None, age: timedelta | None, budget: str, rollout: Rollout | None) -> Holds:
    """What holds one target.

    Args:
        switch: Why the kill switch is on; empty: it is off.
        annotation: Value of the object's freeze annotation; None without one.
        age: Since when nothing is known to be newer than our view of the cluster; None before the first.
        budget: Name of a PodDisruptionBudget that allows no disruption now; empty: none.
        rollout: Of the workload; None where nobody knows, which holds no one back.
    """
    everything = _frozen(switch, annotation) or _blind(age)
    if everything:
        return Holds(everything=everything)
    return Holds(downs=_old(age) or _budget(budget) or _rolling(rollout))


def _frozen(switch: str, annotation: str | None) -> str:
    if switch:
        return f"by the kill switch: {switch}"
    if annotation is None:
        return ""
    return f"by its freeze annotation: {annotation[:256]}" if annotation else "by its freeze annotation"


def _blind(age: timedelta | None) -> str:
    if age is None:
        return "the cluster has not been read yet"
    return f"what is known of the cluster is {age.total_seconds():.0f} s old" if age > NOTHING_AFTER else ""


def _old(age: timedelta | None) -> str:
    known = age is not None and age <= NO_DOWN_AFTER
    return "" if known or age is None else f"what is known of the cluster is {age.total_seconds():.0f} s old"


def _budget(name: str) -> str:
    return f"PodDisruptionBudget {name} allows no disruption now" if name else ""


def _rolling(rollout: Rollout | None) -> str:
    if rollout is None:
        return ""
    if rollout.says:
        return rollout.says
    if rollout.observed_generation < rollout.generation:
        return "a rollout begins: its controller has not seen the newest spec yet"
    if rollout.updated_replicas < rollout.replicas:
        stands = "stands still" if rollout.paused else "is under way"
        return f"a rollout {stands}: {rollout.updated_replicas} of {rollout.replicas} replicas are new"
    return ""
