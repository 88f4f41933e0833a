"""From a survey to a handful of policies: workloads that are told alike and carry alike, in the same namespaces.

A policy finds workloads by namespace and label, never by name, so that a group is a family of metrics and some whole
namespaces. Where the workloads of a namespace carry much more or less than one another, ``perReplica`` is not a number
but an annotation of each workload, and the numbers are proposed as ``kubectl annotate`` commands.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.discover_survey import Carried, Place, Survey
from app.offered_load import Offered

MOST_POLICIES: Final = 10
ALIKE: Final = 1.5
"""Largest over smallest ``perReplica`` that one number may stand for: the smallest is taken, the rest cost more."""
ANNOTATION: Final = "foretide.dev/per-replica"
DRAIN: Final = "1m"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One policy.

    Attributes:
        name: Of the document.
        load: The family and how it names workloads; None scales on CPU as its HPAs do.
        namespaces: Whole ones.
        workloads: That it is for and that its metric names.
        silent: In these namespaces, but not named by the metric: for them the policy would have no data.
        per_replica: One number for all; None takes the annotation.
        cpu_target: Percent of the request, without a load.
        bounds: Smallest and largest number of replicas.
        carried: What each was seen to carry.
    """

    name: str
    load: Offered | None
    namespaces: tuple[str, ...]
    workloads: frozenset[Place]
    silent: frozenset[Place]
    per_replica: float | None
    cpu_target: int | None
    bounds: tuple[int, int]
    carried: tuple[tuple[Place, Carried], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposals:
    """The policies, most workloads first, and what they leave out with its reason."""

    chosen: tuple[Proposal, ...]
    further: tuple[Proposal, ...]
    left_out: tuple[tuple[Place, str], ...]
    total: int

    @property
    def covered(self) -> int:
        """Workloads that the chosen policies are for."""
        return len(frozenset().union(*(one.workloads for one in self.chosen)) if self.chosen else ())


def propose(of: Survey, *, most: int = MOST_POLICIES) -> Proposals:
    """At most so many policies; each workload is in one, by the family that names most of them."""
    taken: set[Place] = set()
    made: list[Proposal] = []
    for load in of.loads:
        if load.family.queue:
            continue
        fresh = {place for place in load.workloads - taken if (load.family.key, place) in of.carried}
        if not fresh:
            continue
        made += _of_family(of, load, fresh)
        taken |= fresh
    made += _by_cpu(of, taken)
    made.sort(key=lambda one: (-len(one.workloads), one.name))
    chosen = tuple(_numbered(made[:most]))
    covered = frozenset().union(*(one.workloads for one in chosen)) if chosen else frozenset()
    left = [(place, _why_left(of, place)) for place in sorted(of.workloads) if place not in covered]
    return Proposals(chosen=chosen, further=tuple(made[most:]), left_out=tuple(left), total=len(of.workloads))


def _of_family(of: Survey, load: Offered, places: set[Place]) -> list[Proposal]:
    """Namespaces whose workloads carry alike, together where their numbers are; the others by annotation."""
    by_number: dict[int, list[str]] = {}
    mixed: list[str] = []
    for namespace in sorted({place[0] for place in places}):
        numbers = [of.carried[load.family.key, place].per_replica for place in places if place[0] == namespace]
        if min(numbers) <= 0:
            mixed.append(namespace)
        elif max(numbers) <= ALIKE * min(numbers):
            by_number.setdefault(math.floor(math.log(min(numbers)) / math.log(ALIKE)), []).append(namespace)
        else:
            mixed.append(namespace)
    groups = [(names, True) for _, names in sorted(by_number.items())] + ([(mixed, False)] if mixed else [])
    return [_proposal(of, load, names, places, one_number=one) for names, one in groups]


def _proposal(of: Survey, load: Offered, names: Sequence[str], places: set[Place], *, one_number: bool) -> Proposal:
    mine = frozenset(place for place in places if place[0] in names)
    carried = tuple((place, of.carried[load.family.key, place]) for place in sorted(mine))
    least = min(one.per_replica for _, one in carried)
    return Proposal(
        name=load.family.key, load=load, namespaces=tuple(names), workloads=mine,
        silent=frozenset(place for place in of.workloads if place[0] in names) - mine,
        per_replica=_rounded(least) if one_number else None, cpu_target=None,
        bounds=_bounds(of, mine, [one for _, one in carried]), carried=carried,
    )  # fmt: skip


def _by_cpu(of: Survey, taken: set[Place]) -> list[Proposal]:
    """Workloads with an HPA on CPU and no known offered load, by namespaces that share one target."""
    targets: dict[str, set[int]] = {}
    places: dict[str, set[Place]] = {}
    for place, hpa in of.hpas.items():
        cpu = next((one for one in hpa.targets if one.name == "cpu" and one.kind == "utilization"), None)
        if place in taken or cpu is None or place not in of.workloads:
            continue
        targets.setdefault(place[0], set()).add(round(cpu.number))
        places.setdefault(place[0], set()).add(place)
    groups: dict[int, list[str]] = {}
    for namespace, numbers in sorted(targets.items()):
        # The lowest of several is the safe side.
        if namespace not in {place[0] for place in taken}:
            groups.setdefault(min(numbers), []).append(namespace)
    made = []
    for target, names in sorted(groups.items()):
        mine = frozenset().union(*(places[name] for name in names))
        made.append(
            Proposal(
                name="cpu",
                load=None,
                namespaces=tuple(names),
                workloads=mine,
                silent=frozenset(place for place in of.workloads if place[0] in names) - mine,
                per_replica=None,
                cpu_target=target,
                bounds=_bounds(of, mine, []),
                carried=(),
            )  # fmt: skip
        )
    return made


def _bounds(of: Survey, places: frozenset[Place], carried: Sequence[Carried]) -> tuple[int, int]:
    """Of the HPAs; where there are none, what was seen, and half more upward."""
    hpas = [of.hpas[place] for place in places if place in of.hpas]
    low = [one.min_replicas for one in hpas] or [one.least_replicas for one in carried] or [1]
    high = [one.max_replicas for one in hpas] + [math.ceil(1.5 * one.most_replicas) for one in carried]
    least = max(min(low), 1)
    return least, max([*high, least])


def _numbered(made: Sequence[Proposal]) -> list[Proposal]:
    """Names are unique: the second of a family is ``istio-2``."""
    seen: dict[str, int] = {}
    named = []
    for one in made:
        seen[one.name] = seen.get(one.name, 0) + 1
        number = seen[one.name]
        name = one.name if number == 1 else f"{one.name}-{number}"
        named.append(_renamed(one, name))
    return named


def _renamed(one: Proposal, name: str) -> Proposal:
    return Proposal(
        name=name, load=one.load, namespaces=one.namespaces, workloads=one.workloads, silent=one.silent,
        per_replica=one.per_replica, cpu_target=one.cpu_target, bounds=one.bounds, carried=one.carried,
    )  # fmt: skip


def _rounded(value: float) -> float:
    """Two figures, downward: more would look measured."""
    digits = 1 - math.floor(math.log10(value))
    return math.floor(value * 10.0**digits) / 10.0**digits


def _why_left(of: Survey, place: Place) -> str:
    named = [one for one in of.loads if place in one.workloads]
    queues = [one for one in named if one.family.queue]
    if queues:
        return (
            f"{queues[0].family.title} names it, but not how fast a replica works it off: write a queue trigger with "
            "perReplicaRate by hand"
        )
    if named and all((one.family.key, place) not in of.carried for one in named):
        return f"{named[0].family.title} names it, but its replicas were not seen often enough to say what one carries"
    if named:
        return "its group is smaller than the ten that were proposed"
    if place in of.hpas:
        return "its HPA scales on something that is not known here, or its namespace is another policy's"
    return "no known metric of offered load names it, and no HPA scales it"
