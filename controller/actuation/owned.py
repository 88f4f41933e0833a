"""An HPA that we keep ourselves: made by us or taken over, what we wrote there, what stood there before: no I/O.

Three annotations stand beside the stamp. The first names the object's uid, so that a copy of the object is not taken
for ours; the second is the whole spec that somebody had written, to be given back as it was; the third is what we wrote
besides the bounds, so that whoever changed it since is told apart. The stamp's baseline is the rule's own bounds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from controller.actuation import ramp, rollback
from controller.actuation.limits import Limits
from controller.actuation.stamp import KEPT, ORIGINAL, SHAPE, Set, Stamp
from controller.actuation.step import Rest, Seen, Step, Wanted, Write, cut
from domain.errors import RefusedError
from domain.units import parse_quantity

LARGEST_BYTES: Final = 131_072
"""Of both texts together: the API server takes 262,144 bytes of annotations, those of others included."""
_KEPT: Final = re.compile(r"(?P<how>created|adopted)( (?P<uid>[0-9A-Za-z-]{1,64}))?")
_FIELDS: Final = frozenset({"scaleTargetRef", "minReplicas", "maxReplicas", "metrics", "behavior"})
Spec = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """What the three annotations say.

    Attributes:
        uid: Of the object that they were written for; empty in the moment between its creation and our second write.
        original: The spec as it was before we took it over; None where we made the HPA.
        shape: What we wrote besides the bounds.
    """

    uid: str
    original: Spec | None
    shape: Spec

    @property
    def was(self) -> Limits | None:
        """The bounds before we took it over."""
        if self.original is None:
            return None
        return Limits(low=self.original.get("minReplicas", 1), high=self.original["maxReplicas"])


def read(annotations: Mapping[str, str], uid: str) -> Owned | None:
    """Of an object with ``uid``; None where it is none that we keep.

    Raises:
        RefusedError: None of us can have written it, or it was written for another object.
    """
    if KEPT not in annotations:
        return None
    told = _KEPT.fullmatch(annotations[KEPT])
    if told is None:
        raise RefusedError(f"annotation {KEPT} is {annotations[KEPT][:64]!r}; expected created or adopted, and a uid")
    for_ = told["uid"] or ""
    if for_ not in ("", uid):
        raise RefusedError(f"annotation {KEPT} is of another object (uid {for_}): this one is a copy of it")
    adopted = told["how"] == "adopted"
    if adopted != (ORIGINAL in annotations) or (adopted and not for_):
        raise RefusedError(f"annotation {KEPT} is {annotations[KEPT]!r}, which contradicts {ORIGINAL}")
    original = _original(annotations[ORIGINAL]) if adopted else None
    return Owned(uid=for_, original=original, shape=_object(SHAPE, annotations.get(SHAPE, "")))


def written(owned: Owned) -> dict[str, str]:
    """Its annotations; raises ``RefusedError`` when they are larger than an annotation may be."""
    how = "created" if owned.original is None else "adopted"
    text = {KEPT: f"{how} {owned.uid}".strip(), SHAPE: _told(owned.shape)}
    if owned.original is not None:
        text[ORIGINAL] = _told(owned.original)
    size = sum(len(one.encode()) for one in text.values())
    if size > LARGEST_BYTES:
        raise RefusedError(f"its spec and ours have {size} bytes, more than annotations hold ({LARGEST_BYTES})")
    return text


def towards(
    wanted: Wanted, seen: Seen, own: Limits, *, now: datetime, again: bool = False, was: Limits | None = None
) -> Step:
    """The next step of the bounds: as with an HPA of somebody else's, but within the rule's ``own`` bounds.

    Args:
        wanted: What the decision asks for.
        seen: What stands there.
        own: The rule's bounds.
        now: Time of the step.
        again: There is something besides the bounds to write.
        was: The bounds before we took it over; None where we made it.

    Raises:
        RefusedError: The object has been written by a newer leader.
    """
    found, stamp = seen.limits, seen.stamp
    if seen.holds.everything:
        return Rest(why=f"held, {seen.holds.everything}")
    if stamp is not None and stamp.epoch > wanted.epoch:
        raise RefusedError(f"its stamp has epoch {stamp.epoch}, ours is {wanted.epoch}: a newer leader writes here")
    low_note = _standing(None if stamp is None else stamp.low, found.low)
    high_note = _standing(None if stamp is None else stamp.high, found.high)
    goal = _within(wanted.limits, own)
    before_us = None if was is None else was.high
    lifted = rollback.ceiling(goal.high, wanted.ceiling_before, stands=found.high, before_us=before_us)
    goal = replace(goal, high=lifted)
    after, why = _after(goal, wanted, seen, (low_note, high_note), now)
    low, high = _note(after.low, found.low, low_note, now), _note(after.high, found.high, high_note, now)
    new = Stamp(
        baseline=own, low=low, high=high, expires_at=now, epoch=wanted.epoch, rule=wanted.rule, reason=wanted.reason
    )
    new = replace(new, expires_at=(now + new.lasts()).replace(microsecond=0))
    same = after == found and stamp is not None and (stamp.baseline, stamp.rule) == (own, wanted.rule)
    if same and not again and stamp is not None and not stamp.is_due(now):
        return Rest(why=why)
    return Write(limits=after, stamp=new, why=why)


def shaped(spec: Spec) -> dict[str, Any]:
    """What of a spec is not its bounds."""
    return {name: value for name, value in spec.items() if name not in ("minReplicas", "maxReplicas")}


def has(found: Any, wanted: Any) -> bool:
    """Whether all that is wanted stands there; what the API server fills in besides counts for nothing."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            name in found and has(found[name], one) for name, one in wanted.items()
        )
    if isinstance(wanted, list):
        same = isinstance(found, list) and len(found) == len(wanted)
        return same and all(has(one, other) for one, other in zip(found, wanted, strict=True))
    return bool(found == wanted) or _same_quantity(found, wanted)


