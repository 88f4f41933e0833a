"""What a trigger comes to: a signal that may be missing, and a proposal with its word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from controller.triggers.wording import percent
from domain.pods import PodState
from domain.scaling import Proposal, Reason
from domain.series import Signal
from rules.schema import Trigger

LEAST_COMPLETENESS: Final = 0.9
"""A signal of which less is there may raise, but releases nothing: a sum over the targets that answered is too low."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A signal that could not be read, with the sentence that says why.

    ``invalid``: something was read, and it is no number to decide on; waiting does not mend that.
    """

    reason: str
    invalid: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSignal:
    """A number for each pod, by its name; of usage also what is known of the pods, and what its rate looks back on."""

    values: Mapping[str, float]
    as_of: datetime
    states: Mapping[str, PodState] = field(default_factory=dict)
    window: timedelta = timedelta()

    @property
    def completeness_ratio(self) -> float:
        """How many of the pods that are ready have a value."""
        ready = sum(one.ready_seconds is not None for one in self.states.values())
        return min(len(self.values) / ready, 1.0) if ready else 1.0


Reading = Signal | PodSignal | Missing


PODS: Final = "pods"
"""Part of a resource trigger: its usage pod by pod, where that is known."""


def part(trigger: str, name: str) -> str:
    """What a second number of a trigger is called among the signals: no trigger has a dot in its name."""
    return f"{trigger}.{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """A proposal, and the word for the decision if this proposal is the one that counts.

    ``asked`` is the proposal without tolerance: what ``combine`` calculates with, so that a product of a number that
    the tolerance holds does not feed on itself. ``median`` is what the median of a forecast asks for.
    """

    proposal: Proposal
    word: Reason
    asked: int | None = None
    median: int | None = None

    @property
    def replicas(self) -> int | None:
        """What it asks for; None when it has no say."""
        return self.proposal.replicas

    @property
    def is_silent(self) -> bool:
        """Whether data that measure are missing or incomplete: then nothing is released."""
        return not self.is_forecast and (self.proposal.missing or self.proposal.incomplete)

    @property
    def is_forecast(self) -> bool:
        """Whether it may only raise."""
        return self.proposal.kind == "forecast"


def silent(trigger: Trigger, reason: str, *, invalid: bool = False) -> Want:
    """A trigger that has no say."""
    proposal = Proposal(
        trigger=trigger.name, kind=trigger.kind, replicas=None, value=None, target=None, unit="",
        reason=reason, as_of=None, missing=True, invalid=invalid,
    )  # fmt: skip
    return Want(proposal=proposal, word=Reason.MISSING_METRIC)


def said(
    trigger: Trigger,
    replicas: int,
    value: float,
    target: float,
    unit: str,
    signal: Signal,
    reason: str,
    *,
    asked: int,
    held: bool = False,
    told_gaps: bool = False,
) -> Want:
    """A trigger that has its say; ``held`` when only the tolerance keeps it at the current replicas."""
    proposal = Proposal(
        trigger=trigger.name, kind=trigger.kind, replicas=replicas, value=value, target=target, unit=unit,
        reason=reason if told_gaps else f"{reason}{_gaps(signal)}", as_of=signal.as_of,
        incomplete=not signal.completeness_ratio >= LEAST_COMPLETENESS,
        completeness=None if signal.expected is None else signal.completeness_ratio,
        active=signal.value > float(trigger.activate or 0),
    )  # fmt: skip
    word = Reason.WITHIN_TOLERANCE if held else Reason.DESIRED_WITHIN_RANGE
    return Want(proposal=proposal, word=word, asked=asked)


def _gaps(signal: Signal) -> str:
    """What is missing from the number, where that is much."""
    if signal.completeness_ratio >= LEAST_COMPLETENESS:
        return ""
    if signal.expected is None:
        return f", of {percent(signal.completeness_ratio)} of the data"
    return f"; only {signal.seen} of {signal.expected} series were seen"
