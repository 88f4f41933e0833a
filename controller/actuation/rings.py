"""Where something new acts first: in 1, then 10, then 100 % of its namespaces, and no further when that goes badly.

A release is what became new together: a policy's rules, rules written by hand, or all of them when Foretide itself is
another. Rings are counted in the release's own namespaces, at least one, in an order that is the same each time: those
that the operator names, then by a hash of the name. So people know where changes show first; an order that rotated
would surprise somebody else each time.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from controller.actuation.ring_trouble import Told

HAND: Final = "rules"
"""Name of a release of rules that no policy made."""
HALTED: Final = "halted because"
"""By these words whoever reads the sentence knows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How carefully.

    Attributes:
        shares: Of the namespaces, ring after ring, rising; the last is 1.
        soak: How long a ring stands before the next. Three rings of 15 minutes let the last one act after 30, when the
            floors that the former version renewed last begin to expire.
        first: Namespaces that come before all others, in this order.
    """

    shares: tuple[float, ...] = (0.01, 0.1, 1.0)
    soak: timedelta = timedelta(minutes=15)
    first: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One on its way.

    Attributes:
        name: What is new.
        members: Its rules (``namespace/name``) and the version of each.
        ring: Which one is open, from 1.
        open: The namespaces that act already.
        since: When the ring was opened; None: now (an operator has let it go on).
        burning: Rules anywhere whose SLO burnt already then: that is not the release's doing.
        halted: Why it goes no further; empty: it does.
    """

    name: str
    members: Mapping[str, str]
    ring: int = 1
    open: tuple[str, ...] = ()
    since: datetime | None = None
    burning: tuple[str, ...] = ()
    halted: str = ""

    @property
    def namespaces(self) -> frozenset[str]:
        """Of its rules."""
        return frozenset(map(space, self.members))

    @property
    def finished(self) -> bool:
        """Whether it acts everywhere."""
        return self.namespaces <= set(self.open)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All that has to be known again after a restart, or by the next leader.

    Attributes:
        controller: Which Foretide brought the rules out.
        done: Rules that act wherever they are, with their versions.
        releases: Those on their way, by name.
    """

    controller: str = ""
    done: Mapping[str, str] = field(default_factory=dict)
    releases: tuple[Release, ...] = ()


def space(rule: str) -> str:
    """The namespace of a rule."""
    return rule.partition("/")[0]


def order(namespaces: Iterable[str], first: Sequence[str]) -> list[str]:
    """In which they come."""
    place = {name: at for at, name in enumerate(first)}
    return sorted(namespaces, key=lambda one: (place.get(one, len(place)), hashlib.sha256(one.encode()).digest()))


def joined(state: State, wishes: Mapping[str, Told], known: Collection[str], *, controller: str) -> State:
    """With what is new; a rule that has changed begins its release anew, a rule more joins it where it stands.

    Args:
        state: As it was.
        wishes: Rules that want to act, by name.
        known: All rules, so that one that may not act just now is not forgotten.
        controller: Which Foretide this is; another one makes everything new, once.
    """
    if state.controller != controller:
        every = {rule: told.version for rule, told in wishes.items()}
        whole = (Release(name=f"Foretide {controller}", members=every),) if every else ()
        # Nobody wants to act yet: whoever comes first is this Foretide's first release, not a rule more.
        return State(controller=controller, releases=whole) if every else state
    done = {rule: version for rule, version in state.done.items() if rule in known}
    members = {rule: version for one in state.releases for rule, version in one.members.items() if rule in known}
    new = {
        rule: told for rule, told in wishes.items() if {done.get(rule), members.get(rule)}.isdisjoint([told.version])
    }
    changed = {wishes[rule].origin for rule in new if rule in done or rule in members}
    kept = {one.name: _without(one, known, new) for one in state.releases}
    for name in sorted({told.origin for told in new.values()}):
        joining = {rule: told.version for rule, told in new.items() if told.origin == name}
        before = kept.get(name, Release(name=name, members={}))
        again = Release(name=name, members={}) if name in changed else before
        kept[name] = replace(again, members={**before.members, **joining})
    return State(
        controller=controller, done={rule: version for rule, version in done.items() if rule not in new},
        releases=tuple(kept[name] for name in sorted(kept) if kept[name].members),
    )  # fmt: skip


def moved(state: State, told: Mapping[str, Told], trouble: Mapping[str, str], *, plan: Plan, now: datetime) -> State:
    """One pass later: releases that have a trouble halt, those whose ring has stood long enough open the next.

    Args:
        state: With what is new.
        told: All rules of the pass.
        trouble: By a release's name, why it is to halt.
        plan: The rings.
        now: Time of the pass.
    """
    burning = tuple(sorted(rule for rule, one in told.items() if one.burning))
    after = [_moved(one, burning, trouble.get(one.name, ""), plan, now) for one in state.releases]
    done = {rule: version for one in after if one.finished for rule, version in one.members.items()}
    return replace(state, done={**state.done, **done}, releases=tuple(one for one in after if not one.finished))


def resumed(state: State, *, finish: bool = False) -> State:
    """By an operator's word: halted releases go on where they stand, or everything acts everywhere at once."""
    after = [replace(one, halted="", since=None) for one in state.releases]
    if finish:
        after = [replace(one, open=tuple(sorted(one.namespaces))) for one in after]
    return replace(state, releases=tuple(after))


