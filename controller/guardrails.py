"""From the need to one number: the stages in ARCHITECTURE's fixed order, each leaving its line in the trace.

triggers → fallback → combine → forecast → schedule → ceilings → SLO guard → bounds → tolerance → stabilisation →
policies → holds → steps. The numbers come from ``core``, which a replay calls, too; here they get their words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

from controller import core, hpa, need
from controller.combine import Program
from controller.core import MAX_INT32, NOTHING, Ints, Recorder
from controller.memory import Memory, Recommendation, milliseconds
from controller.need import Need
from controller.triggers import Want
from domain.scaling import Reason, TraceLine
from rules.schema import Behavior

FORECAST_STAGE: Final = "forecast"
"""The number in its line is the recommendation that stabilisation remembers."""


class SloState(StrEnum):
    """What is known of the SLO that guards a rule."""

    OK = "ok"
    BURNING = "burning"
    UNKNOWN = "unknown"
    """Its data are missing, which protects like burning."""


CeilingKind = Literal["downstream", "budget", "cluster"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """A limit that is nobody's ``max``: a system behind the workload, money, or the cluster's room."""

    kind: CeilingKind
    name: str
    replicas: int
    said: str = ""
    """How it came about, for the reader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowered:
    """A budget's word in place of the rule's ``min``."""

    by: str
    replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """An operator's word: no scale-in, no scale-out, or neither; with ``replicas``, exactly so many."""

    direction: Literal["in", "out", "all"]
    reason: str = ""
    replicas: int | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What stands around a decision besides its signals. The defaults change nothing.

    Attributes:
        combine: The rule's expression; None for the largest proposal.
        schedule: Name of the schedule that is in force, for the reader.
        schedule_min: Its lower bound.
        schedule_max: Its upper bound.
        ceilings: Every ceiling in force; the lowest counts.
        lowered: What a budget puts in place of ``min``; not while the SLO burns, or its data are missing.
        slo: State of the guarding SLO.
        slo_name: For the reader.
        slo_said: What its burn rates are, for the reader.
        slo_releases: Whether the guard lets replicas go although the SLO burns.
        slo_add: Pods that the guard adds to what is needed while it burns.
        slo_add_millionths: The same as a share of what is needed.
        pause: The operator's pause, while it lasts.
        freeze: Why nothing may change (kill switch, freeze window); empty: not frozen.
        rollout: Why nothing may be removed (a rollout, a disruption budget); empty: none.
        step_up: The most replicas that one decision may add.
        step_down: The most that one decision may remove.
    """

    combine: Program | None = None
    schedule: str = ""
    schedule_min: int | None = None
    schedule_max: int | None = None
    ceilings: tuple[Ceiling, ...] = ()
    lowered: Lowered | None = None
    slo: SloState = SloState.OK
    slo_name: str = ""
    slo_said: str = ""
    slo_releases: bool = False
    slo_add: int = 0
    slo_add_millionths: int = 0
    pause: Pause | None = None
    freeze: str = ""
    rollout: str = ""
    step_up: int | None = None
    step_down: int | None = None


NEUTRAL: Final = Circumstances()


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What every stage may look at; ``current_replicas`` is known.

    ``min_replicas`` is 0 only for a rule that may idle, once it does; before that it is 1.
    """

    current_replicas: int
    min_replicas: int
    max_replicas: int
    behavior: Behavior
    wants: tuple[Want, ...]
    memory: Memory
    now: datetime
    circumstances: Circumstances = field(default=NEUTRAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """The number so far, the word and the sentence for it, and how it came about."""

    replicas: int
    reason: Reason = Reason.DESIRED_WITHIN_RANGE
    message: str = ""
    limited_by: tuple[str, ...] = ()
    trace: tuple[TraceLine, ...] = ()

    def kept(self, stage: str, why: str) -> Candidate:
        """The stage leaves the number as it is."""
        line = TraceLine(stage=stage, replicas=self.replicas, message=why)
        return replace(self, trace=(*self.trace, line))

    def moved(self, stage: str, replicas: int, reason: Reason, why: str, *, message: str, limit: str) -> Candidate:
        """The stage sets the number; ``limit`` names it in ``limited_by``."""
        line = TraceLine(stage=stage, replicas=replicas, message=why)
        return replace(
            self, replicas=replicas, reason=reason, message=message,
            limited_by=(*self.limited_by, limit), trace=(*self.trace, line),
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """What ``core.decide`` takes besides the inputs: ``behavior`` and the memory, flat."""

    now: int
    up: Ints
    down: Ints
    event_at: Ints
    changes: Ints

    @classmethod
    def of(cls, situation: Situation) -> Numbers:
        """Those of a situation."""
        behavior, events = situation.behavior, situation.memory.scale_events
        return cls(
            now=milliseconds(situation.now), up=hpa.flat(behavior.scale_up), down=hpa.flat(behavior.scale_down),
            event_at=[milliseconds(one.at) for one in events],
            changes=[one.change for one in events],
        )  # fmt: skip

    def decide(self, given: Ints, past: Sequence[Recommendation]) -> tuple[int, Recorder]:
        """The number of replicas, and the number after each stage."""
        record = blank_record()
        past_at, replicas = [milliseconds(one.at) for one in past], [one.replicas for one in past]
        decided = core.decide(
            self.now, given, self.up, self.down, past_at, replicas, len(past), self.event_at, self.changes,
            len(self.changes), record,
        )  # fmt: skip
        return decided, record


def inputs(situation: Situation, *, wanted: int, floor: int | None, neutral: bool = False) -> Ints:
    """What ``core.decide`` is given; ``neutral`` leaves the circumstances out."""
    around = NEUTRAL if neutral else situation.circumstances
    current = situation.current_replicas
    given = [0] * core.INPUTS
    given[core.CURRENT], given[core.NEED] = current, wanted
    given[core.FLOOR] = NOTHING if floor is None else floor
    given[core.SCHEDULE_MIN] = around.schedule_min or 0
    given[core.SCHEDULE_MAX] = MAX_INT32 if around.schedule_max is None else around.schedule_max
    given[core.CEILING] = lowest_ceiling(around, "downstream", "cluster")
    given[core.BUDGET_CEILING] = lowest_ceiling(around, "budget")
    given[core.PROTECTED] = int(around.slo is not SloState.OK)
    given[core.RELEASES] = int(around.slo_releases)
    if around.slo is SloState.BURNING:
        given[core.ADD], given[core.ADD_MILLIONTHS] = around.slo_add, around.slo_add_millionths
    given[core.MIN], given[core.MAX] = situation.min_replicas, situation.max_replicas
    given[core.HOLD_MIN], given[core.HOLD_MAX] = held_between(around, current)
    given[core.STEP_DOWN] = MAX_INT32 if around.step_down is None else around.step_down
    given[core.STEP_UP] = MAX_INT32 if around.step_up is None else around.step_up
    return given


def blank_record() -> Recorder:
    """Room for the number after each stage."""
    return [0] * core.STAGES


def lowest_ceiling(around: Circumstances, *kinds: CeilingKind) -> int:
    """The lowest of the ceilings of these kinds; no limit without one."""
    return min((one.replicas for one in around.ceilings if one.kind in kinds), default=MAX_INT32)


def held_between(around: Circumstances, current: int) -> tuple[int, int]:
    """Between which numbers pause, freeze and rollout leave the decision: freeze wins, then a pause at a number."""
    if around.freeze:
        return current, current
    pause, low, high = around.pause, 0, MAX_INT32
    if pause is not None and pause.replicas is not None:
        return pause.replicas, pause.replicas
    if (pause is not None and pause.direction in ("in", "all")) or around.rollout:
        low = current
    if pause is not None and pause.direction in ("out", "all"):
        high = current
    return low, high


def least(min_replicas: int, around: Circumstances) -> int:
    """The rule's ``min``, or what a budget lowers it to."""
    lowered = around.lowered
    if lowered is None or around.slo is not SloState.OK:
        return max(min_replicas, 1)
    return max(min(min_replicas, lowered.replicas), 1)


def needed(situation: Situation) -> Need:
    """The need of a situation."""
    return need.of(situation.wants, program=situation.circumstances.combine, current=situation.current_replicas)


def counterfactuals(situation: Situation, needs: Need, numbers: Numbers) -> tuple[int, int]:
    """What plain HPA would set from here, and what combine and forecast would, without anything around them.

    HPA's own memory cannot be read, so ours keeps the recommendations of the triggers alone beside those with the
    forecast; what neither can know is where HPA's replicas would be by now: that tells the replay.
    """
    current, memory = situation.current_replicas, situation.memory
    alone = need.plain(situation.wants, current=current)
    hpa_only, _ = numbers.decide(inputs(situation, wanted=alone, floor=None, neutral=True), memory.plain_needs)
    given = inputs(situation, wanted=needs.replicas, floor=needs.floor, neutral=True)
    with_forecast, _ = numbers.decide(given, memory.recommendations)
    return hpa_only, with_forecast