def merge(found: Any, wanted: Any) -> Any:
    """The JSON merge patch that makes ``wanted`` out of ``found``."""
    if not isinstance(wanted, Mapping) or not isinstance(found, Mapping):
        return wanted
    gone = {name: None for name in found if name not in wanted}
    return gone | {name: merge(found.get(name), one) for name, one in wanted.items() if found.get(name) != one}


def before(spec: Spec, kept: Owned) -> dict[str, Any]:
    """The spec as it was before we took the HPA over, but for what somebody else has changed since."""
    was, ours = kept.original or {}, kept.shape
    theirs = {name for name in spec if name not in ours or not has(spec[name], ours[name])}
    return {name: spec[name] for name in spec if name in theirs} | {
        name: one for name, one in was.items() if name not in theirs
    }


def _same_quantity(one: Any, other: Any) -> bool:
    """``0.5`` comes back as ``500m``."""
    try:
        return isinstance(one, str) and isinstance(other, str) and parse_quantity(one) == parse_quantity(other)
    except ValueError:
        return False


def _within(wanted: Limits, own: Limits) -> Limits:
    """An HPA's floor is 1 at least: to 0 the workload itself is scaled, and the HPA is at rest then."""
    least = max(own.low, 1)
    high = min(max(wanted.high, least), own.high)
    return Limits(low=min(max(wanted.low, least), high), high=high)


def _after(
    goal: Limits, wanted: Wanted, seen: Seen, notes: tuple[Set | None, Set | None], now: datetime
) -> tuple[Limits, str]:
    """The bounds after this step, and what limited it."""
    found, downs = seen.limits, seen.holds.downs
    low = ramp.floor(found.low, goal.low, last=notes[0], now=now)
    if downs:
        low = max(low, found.low)
    low = min(low, max(goal.high, found.high))
    high, kept = cut(goal.high, wanted, seen, low=low, last=notes[1], now=now)
    after = Limits(low=low, high=max(high, low))
    if after == goal:
        return after, ""
    if downs and (after.low > goal.low or after.high > goal.high):
        return after, f"held, {downs}"
    return after, kept or (f"one step on the way to {goal}" if after != found else f"waits for its next step to {goal}")


def _standing(last: Set | None, found: int) -> Set | None:
    """What somebody else has set since is no step of ours."""
    return last if last is not None and last.value == found else None


def _note(after: int, found: int, last: Set | None, now: datetime) -> Set:
    return last if last is not None and after == found else ramp.noted(after, found, last=last, now=now)


def _original(text: str) -> Spec:
    spec = _object(ORIGINAL, text)
    target, high, low = spec.get("scaleTargetRef"), spec.get("maxReplicas"), spec.get("minReplicas", 1)
    whole = all(isinstance(one, int) and not isinstance(one, bool) for one in (low, high))
    if not whole or not isinstance(target, dict) or not 0 <= low <= high or not set(spec) <= _FIELDS:
        raise RefusedError(f"annotation {ORIGINAL} is no spec of an HPA")
    return spec


def _object(name: str, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise RefusedError(f"annotation {name} is {text[:64]!r}; expected a JSON object")
    return found


def _told(value: Spec) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
