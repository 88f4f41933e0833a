"""Whether a workload sleeps now, and what is due about it: a plain function of the clock, the note and what is there.

It goes by levels, not by edges: each look says what should be, so that a wake-up that was missed is caught up. Who
scales up what sleeps has his way until the window ends; who has set 0 himself keeps his 0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:  # the documents' models load pydantic and numpy, and the reaper gives back without them
    from rules.circumstances import CronWindow

_AFTER: Final = re.compile(r'0 from "(?P<start>[^"]+)" to "(?P<end>[^"]+)" in (?P<zone>\S+)')


class Step(StrEnum):
    """What is due."""

    NOTHING = "nothing"
    SLEEP = "sleep"
    LEAVE = "leave"
    """Note that somebody else has his way until the window ends."""
    WAKE = "wake"
    CLEAN = "clean"
    """Our note goes, and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is there.

    Attributes:
        asleep: Whether it is at 0 (or, of KEDA, paused at 0).
        note: Ours; empty without.
        theirs: Who else has written the field since.
    """

    asleep: bool
    note: Mapping[str, Any]
    theirs: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """The step, and what to say of it."""

    step: Step
    said: str = ""


def told(window: CronWindow) -> str:
    """The patch's text, as ``window_of`` reads it: what is approved is all that counts."""
    return f'0 from "{window.start}" to "{window.end}" in {window.timezone or "UTC"}'


def window_of(after: object) -> CronWindow:
    """Raises ``ValueError``."""
    match = _AFTER.fullmatch(str(after))
    if match is None:
        raise ValueError(f"{after!r} is no time to sleep")
    from rules.circumstances import CronWindow

    return CronWindow(start=match["start"], end=match["end"], timezone=match["zone"])


def due(window: CronWindow, seen: Seen, *, deed: str, wanted: bool, now: datetime) -> Due:
    """Of one workload.

    Args:
        window: When it sleeps.
        seen: What is there.
        deed: Ours; what another one has put to sleep is its.
        wanted: Whether it may sleep at all (nobody wants it awake, nothing is being taken back).
        now: Time of the look.
    """
    in_force, until = _standing(window, now)
    note = seen.note
    if note and note.get("deed") != deed:
        return Due(step=Step.NOTHING, said=f"sleeps because of {note.get('deed')}")
    if wanted and in_force:
        return _in_the_window(seen, until)
    if not note:
        return Due(step=Step.NOTHING)
    return ending(seen)


def end_of(window: CronWindow, now: datetime) -> datetime | None:
    """When the window that is open at ``now`` ends; None where it never does."""
    return _standing(window, now)[1]


def _standing(window: CronWindow, now: datetime) -> tuple[bool, datetime | None]:
    from rules import schedule_times

    standing = schedule_times.of_window(window, now)
    return standing.in_force, standing.until


def ending(seen: Seen) -> Due:
    """Of one with a note of ours whose time is over."""
    if seen.note.get("left"):
        return Due(step=Step.CLEAN, said=f"left as {seen.note['left']} has it")
    if seen.asleep and not seen.theirs:
        return Due(step=Step.WAKE)
    who = ", ".join(seen.theirs) or "somebody"
    return Due(step=Step.CLEAN, said=f"left as {who} has it")


def _in_the_window(seen: Seen, until: datetime | None) -> Due:
    if not seen.note:
        return Due(step=Step.NOTHING if seen.asleep else Step.SLEEP)
    ends = "" if until is None else f" until {until:%Y-%m-%d %H:%M} UTC"
    if seen.note.get("left"):
        return Due(step=Step.NOTHING, said=f"is awake{ends}: {seen.note['left']} wants it so")
    if seen.asleep:
        return Due(step=Step.NOTHING, said=f"sleeps{ends}")
    return Due(step=Step.LEAVE)
