"""What a scope of namespaces and labels costs in one hour, with its part of what belongs to nobody.

Its own cost is the sum of its workloads. Idle is shared within a cluster, ``kube-system`` and overhead among all other
workloads, both in proportion to cost: scopes that together are everything get all of it, once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal, localcontext
from typing import Final

from cost.allocation.distribute import OVERHEAD
from cost.allocation.ledger import exact_sum
from cost.allocation.report import IDLE
from cost.allocation.rollup import subject_of

SYSTEM: Final = "kube-system"
IDLE_SHARED: Final = "sharedIdle"
SYSTEM_SHARED: Final = "sharedSystem"
_DIGITS: Final = 60
_GRAIN: Final = Decimal("1e-18")
_NONE: Final = Decimal(0)
_OF_CLUSTER: Final = ("own", "other", "ownSystem", "system", "idle")
Place = tuple[str, str]
"""What an amount is (``own``, ``other``, of kube-system ``ownSystem`` and ``system``, ``idle``, ``overhead``, or empty:
nobody's share) and its cluster."""


class Scoped:
    """One scope; what each text of an hour is to it is found once."""

    def __init__(
        self, *, namespaces: frozenset[str] | None, labels: Mapping[str, str], include: frozenset[str]
    ) -> None:  # fmt: skip
        """None of ``namespaces``: all; ``include`` may name ``sharedIdle`` and ``sharedSystem``."""
        self._namespaces, self._labels, self._include = namespaces, dict(labels), include
        self._known: dict[str, Place] = {}

    def amount(self, costs: Mapping[str, Decimal]) -> Decimal:
        """Of one hour, by the texts of ``rolled``."""
        parts: dict[Place, list[Decimal]] = defaultdict(list)
        for text, cost in costs.items():
            place = self._known.get(text)
            if place is None:
                place = self._known[text] = self._place(text)
            parts[place].append(cost)
        sums = {place: exact_sum(each) for place, each in parts.items()}
        clusters = {cluster for _, cluster in sums}
        with localcontext() as context:
            context.prec = _DIGITS
            total = sum((sums.get((part, one), _NONE) for part in ("own", "ownSystem") for one in clusters), _NONE)
            if not self._include:
                return total
            shared = self._shared(sums, sorted(clusters))
            return total + shared.quantize(_GRAIN)

    def _shared(self, sums: Mapping[Place, Decimal], clusters: list[str]) -> Decimal:
        shared, owns, plains = _NONE, _NONE, _NONE
        for cluster in clusters:
            own, other, mine, system, idle = (sums.get((part, cluster), _NONE) for part in _OF_CLUSTER)
            overhead = sums.get(("overhead", cluster), _NONE) if cluster else _NONE
            plain = own + other
            owns, plains = owns + own, plains + plain
            weight = own / plain if plain else _NONE
            of_system = _NONE
            if SYSTEM_SHARED in self._include:
                of_system = system * weight
                shared += of_system + overhead * weight
            if IDLE_SHARED in self._include and plain + mine + system:
                shared += idle * (own + mine + of_system) / (plain + mine + system)
        if SYSTEM_SHARED in self._include and plains:  # the sheet's overhead belongs to no cluster
            shared += sums.get(("overhead", ""), _NONE) * owns / plains
        return shared

    def _place(self, text: str) -> Place:
        subject, line = subject_of(text)
        if line in (IDLE, OVERHEAD):
            return "idle" if line == IDLE else "overhead", subject.cluster
        if line and not subject.namespace:
            return "", subject.cluster
        mine = (self._namespaces is None or subject.namespace in self._namespaces) and all(
            subject.labels.get(name) == value for name, value in self._labels.items()
        )
        if subject.namespace == SYSTEM:
            return "ownSystem" if mine else "system", subject.cluster
        return "own" if mine else "other", subject.cluster
