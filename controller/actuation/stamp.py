"""Our annotations: what was there before us, what we set, until when, by whose decision.

They are all that a reaper without a database has, so they are read strictly: one that is missing, malformed or
contradicts another is refused with a sentence, and nothing is written to that object. Who may edit them may edit the
bounds themselves; the checks are against accidents and against being led to write nonsense.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from controller.actuation.limits import Limits
from domain.errors import RefusedError

PREFIX: Final = "foretide.dev/"
BASELINE_MIN: Final = f"{PREFIX}baseline-min"
BASELINE_MAX: Final = f"{PREFIX}baseline-max"
SET_MIN: Final = f"{PREFIX}set-min"
SET_MAX: Final = f"{PREFIX}set-max"
EXPIRES_AT: Final = f"{PREFIX}expires-at"
EPOCH: Final = f"{PREFIX}epoch"
RULE: Final = f"{PREFIX}rule"
REASON: Final = f"{PREFIX}reason"
UNSET: Final = f"{PREFIX}baseline-unset"
"""Which bounds a ScaledObject left to KEDA's defaults; only for taking them away again."""
KEPT: Final = f"{PREFIX}hpa"
ORIGINAL: Final = f"{PREFIX}original"
SHAPE: Final = f"{PREFIX}shape"
"""Of an HPA that we keep ourselves: see ``owned``."""
FREEZE: Final = f"{PREFIX}freeze"
"""Not ours: whoever sets it wants the object left as it is; the value says why."""

ALWAYS: Final = (BASELINE_MIN, BASELINE_MAX, EXPIRES_AT, EPOCH, RULE, REASON)
OURS: Final = (*ALWAYS, SET_MIN, SET_MAX, UNSET, KEPT, ORIGINAL, SHAPE)

FLOOR_LASTS: Final = timedelta(minutes=60)
CEILING_LASTS: Final = timedelta(minutes=15)
"""A floor that is left behind costs money, a ceiling that is left behind costs an outage."""
_SKEW: Final = timedelta(minutes=5)

