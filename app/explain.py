"""A decision told from signal to number, for who asks why: pure words over what the ledger holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from controller.triggers.wording import number
from dashboard.parts import service_path
from dashboard.wording import money, signed_money, span, stamp
from domain.clock import to_ms
from domain.scaling import Action, ActionResult, Decision, Mode, Proposal, TraceLine

_ALWAYS_TOLD: Final = frozenset({"triggers", "combine"})
"""What the number begins with; the other stages are told where they did something."""
_AROUND: Final = timedelta(minutes=30)
_LATE: Final = timedelta(minutes=1)
"""Decisions are 15 s apart: after a minute without one, Foretide was down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the ledger knows around a time.

    Attributes:
        at: The time that is asked about.
        decision: In force then: the newest that is not later.
        until: When the next one followed; None where it is the newest.
        changed: The newest decision up to then that moved the number; None where none is kept.
        action: What was done because of ``decision``.
    """

    at: datetime
    decision: Decision
    until: datetime | None
    changed: Decision | None
    action: Action | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One line of the trace; ``moved`` where the number was another one before."""

    stage: str
    replicas: int | None
    message: str
    moved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The explanation, part by part; a part without a word is empty."""

    headline: str
    signals: tuple[str, ...]
    stages: tuple[Stage, ...]
    quiet: tuple[str, ...]
    otherwise: tuple[str, ...]
    price: str
    done: tuple[str, ...]
    page: str


def told(known: Known) -> Told:
    """In words."""
    decision = known.decision
    stages = tuple(_stages(decision))
    return Told(
        headline=f"{_change(decision)}, {decision.reason.value}: {decision.message}",
        signals=tuple(_signal(one) for one in decision.proposals),
        stages=tuple(one for one in stages if one.moved or one.stage in _ALWAYS_TOLD),
        quiet=tuple(one.stage for one in stages if not one.moved and one.stage not in _ALWAYS_TOLD),
        otherwise=tuple(_otherwise(decision)),
        price=_price(decision),
        done=tuple(_done(known)),
        page=_page(known),
    )


def _change(decision: Decision) -> str:
    current, desired = decision.current_replicas, decision.desired_replicas
    if desired is None:
        return "no number"
    return f"{desired} replicas stay" if current == desired else f"{_said(current)} → {desired} replicas"


def _signal(one: Proposal) -> str:
    asks = "has no say" if one.replicas is None else f"asks for {one.replicas}"
    age = f" (as of {stamp(one.as_of)})" if one.as_of is not None else ""
    return f"{one.trigger} ({one.kind}) {asks}: {one.reason}{_caution(one)}{age}"


def _caution(one: Proposal) -> str:
    """Where the error budget of a price stands, and what it counts."""
    if one.caution is None or one.target is None:
        return ""
    per = f"{number(one.target)}{one.unit}"
    counts = f"its budget counts time with over {per} per ready replica, not an SLO's errors"
    return f"; caution {number(one.caution)}: {counts}"


def _stages(decision: Decision) -> Iterator[Stage]:
    before: TraceLine | None = None
    for line in decision.trace:
        named = any(limit == line.stage or limit.startswith(f"{line.stage}.") for limit in decision.limited_by)
        moved = named or (before is not None and before.replicas != line.replicas)
        yield Stage(stage=line.stage, replicas=line.replicas, message=line.message, moved=moved)
        before = line


def _otherwise(decision: Decision) -> Iterator[str]:
    hpa, ahead, desired = decision.hpa_only_replicas, decision.with_forecast_replicas, decision.desired_replicas
    if hpa is not None:
        yield f"Kubernetes' HPA with the same metrics and behavior would set {_against(hpa, desired)} from here"
    if ahead is not None:
        yield f"the same HPA with the rule's combine, fallback and forecast would set {_against(ahead, desired)}"


def _against(other: int, desired: int | None) -> str:
    if desired is None or other == desired:
        return f"{other}, the same" if other == desired else str(other)
    return f"{other} ({other - desired:+d})"


def _price(decision: Decision) -> str:
    cost, change = decision.cost_per_hour, decision.cost_change_per_hour
    if cost is None:
        return "no price: it takes a PriceSheet and the replicas' requests"
    if change is None or not change.amount:
        return f"{money(cost)} per hour, as before"
    return f"{money(cost)} per hour, {signed_money(change)} to what ran"


def _done(known: Known) -> Iterator[str]:
    decision, action, changed = known.decision, known.action, known.changed
    if action is not None:
        result = "done" if action.result is ActionResult.DONE else f"failed: {action.error}"
        yield f"{action.from_replicas} → {action.to_replicas} on {action.cluster}: {result}"
    elif decision.mode is not Mode.ENFORCE:
        yield f"nothing was done: mode {decision.mode.value} only tells"
    elif decision.current_replicas != decision.desired_replicas:
        yield "nothing was done: the rule actuates nothing, or its target is throttled after an error"
    if changed is not None and changed.id != decision.id:
        ago = span(decision.at - changed.at)
        yield f"the number last moved {ago} earlier: {_change(changed)}, {changed.reason.value}: {changed.message}"
    if known.until is None and known.at - decision.at > _LATE:
        yield f"nothing was decided in the {span(known.at - decision.at)} since then: Foretide was down, or still is"


def _page(known: Known) -> str:
    """The service's page around the decision, with the decision open."""
    decision, target = known.decision, known.decision.target
    start, end = to_ms(decision.at - _AROUND), to_ms(decision.at + _AROUND)
    return f"{service_path(target.namespace, target.name)}?from={start}&to={end}&decision={decision.id}"


def _said(replicas: int | None) -> str:
    return "?" if replicas is None else str(replicas)
