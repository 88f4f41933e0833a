"""Every item applied to one model of the present, in order: what it saves is what the model costs less after it.

So nothing is counted twice, and all savings together are what the present costs less what is left: at most the bill.
What asks for more comes before everything else: its room is not given away first and paid for afterwards.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from cost.recommendations.effects import (
    STEPS,
    Candidate,
    Commit,
    Consolidate,
    DropThing,
    DropWorkload,
    Effect,
    Resize,
    SwitchOff,
    ToSpot,
)
from cost.recommendations.fleet import Fleet
from cost.recommendations.present import Load, Present
from domain.recommendations import Freed, Recommendation


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """``before - after`` is the sum of the savings, exactly."""

    currency: str
    before: Decimal
    after: Decimal
    items: tuple[Recommendation, ...]

    @property
    def total(self) -> Decimal:
        """What all items save together; at most ``before``."""
        return self.before - self.after


def simulate(present: Present, candidates: Iterable[Candidate], *, aside: Collection[str] = ()) -> Simulated:
    """Savings of all candidates; of two with the same id the first counts.

    Args:
        present: Where it starts.
        candidates: In any order.
        aside: Ids of those that somebody does not want (now): each is told what it would save after all others, and
            neither is in the total nor changes what others save.
    """
    fleet = Fleet.of(present)
    before = fleet.monthly
    unique = {one.advice.id: one for one in reversed(list(candidates))}.values()
    wanted, void = _without_void([one for one in unique if one.advice.id not in aside])
    found: list[Recommendation] = []
    waiting: dict[str, list[str]] = defaultdict(list)
    for one in _in_order(fleet, wanted):
        then = _applied(fleet, one.effect)
        found.append(replace(_priced(one, fleet, then, waiting), supersedes=tuple(void.get(one.advice.id, ()))))
        fleet = then
    after = fleet.monthly
    for one in _in_order(fleet, (one for one in unique if one.advice.id in aside)):
        found.append(_priced(one, fleet, _applied(fleet, one.effect), defaultdict(list)))
    return Simulated(currency=present.currency, before=before, after=after, items=tuple(found))


def _without_void(candidates: Sequence[Candidate]) -> tuple[list[Candidate], dict[str, list[str]]]:
    """What is left where workloads go, and by the item that takes them which others are void."""
    drops = {one.effect.workload: one.advice.id for one in candidates if isinstance(one.effect, DropWorkload)}
    left, void = list[Candidate](), defaultdict[str, list[str]](list)
    for one in sorted(candidates, key=lambda one: one.advice.id):
        by = drops.get(getattr(one.effect, "workload", ""))
        if by is None or isinstance(one.effect, DropWorkload):
            left.append(one)
        else:
            void[by].append(one.advice.id)
    return left, void


def _in_order(fleet: Fleet, candidates: Iterable[Candidate]) -> list[Candidate]:
    """By step; within one what frees most, so that the fewest patches make a node go."""

    def key(one: Candidate) -> tuple[bool, int, int, int, str]:
        freed = _freed(fleet, one.effect)
        return (not _grows(one.effect), STEPS[one.advice.kind], -freed.cpu_millicores, -freed.memory_bytes,
                one.advice.id)  # fmt: skip

    return sorted(candidates, key=key)


def _grows(effect: Effect) -> bool:
    return isinstance(effect, Resize) and (effect.cpu_millicores > 0 or effect.memory_bytes > 0)


def _priced(one: Candidate, before: Fleet, after: Fleet, waiting: dict[str, list[str]]) -> Recommendation:
    """The advice with what it saves here, and whose room it needs for that."""
    saved, freed = before.monthly - after.monthly, _freed(before, one.effect)
    advice, together = one.advice, list[str]()
    for pool in _pools(before, one.effect) if freed != Freed() else ():
        if before.pools[pool].need > after.pools[pool].need:
            together += waiting.pop(pool, [])
        else:
            waiting[pool].append(advice.id)
    share = saved / advice.saving.monthly if advice.saving.monthly else Decimal(0)
    saving = replace(
        advice.saving, monthly=saved, currency=before.present.currency,
        p10=_scaled(advice.saving.p10, share), p50=_scaled(advice.saving.p50, share),
        p90=_scaled(advice.saving.p90, share), realised_when=_when(one, saved, before, after),
    )  # fmt: skip
    together = list(dict.fromkeys(together))
    return replace(advice, saving=saving, freed=freed, together=tuple(together))


def _scaled(amount: Decimal | None, share: Decimal) -> Decimal | None:
    return None if amount is None else amount * share


def _when(one: Candidate, saved: Decimal, before: Fleet, after: Fleet) -> str:
    if saved:
        return {
            DropThing: "deleted", SwitchOff: "nightsOff", ToSpot: "moved", Commit: "committed"
        }.get(type(one.effect), "nodesRemoved")  # fmt: skip
    more = [pool for name, pool in after.pools.items()
            if len(pool.idle_committed) > len(before.pools[name].idle_committed)]  # fmt: skip
    return f"commitment ends {max(day for pool in more for day in pool.idle_committed):%Y-%m-%d}" if more else "never"


def _applied(fleet: Fleet, effect: Effect) -> Fleet:
    match effect:
        case DropThing():
            return fleet.without_thing(effect.thing, effect.monthly)
        case DropWorkload() | Resize():
            changed = {pool: _changed(fleet.loads[pool], effect) for pool in _pools(fleet, effect)}
            return fleet.with_loads(changed, grows=_grows(effect))
        case SwitchOff():
            return fleet.switched_off(effect.workload, effect.hours)
        case Consolidate():
            return fleet.consolidated(effect.pool)
        case ToSpot():
            return fleet.on_spot(effect.workload)
        case Commit():
            return fleet.committed(effect.machine, effect.quantity, effect.ratio)
        case _:
            return fleet


def _changed(loads: Sequence[Load], effect: DropWorkload | Resize) -> tuple[Load, ...]:
    if isinstance(effect, DropWorkload):
        return tuple(one for one in loads if one.workload != effect.workload)
    return tuple(_resized(one, effect) if one.workload == effect.workload else one for one in loads)


def _resized(load: Load, effect: Resize) -> Load:
    cpu, memory = load.cpu_millicores + effect.cpu_millicores, load.memory_bytes + effect.memory_bytes
    return replace(load, cpu_millicores=max(0, cpu), memory_bytes=max(0, memory))


def _pools(fleet: Fleet, effect: Effect) -> list[str]:
    """In which the effect's workload runs."""
    workload = getattr(effect, "workload", "")
    return [name for name, loads in fleet.loads.items() if any(one.workload == workload for one in loads)]


def _freed(fleet: Fleet, effect: Effect) -> Freed:
    """Requests less, of all pods; more is not freed."""
    if not isinstance(effect, DropWorkload | Resize):
        return Freed()
    mine = [one for pool in _pools(fleet, effect) for one in fleet.loads[pool] if one.workload == effect.workload]
    then = [] if isinstance(effect, DropWorkload) else [_resized(one, effect) for one in mine]
    cpu = sum(one.pods * one.cpu_millicores for one in mine) - sum(one.pods * one.cpu_millicores for one in then)
    memory = sum(one.pods * one.memory_bytes for one in mine) - sum(one.pods * one.memory_bytes for one in then)
    return Freed(cpu_millicores=max(0, cpu), memory_bytes=max(0, memory))
