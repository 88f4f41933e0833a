"""Accepted → Canary → Soaking → Rest → Watching → Done; Reverting → RolledBack or Held from anywhere in between.

Pure: ``step`` says where a case stands after a look and ``due`` what is to be written then; whoever writes reports with
``acted``. Whatever somebody else changes meanwhile wins, and in no state in between is there less capacity than before
or after: of an HPA's resource that falls, requests go first and the target follows when all pods have them; of one
that rises, the target goes first.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from controller.resizing.case import Case, Deed, Live, Ruling, Stage, Word
from controller.resizing.change import Target, differing, same

STANDS_FOR: Final = timedelta(days=7)
"""An acceptance that could not be begun for a week is about a week that is over."""
WATCH: Final = timedelta(days=7)
"""After the last write: a week has its busiest hour in it."""
NOTE_LASTS: Final = timedelta(hours=48)
"""Renewed at half of it; a controller that is gone for longer does not come back to watch."""
UNJUDGED: Final = timedelta(days=3)
"""A canary of which nobody can say how it does is taken back: three of its days."""
KUBELET_WAITS: Final = timedelta(hours=1)
"""So long a node may put off a resize (Deferred) before the rollout is taken instead. A guess."""
ROLLOUT_WITHIN: Final = timedelta(hours=6)
"""Longer is stuck, also where nobody says so (a StatefulSet never does). A guess."""
TRIES: Final = 5


def step(case: Case, live: Live, ruling: Ruling, now: datetime) -> Case:
    """Where it stands after a look; the same look twice is one."""
    if case.over or case.stage is Stage.REVERTING:
        return case
    if live.template is None:
        return _entered(replace(case, reason="the workload is gone"), Stage.HELD, now)
    if case.stage is not Stage.ACCEPTED and live.blocked:
        return replace(case, reason=f"waits: {live.blocked}")
    by_stage = {
        Stage.ACCEPTED: _accepted, Stage.CANARY: _canary, Stage.SOAKING: _soaking, Stage.REST: _rest,
        Stage.WATCHING: _watching,
    }  # fmt: skip
    return by_stage[case.stage](case, live, ruling, now)


def withdrawn(case: Case, why: str, now: datetime) -> Case:
    """Whoever accepted it, or somebody else, takes the yes back."""
    if case.over or case.stage is Stage.REVERTING:
        return case
    if case.stage is Stage.ACCEPTED:
        return _entered(replace(case, reason=why), Stage.HELD, now)
    return _reverting(case, Stage.HELD, why, now)


def due(case: Case, live: Live, now: datetime) -> Deed:
    """What is to be written where it stands."""
    if live.blocked or case.over:
        return Deed.NOTHING
    if case.stage is Stage.REVERTING:
        return Deed.GIVE_BACK
    if case.stage is Stage.CANARY and Deed.RESIZE_POD not in case.written:
        return Deed.RESIZE_POD
    if case.stage is Stage.REST and (deed := _next_of_rest(case, live)):
        return deed
    if case.stage is Stage.WATCHING and case.applied_at is not None and now - case.applied_at >= WATCH:
        return Deed.LEAVE
    ends = case.expires_at
    return Deed.RENEW if ends is not None and ends - now < NOTE_LASTS / 2 else Deed.NOTHING


def acted(case: Case, deed: Deed, now: datetime, *, failure: str = "", lasting: bool = False, said: str = "") -> Case:
    """After a write, or the attempt; what fails and lasts is not tried again, giving back is tried for ever."""
    if failure:
        return _failed(case, deed, now, failure, lasting)
    if deed is Deed.GIVE_BACK:
        why = f"{case.why}; {said}" if said else case.why
        back = replace(
            case, reason=why, canary=None, began_at=None, template_at=None, expires_at=None, written=(), tries=0
        )
        return _entered(back, case.then, now)
    if deed is Deed.LEAVE:
        return _entered(replace(case, reason="stands since a week without harm", expires_at=None), Stage.DONE, now)
    case = replace(case, expires_at=now + NOTE_LASTS, written=tuple(dict.fromkeys((*case.written, deed))), tries=0)
    return replace(case, began_at=case.began_at or now, template_at=now) if deed is Deed.TEMPLATE else case


def _accepted(case: Case, live: Live, ruling: Ruling, now: datetime) -> Case:
    if now - case.accepted_at >= STANDS_FOR:
        why = live.blocked or case.reason or "it never began"
        return _entered(replace(case, reason=f"expired after {STANDS_FOR.days} days: {why}"), Stage.HELD, now)
    if why := _obstacle(case, live):
        return _entered(replace(case, reason=why), Stage.HELD, now)
    if live.blocked:
        return replace(case, reason=f"waits: {live.blocked}")
    if not case.patch.falling():
        return _entered(replace(case, reason="all of it rises: no canary"), Stage.REST, now)
    if not case.in_place or live.candidate is None:
        why = live.not_in_place or case.reason or "no pod can be resized in place"
        return _entered(replace(case, in_place=False, reason=f"by a rollout: {why}"), Stage.REST, now)
    reason = f"pod {live.candidate.name} goes first"
    return _entered(replace(case, canary=live.candidate, reason=reason, written=()), Stage.CANARY, now)


def _canary(case: Case, live: Live, ruling: Ruling, now: datetime) -> Case:
    if why := _obstacle(case, live):
        return _reverting(case, Stage.HELD, why, now)
    if live.canary is None:
        return _again(case, "the pod that went first is gone", now)
    if live.resized and Deed.RESIZE_POD in case.written:
        return _entered(replace(case, began_at=now, reason=f"pod {_name(case)} is watched"), Stage.SOAKING, now)
    if now - case.since >= KUBELET_WAITS:
        why = live.unresizable or f"the kubelet of pod {_name(case)} has not resized it for an hour"
        return _reverting(replace(case, in_place=False), Stage.ACCEPTED, why, now)
    return replace(case, reason=live.unresizable or f"pod {_name(case)} is being resized")


def _soaking(case: Case, live: Live, ruling: Ruling, now: datetime) -> Case:
    if why := _obstacle(case, live):
        return _reverting(case, Stage.HELD, why, now)
    if live.canary is None:
        return _again(case, "the pod that was watched is gone", now)
    falls = case.patch.falling()
    theirs = [one for one in case.patch.fields
              if one.resource in falls and not same(live.canary.get(one.where), one.after)]  # fmt: skip
    if theirs:
        return _reverting(case, Stage.HELD, f"somebody has resized pod {_name(case)}", now)
    if ruling.word is Word.BACK:
        return _reverting(case, Stage.ROLLED_BACK, "; ".join(ruling.reasons), now)
    if ruling.word is Word.GO:
        return _entered(replace(case, reason="the canary did well"), Stage.REST, now)
    if case.began_at is not None and now - case.began_at >= UNJUDGED:
        return _reverting(case, Stage.HELD, "; ".join(ruling.reasons) or "nobody says how the canary does", now)
    return replace(case, reason="; ".join(ruling.reasons) or case.reason)


def _rest(case: Case, live: Live, ruling: Ruling, now: datetime) -> Case:
    if Deed.TEMPLATE not in case.written:
        if why := _obstacle(case, _before_raised(case, live)):
            return _reverting(case, Stage.HELD, why, now)
        return case
    late = case.template_at is not None and not live.rolled_out and now - case.template_at >= ROLLOUT_WITHIN
    if live.stuck or late:
        why = live.stuck or f"the rollout has taken {ROLLOUT_WITHIN.total_seconds() / 3600:g} h"
        return _reverting(replace(case, everything=True), Stage.ROLLED_BACK, why, now)
    if ruling.word is Word.BACK and case.patch.falling():
        return _reverting(case, Stage.ROLLED_BACK, "; ".join(ruling.reasons), now)
    if why := _edited(case, live):
        return _reverting(case, Stage.HELD, why, now)
    if not live.rolled_out:
        return replace(case, reason="the rollout is under way")
    if _next_of_rest(case, live):
        return case
    return _entered(replace(case, applied_at=now, reason="all of it stands, and is watched"), Stage.WATCHING, now)


def _watching(case: Case, live: Live, ruling: Ruling, now: datetime) -> Case:
    if ruling.word is Word.BACK and case.patch.falling():
        return _reverting(case, Stage.ROLLED_BACK, "; ".join(ruling.reasons), now)
    others = [one for one in case.patch.fields if not same((live.template or {}).get(one.where), one.after)]
    if len(others) == len(case.patch.fields):
        return _reverting(case, Stage.HELD, "somebody has changed all of it since", now)
    return replace(case, reason=_edited(case, live) or "all of it stands, and is watched")


def _obstacle(case: Case, live: Live) -> str:
    """Why what was accepted is not what could be done now; it lasts."""
    changed = differing(case.patch, live.template or {}, live.targets, written=False)
    if changed:
        return f"changed since it was accepted: {changed[0]}"
    return live.unfit or (f"conflict: {live.rival}" if live.rival else "")


def _before_raised(case: Case, live: Live) -> Live:
    """As if the targets that went first had not been written yet."""
    raised = _targets(case, falls=False) if Deed.RAISED_TARGETS in case.written else ()
    was = {(one.hpa, one.resource): one.before for one in raised
           if live.targets.get((one.hpa, one.resource)) == one.after}  # fmt: skip
    return replace(live, targets={**live.targets, **was})


def _edited(case: Case, live: Live) -> str:
    """What somebody has changed of what is written by now."""
    for one in case.patch.fields:
        if not same(stands := (live.template or {}).get(one.where), one.after):
            return f"somebody has set {one.part}.{one.resource} of {one.container} to {stands or 'none'}"
    written = {Deed.RAISED_TARGETS: False, Deed.FALLEN_TARGETS: True}
    for deed, falls in written.items():
        for each in _targets(case, falls=falls):
            wanted = each.after if deed in case.written else each.before
            if (stood := live.targets.get((each.hpa, each.resource))) != wanted:
                gone = "is gone" if stood is None else f"has a target of {stood}% by now"
                return f"HPA {each.hpa} {gone}"
    return ""


def _next_of_rest(case: Case, live: Live) -> Deed:
    if Deed.RAISED_TARGETS not in case.written and _targets(case, falls=False):
        return Deed.RAISED_TARGETS
    if Deed.TEMPLATE not in case.written:
        return Deed.TEMPLATE
    if live.rolled_out and Deed.FALLEN_TARGETS not in case.written and _targets(case, falls=True):
        return Deed.FALLEN_TARGETS
    return Deed.NOTHING


def _targets(case: Case, *, falls: bool) -> tuple[Target, ...]:
    falling = case.patch.falling()
    return tuple(one for one in case.patch.targets if (one.resource in falling) is falls)


def _again(case: Case, why: str, now: datetime) -> Case:
    """Another pod, a few times; where pods come and go all the time a rollout is taken."""
    gone = case.canaries + 1
    case = replace(case, canaries=gone, in_place=gone < TRIES, canary=None, began_at=None, written=(), reason=why)
    return _entered(case, Stage.ACCEPTED, now)


def _failed(case: Case, deed: Deed, now: datetime, failure: str, lasting: bool) -> Case:
    case = replace(case, tries=case.tries + 1, reason=f"{deed.value}: {failure}")
    if deed in (Deed.GIVE_BACK, Deed.RENEW, Deed.LEAVE) or not (lasting or case.tries >= TRIES):
        return case
    if deed is Deed.RESIZE_POD:  # the template may well be written where a pod is not
        return _reverting(replace(case, in_place=False), Stage.ACCEPTED, case.reason, now)
    return _reverting(case, Stage.HELD, case.reason, now)


def _reverting(case: Case, then: Stage, why: str, now: datetime) -> Case:
    going = replace(case, then=then, why=why, reason=f"is given back: {why}", tries=0)
    return _entered(going, Stage.REVERTING, now)


def _entered(case: Case, stage: Stage, now: datetime) -> Case:
    return case if case.stage is stage else replace(case, stage=stage, since=now)


def _name(case: Case) -> str:
    return case.canary.name if case.canary is not None else "?"