def said(release: Release, plan: Plan) -> str:
    """How far it is, in a sentence without its name."""
    ring = f"ring {release.ring} of {len(plan.shares)}"
    if release.halted:
        return f"{ring} {HALTED} {release.halted}; foretide rings --resume lets it go on"
    reached = f"{len(release.open)} of {len(release.namespaces)} namespaces"
    if release.since is None:
        return f"{ring} begins: {reached}"
    return f"{ring} acts in {reached}, the next from {release.since + plan.soak:%Y-%m-%dT%H:%M:%SZ} on"


def held(state: State, wishes: Mapping[str, Told], plan: Plan) -> dict[str, str]:
    """By rule, why it does not act yet."""
    why: dict[str, str] = {}
    for one in state.releases:
        sentence = f"held: {said(one, plan)} (new: {one.name})"
        why |= {rule: sentence for rule in one.members if rule in wishes and space(rule) not in one.open}
    return why


def _without(release: Release, known: Collection[str], new: Mapping[str, Told]) -> Release:
    kept = {rule: version for rule, version in release.members.items() if rule in known and rule not in new}
    return replace(release, members=kept)


def _moved(release: Release, burning: tuple[str, ...], trouble: str, plan: Plan, now: datetime) -> Release:
    if release.halted:
        return release
    if trouble:
        return replace(release, halted=trouble)
    if not release.open:
        return _opened(release, 1, burning, plan, now)
    if release.since is None:
        return replace(release, since=now, burning=burning)
    return release if now < release.since + plan.soak else _opened(release, release.ring + 1, burning, plan, now)


def _opened(release: Release, ring: int, burning: tuple[str, ...], plan: Plan, now: datetime) -> Release:
    """With that ring open, or the first after it that opens anything: 10 % of three namespaces are one, as is 1 %."""
    names, before = order(release.namespaces, plan.first), set(release.open)
    for number in range(ring, len(plan.shares) + 1):
        share = plan.shares[number - 1]
        # Of 100 namespaces 1 % is one, though 0.01 × 100 might come out above it.
        reached = before | set(names[: math.ceil(share * len(names) - 1e-9) or 1])
        if reached != before:
            return replace(release, ring=number, open=tuple(sorted(reached)), since=now, burning=burning)
    return replace(release, ring=len(plan.shares), open=tuple(sorted(before | set(names))), since=now)