MAX_INT32: Final = 2**31 - 1
REASON_LENGTH: Final = 256
_WHOLE: Final = re.compile(r"0|[1-9][0-9]{0,9}")
_INSTANT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_RULE: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?/[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_SET: Final = re.compile(
    r"(?P<value>\S{1,10}) at (?P<at>\S{20}) from (?P<from>[^\s;]{1,10})"
    r"(?:; (?P<lower>\S{1,10} until \S{20}(?:, \S{1,10} until \S{20}){0,60}))?"
)
"""The lower ones are of one minute, and no two of them of the same second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lower:
    """What a bound was, and until when."""

    value: int
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Set:
    """One bound as we last set it.

    Attributes:
        value: The bound.
        at: When.
        before: What it was until then; of one that was lowered, the bound itself.
        lower: What it was before that, of the minute up to ``at`` and where it was lower than ever since: oldest first.
    """

    value: int
    at: datetime
    before: int
    lower: tuple[Lower, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """All of it; a bound that we have not touched has no ``Set``."""

    baseline: Limits
    low: Set | None
    high: Set | None
    expires_at: datetime
    epoch: int
    rule: str
    reason: str

    def after(self, found: Limits) -> Stamp:
        """With the bounds that are found: one that is not what we set is somebody's new will, and its new baseline."""
        low, high, baseline = self.low, self.high, self.baseline
        if low is None or low.value != found.low:
            low, baseline = None, replace(baseline, low=found.low)
        if high is None or high.value != found.high:
            high, baseline = None, replace(baseline, high=found.high)
        return replace(self, low=low, high=high, baseline=baseline)

    def is_reverted(self, found: Limits) -> bool:
        """Whether somebody else has changed what we set."""
        return any(
            ours is not None and ours.value != there
            for ours, there in ((self.low, found.low), (self.high, found.high))
        )  # fmt: skip

    def lasts(self) -> timedelta:
        """How long it is good for: as long as the more dangerous of the two bounds may stand."""
        cut = self.high is not None and self.high.value < self.baseline.high
        return CEILING_LASTS if cut else FLOOR_LASTS

    def is_due(self, now: datetime) -> bool:
        """Whether half of its life is over, or it claims to live longer than any of ours (a clock was set back)."""
        left = self.expires_at - now
        return left <= self.lasts() / 2 or left > self.lasts() + _SKEW

    def is_expired(self, now: datetime) -> bool:
        """Whether nobody has renewed it."""
        return self.expires_at <= now


def is_stamped(annotations: Mapping[str, str]) -> bool:
    """Whether anything of ours is there, whole or not."""
    return any(name in annotations for name in OURS)


def read(annotations: Mapping[str, str]) -> Stamp | None:
    """The stamp; None where there is nothing of ours.

    Raises:
        RefusedError: Half a stamp, or one that none of us can have written; the sentence says what is wrong.
    """
    if not is_stamped(annotations):
        return None
    if missing := [name for name in ALWAYS if name not in annotations]:
        raise RefusedError(f"half a stamp: annotation {missing[0]} is missing beside the others of {PREFIX}")
    if KEPT not in annotations and (lone := [name for name in (ORIGINAL, SHAPE) if name in annotations]):
        raise RefusedError(f"half a stamp: annotation {KEPT} is missing beside {lone[0]}")
    rule, reason = annotations[RULE], annotations[REASON]
    if not _RULE.fullmatch(rule):
        raise _unusable(RULE, rule, "namespace/name of a rule")
    if len(reason) > REASON_LENGTH or not (reason.isprintable() or not reason):
        raise _unusable(REASON, reason, f"at most {REASON_LENGTH} printable characters")
    stamp = Stamp(
        baseline=Limits(low=_whole(annotations, BASELINE_MIN), high=_whole(annotations, BASELINE_MAX)),
        low=_set(annotations, SET_MIN), high=_set(annotations, SET_MAX),
        expires_at=_instant(EXPIRES_AT, annotations[EXPIRES_AT]), epoch=_whole(annotations, EPOCH),
        rule=rule, reason=reason,
    )  # fmt: skip
    _make_sense(stamp, ours=KEPT in annotations)
    return stamp


def written(stamp: Stamp) -> dict[str, str]:
    """Its annotations."""
    text = {
        BASELINE_MIN: str(stamp.baseline.low),
        BASELINE_MAX: str(stamp.baseline.high),
        EXPIRES_AT: _told(stamp.expires_at),
        EPOCH: str(stamp.epoch),
        RULE: stamp.rule,
        REASON: "".join(one if one.isprintable() else " " for one in stamp.reason)[:REASON_LENGTH],
    }
    sides = ((SET_MIN, stamp.low), (SET_MAX, stamp.high))
    return text | {name: _set_told(one) for name, one in sides if one is not None}


def _make_sense(stamp: Stamp, *, ours: bool) -> None:
    """Whether one of us can have set these bounds: floors only go up from the baseline, ceilings only down.

    Those of an HPA that we keep (``ours``) may be on their way from other bounds to those of its rule.
    """
    baseline, low, high = stamp.baseline, stamp.low, stamp.high
    if baseline.low > baseline.high:
        raise RefusedError(f"stamp contradicts itself: its baseline {baseline} ends before it begins")
    if not ours and low is not None and not baseline.low <= low.value <= baseline.high:
        raise RefusedError(f"stamp contradicts itself: {SET_MIN} {low.value} is outside its baseline {baseline}")
    if not ours and high is not None and not baseline.low <= high.value <= baseline.high:
        raise RefusedError(f"stamp contradicts itself: {SET_MAX} {high.value} is outside its baseline {baseline}")
    if low is not None and high is not None and low.value > high.value:
        raise RefusedError(f"stamp contradicts itself: {SET_MIN} {low.value} is above {SET_MAX} {high.value}")


def _set(annotations: Mapping[str, str], name: str) -> Set | None:
    text = annotations.get(name)
    if text is None:
        return None
    found = _SET.fullmatch(text)
    if found is None:
        raise _unusable(name, text, "like '8 at 2026-11-21T12:00:00Z from 4'")
    lower = [one.split(" until ") for one in found["lower"].split(", ")] if found["lower"] else []
    return Set(
        value=_number(name, found["value"]), at=_instant(name, found["at"]), before=_number(name, found["from"]),
        lower=tuple(Lower(value=_number(name, value), until=_instant(name, until)) for value, until in lower),
    )  # fmt: skip


def _set_told(one: Set) -> str:
    lower = ", ".join(f"{low.value} until {_told(low.until)}" for low in one.lower)
    return f"{one.value} at {_told(one.at)} from {one.before}" + (f"; {lower}" if lower else "")


def _whole(annotations: Mapping[str, str], name: str) -> int:
    return _number(name, annotations[name])


def _number(name: str, text: str) -> int:
    if not _WHOLE.fullmatch(text) or int(text) > MAX_INT32:
        raise _unusable(name, text, f"a whole number from 0 to {MAX_INT32}")
    return int(text)


def _instant(name: str, text: str) -> datetime:
    try:
        if _INSTANT.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise _unusable(name, text, "like 2026-11-21T12:00:00Z")


def _unusable(name: str, text: str, expected: str) -> RefusedError:
    return RefusedError(f"annotation {name} is {text[:64]!r}; expected {expected}")


def _told(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
