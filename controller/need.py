"""Triggers → fallback → combine: from proposals to the replicas that are needed, without and with the forecast.

``combine`` is evaluated twice. The reactive need is its value without forecasts; where that is missing, failed, or
would release replicas although data are missing, the current number is held. The floor is its value with them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from controller import combine, core
from controller.combine import MISSING, UNDECIDABLE, Program
from controller.core import NOTHING
from controller.triggers import Want
from domain.scaling import Reason, TraceLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What the triggers come to.

    Attributes:
        replicas: The reactive need; the current number where nothing is known.
        floor: What the forecast asks for at least; None without one.
        word: For the decision, if nothing moves the number afterwards.
        message: The sentence for it.
        floor_message: The sentence for the forecast, or why it has no say.
        trace: The lines of the three stages.
    """

    replicas: int
    floor: int | None
    word: Reason
    message: str
    floor_message: str
    trace: tuple[TraceLine, ...]


def of(wants: tuple[Want, ...], *, program: Program | None, current: int) -> Need:
    """The need at ``current`` replicas; without a program the largest proposal counts."""
    counted = wants if program is None else tuple(want for want in wants if want.proposal.trigger in program.used)
    silent = [want for want in counted if want.is_silent]
    asked, best = _reactive(counted, program, current)
    replicas = core.reactive(NOTHING if asked == UNDECIDABLE else asked, current, bool(silent))
    word, message = _told(asked, best, silent, current)
    floor, floor_message = _floor(counted, program, current)
    return Need(
        replicas=replicas, floor=floor, word=word, message=message, floor_message=floor_message,
        trace=_lines(wants, program, replicas, message),
    )  # fmt: skip


def plain(wants: tuple[Want, ...], *, current: int) -> int:
    """What HPA's rule for several metrics makes of the triggers that measure: no combine, fallback or forecast."""
    having = [want.replicas for want in wants if _measured(want) and want.replicas is not None]
    silent = any(want.proposal.missing for want in wants if not want.is_forecast)
    return core.reactive(max(having, default=NOTHING), current, silent)


def largest(wants: tuple[Want, ...], *, forecast: bool = False) -> Want | None:
    """The first of the largest proposals, of the forecasts or of all others; None when none has a say."""
    having = [want for want in wants if want.is_forecast == forecast and want.replicas is not None]
    return max(having, key=lambda want: want.replicas or 0, default=None)


def _measured(want: Want) -> bool:
    return not want.is_forecast and not want.proposal.missing


def _reactive(wants: tuple[Want, ...], program: Program | None, current: int) -> tuple[int, Want | None]:
    """The number without forecasts, and the proposal that decided it where one did."""
    if program is None:
        best = largest(wants)
        return (NOTHING, None) if best is None or best.replicas is None else (best.replicas, best)
    return _value(program, wants, current, forecasts=False), None


def _floor(wants: tuple[Want, ...], program: Program | None, current: int) -> tuple[int | None, str]:
    speaking = largest(wants, forecast=True)
    if speaking is None or speaking.replicas is None:
        silent = [want.proposal.reason for want in wants if want.is_forecast]
        return None, "; ".join(silent) or "the rule has no forecast trigger"
    if program is None:
        return speaking.replicas, speaking.proposal.reason
    value = _value(program, wants, current, forecasts=True)
    if value < 0:
        return None, f"{speaking.proposal.reason}, but combine has no value with it"
    return value, f"{speaking.proposal.reason}; combine with it → {value}"


def _value(program: Program, wants: tuple[Want, ...], current: int, *, forecasts: bool) -> int:
    by_name = {want.proposal.trigger: want for want in wants if forecasts or not want.is_forecast}
    operands = [by_name.get(name) for name in program.triggers]
    asked = [_asked(want) for want in operands]
    low = [_held(want, value, current, min) for want, value in zip(operands, asked, strict=True)]
    high = [_held(want, value, current, max) for want, value in zip(operands, asked, strict=True)]
    return combine.replicas(
        program.codes, program.arguments, program.sizes, program.monotone, asked, low, high, current,
        [0.0] * len(program.codes),
    )  # fmt: skip


def _asked(want: Want | None) -> float:
    return MISSING if want is None or want.asked is None else float(want.asked)


def _held(want: Want | None, asked: float, current: int, extreme: Callable[[float, float], float]) -> float:
    if want is None or want.word is not Reason.WITHIN_TOLERANCE:
        return asked
    return float(extreme(asked, current))


def _told(asked: int, best: Want | None, silent: list[Want], current: int) -> tuple[Reason, str]:
    """The word and the sentence for the reactive need."""
    why = "; ".join(want.proposal.reason for want in silent)
    if asked == UNDECIDABLE:
        return Reason.MISSING_OPERAND, f"{current} held: combine has no value without {why or 'a missing trigger'}"
    if asked == NOTHING:
        word = Reason.INACTIVE if any(want.proposal.invalid for want in silent) else Reason.NO_DATA
        return word, f"{current} held without data: {why or 'the rule has no trigger that measures'}"
    said = best.proposal.reason if best is not None else f"combine → {asked}"
    if silent and asked < current:
        missing = any(want.proposal.missing for want in silent)
        word = Reason.MISSING_METRIC if missing else Reason.INCOMPLETE_SIGNAL
        return word, f"scale-down held at {current}: {silent[0].proposal.reason}; {said}"
    if best is not None:
        return best.word, said
    return (Reason.WITHIN_TOLERANCE if asked == current else Reason.DESIRED_WITHIN_RANGE), said


def _lines(
    wants: tuple[Want, ...], program: Program | None, replicas: int, message: str
) -> tuple[TraceLine, TraceLine, TraceLine]:
    measured = [want for want in wants if _measured(want) and want.replicas is not None]
    fallen = [want for want in wants if want.word is Reason.FALLBACK]
    told = ", ".join(f"{want.proposal.trigger} {want.replicas}" for want in measured) or "none has data"
    return (
        TraceLine(stage="triggers", replicas=_most(measured), message=told),
        TraceLine(
            stage="fallback", replicas=_most([*measured, *fallen]),
            message="; ".join(want.proposal.reason for want in fallen) or "no trigger needs one",
        ),
        TraceLine(stage="combine", replicas=replicas, message=message),
    )  # fmt: skip


def _most(wants: list[Want]) -> int | None:
    return max((want.replicas for want in wants if want.replicas is not None), default=None)
