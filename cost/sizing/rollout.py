"""When a size may be applied, first to one workload, and when it is taken back: verdicts, nothing is done here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from cost.sizing.observed import Resource, Sizing


class Verdict(StrEnum):
    """What to do with a size."""

    GO = "go"
    WAIT = "wait"
    ROLL_BACK = "roll back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """A verdict and the sentences that it rests on."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What must hold.

    Attributes:
        history: Samples over at least as long.
        quiet: Without an OOM, before memory is taken away.
        most_decrease_ratio: Of a request, in one step.
        soak: How long a canary runs: a day has its busiest hour in it.
        most_throttled_ratio: Share of CPU periods in which a canary may be throttled, above what it was before.
    """

    history: timedelta = timedelta(days=7)
    quiet: timedelta = timedelta(days=7)
    most_decrease_ratio: float = 0.30
    soak: timedelta = timedelta(days=1)
    most_throttled_ratio: float = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How a workload does over a time.

    Attributes:
        ooms: OOMs.
        throttled_ratio: CPU periods that were throttled (0–1); None where nobody tells.
        restarts: Of its containers.
    """

    ooms: int
    throttled_ratio: float | None
    restarts: int = 0


def may_apply(sizing: Sizing, *, last_oom: timedelta | None, rules: Conditions | None = None) -> Ruling:
    """Whether a size may be tried at all.

    Args:
        sizing: The answer of an engine.
        last_oom: How long ago; None: none that anybody knows of.
        rules: What must hold.
    """
    rules = rules or Conditions()
    wanted, now = sizing.wanted, sizing.current.request
    if wanted is None or wanted.request is None:
        return Ruling(verdict=Verdict.WAIT, reasons=("there is nothing to apply",))
    held = []
    if sizing.evidence.window < rules.history:
        held.append(f"history of {sizing.evidence.window.days} d is shorter than {rules.history.days} d")
    falls = now is not None and wanted.request < now
    if falls and sizing.resource is Resource.MEMORY and last_oom is not None and last_oom < rules.quiet:
        held.append(f"an OOM within {rules.quiet.days} d")
    if falls and now is not None and wanted.request < now * (1.0 - rules.most_decrease_ratio) - 1.0:
        held.append(f"more than {rules.most_decrease_ratio:.0%} at once")
    return Ruling(verdict=Verdict.WAIT if held else Verdict.GO, reasons=tuple(held))


def after_canary(before: Health, after: Health, *, since: timedelta, rules: Conditions | None = None) -> Ruling:
    """What a canary's first hours say: back at once on harm, on to the others after the soak, else wait.

    Missing numbers about throttling never let it go on: they hold it.
    """
    rules = rules or Conditions()
    harm = []
    if after.ooms:
        harm.append(f"{after.ooms} OOM since the change")
    if after.throttled_ratio is not None:
        more = after.throttled_ratio - (before.throttled_ratio or 0.0)
        if more > rules.most_throttled_ratio:
            harm.append(f"throttled in {after.throttled_ratio:.0%} of CPU periods, {more:.0%} more than before")
    if after.restarts > before.restarts:
        harm.append(f"{after.restarts} restarts, {before.restarts} before")
    if harm:
        return Ruling(verdict=Verdict.ROLL_BACK, reasons=tuple(harm))
    if since < rules.soak:
        return Ruling(verdict=Verdict.WAIT, reasons=(f"the canary has run for less than {rules.soak}",))
    if after.throttled_ratio is None:
        return Ruling(verdict=Verdict.WAIT, reasons=("nobody tells whether it is throttled",))
    return Ruling(verdict=Verdict.GO)


def canary(targets: dict[str, int]) -> str | None:
    """Which workload of a group goes first: the fewest pods, then by name; None of none."""
    return min(targets, key=lambda name: (targets[name], name), default=None)
