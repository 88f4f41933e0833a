"""What a namespace's pods ask for, as a ResourceQuota counts it, and whether such a quota would reject any: no I/O.

A pod asks for the larger of its containers together and each init container with the sidecars before it, and for its
overhead. A container that names a limit only asks for the limit; one that names neither gets a LimitRange's default.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Final

from domain.units import parse_quantity
from kube.kinds import Fields, Resources

CPU, MEMORY = "cpu", "memory"
ASKED: Final = (CPU, MEMORY)
_MIB: Final = Decimal(1024 * 1024)
Amounts = Mapping[str, Decimal]
"""Cores and bytes."""


class Part(Fields, frozen=True, gc=False, rename="camel"):
    """A container of a pod."""

    name: str
    resources: Resources = Resources()
    restart_policy: str | None = None


class PodParts(Fields, frozen=True, gc=False, rename="camel"):
    """``spec`` of a pod, or of a template."""

    containers: list[Part] = []
    init_containers: list[Part] | None = None
    overhead: dict[str, str] | None = None
    resources: Resources | None = None


class LimitItem(Fields, frozen=True, gc=False, rename="camel"):
    """One of a LimitRange's ``limits``."""

    type: str = ""
    default: dict[str, str] | None = None
    default_request: dict[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What is asked for now; ``rejected`` says which pod a quota would reject, empty: none."""

    cpu: Decimal = Decimal(0)
    memory: Decimal = Decimal(0)
    rejected: str = ""

    def exceeds(self, hard: Amounts) -> bool:
        """Whether more is asked for than a quota would allow."""
        return self.cpu > hard[CPU] or self.memory > hard[MEMORY]


def defaults(limits: Iterable[LimitItem]) -> dict[str, Decimal]:
    """What a container gets that names nothing, by LimitRanges."""
    found: dict[str, Decimal] = {}
    for one in limits:
        if one.type == "Container":
            given = {**(one.default or {}), **(one.default_request or {})}
            found |= {name: parse_quantity(text) for name, text in given.items() if name in ASKED}
    return found


def use_of(pods: Sequence[tuple[str, PodParts, int]], given: Amounts) -> Use:
    """Of pods and templates: its name, what it is, how many of it count (0: only whether it may start)."""
    total = dict.fromkeys(ASKED, Decimal(0))
    for name, pod, count in pods:
        for resource in ASKED:
            asked = _asked(pod, resource, given)
            if asked is None:
                said = f"{name} asks for no {resource} and no LimitRange gives a default: a quota would reject it"
                return Use(rejected=said)
            total[resource] += asked * count
    return Use(cpu=total[CPU], memory=total[MEMORY])


def hard(use: Use, *, factor: Decimal) -> str:
    """So much more, rounded up to whole millicores and MiB; as ``parsed`` reads it."""
    millicores = (use.cpu * factor * 1000).to_integral_value(ROUND_CEILING)
    mebibytes = (use.memory * factor / _MIB).to_integral_value(ROUND_CEILING)
    return f"requests.cpu {millicores}m, requests.memory {mebibytes}Mi"


def parsed(text: str) -> dict[str, str]:
    """``spec.hard`` of what ``hard`` said."""
    return dict(part.split(" ", 1) for part in text.split(", "))


def amounts(text: str) -> dict[str, Decimal]:
    """The same as numbers."""
    return {name.removeprefix("requests."): parse_quantity(value) for name, value in parsed(text).items()}


def _asked(pod: PodParts, resource: str, given: Amounts) -> Decimal | None:
    """None where a container names nothing and nothing is given."""
    of_pod = _named(pod.resources, resource)
    main = [_of(one, resource, given) for one in pod.containers]
    sidecars, peak = Decimal(0), Decimal(0)
    for one in pod.init_containers or ():
        asked = _of(one, resource, given)
        if asked is None:
            if of_pod is None:
                return None
            asked = Decimal(0)
        if one.restart_policy == "Always":
            sidecars += asked
            peak = max(peak, sidecars)
        else:
            peak = max(peak, sidecars + asked)
    overhead = parse_quantity((pod.overhead or {}).get(resource, "0"))
    if of_pod is not None:
        return of_pod + overhead
    known = [one for one in main if one is not None]
    return None if len(known) < len(main) else max(sum(known, sidecars), peak) + overhead


def _of(one: Part, resource: str, given: Amounts) -> Decimal | None:
    named = _named(one.resources, resource)
    return given.get(resource) if named is None else named


def _named(resources: Resources | None, resource: str) -> Decimal | None:
    if resources is None:
        return None
    text = (resources.requests or {}).get(resource) or (resources.limits or {}).get(resource)
    return None if text is None else parse_quantity(text)
