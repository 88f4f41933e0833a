"""What volumes, load balancers and traffic cost, split among the pods that use them: parts of the books of a window.

What has no price in our currency is told and left out, by class and not one by one; the rest is shown.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from app.cost_known import Known
from cost.allocation import attached
from cost.allocation.attached import Attached, Direction
from cost.allocation.ledger import Item, Line
from cost.allocation.nodes import Window
from cost.pricing.attached import price_balancer, price_gib
from cost.pricing.chain import Sources, price_volume
from cost.pricing.things import Confidence, Price

_PLACES: Final[Mapping[Direction, str]] = {
    "zone": "to other zones", "region": "to other regions", "internet": "to the internet",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedBooks:
    """Their parts.

    Attributes:
        volumes: The price of each volume.
        balancers: The price of each load balancer.
    """

    items: tuple[Item, ...] = ()
    lines: tuple[Line, ...] = ()
    notes: tuple[str, ...] = ()
    volumes: tuple[Price, ...] = ()
    balancers: tuple[Price, ...] = ()


def attached_books(known: Known, sources: Sources, window: Window) -> AttachedBooks:
    """Price them and split them."""
    notes: list[str] = []
    volumes = list(_volumes(known, sources, notes))
    balancers = list(_balancers(known, sources, notes))
    items: list[Item] = []
    lines: list[Line] = []
    for one, _ in (*volumes, *balancers):
        own, rest = attached.share(one, window)
        items += own
        lines += rest
    items += _traffic(known, sources, notes)
    return AttachedBooks(
        items=tuple(items), lines=tuple(lines), notes=tuple(notes),
        volumes=tuple({one.name: price for one, price in volumes}.values()),
        balancers=tuple(price for _, price in balancers),
    )  # fmt: skip


def _volumes(known: Known, sources: Sources, notes: list[str]) -> Iterator[tuple[Attached, Price]]:
    unpriced: dict[str, dict[str, Decimal]] = defaultdict(dict)
    free: dict[tuple[str, str], set[str]] = defaultdict(set)
    for one in known.volumes:
        price = price_volume(sources, one.facts)
        if price is None:
            unpriced[one.facts.storage_class][one.facts.name] = one.facts.gib
            continue
        if not price.amount:
            free[one.facts.storage_class, price.source].add(one.facts.name)
        made = Attached(
            component="volume", name=one.facts.name, cluster=one.cluster, start=one.start, end=one.end,
            hourly_cost=price.amount, uses=one.uses,
        )  # fmt: skip
        yield made, price
    for name, volumes in sorted(unpriced.items()):
        size = f"{count(len(volumes), 'volume')}, {sum(volumes.values()):.1f} GiB"
        notes.append(f"no price in {sources.currency} of storage class {name or '(none)'}: {size}: not in the sums")
    for (name, source), names in sorted(free.items()):
        told = f"{count(len(names), 'volume')} of storage class {name or '(none)'}"
        notes.append(f"{told} cost nothing: {source} has a price of 0")


def _balancers(known: Known, sources: Sources, notes: list[str]) -> Iterator[tuple[Attached, Price]]:
    unpriced, free = 0, Counter[str]()
    for one in known.balancers:
        service = f"{one.namespace}/{one.service}"
        price = price_balancer(sources, service)
        if price is None:
            unpriced += 1
            continue
        if not price.amount:
            free[price.source] += 1
        made = Attached(
            component="loadBalancer", name=service, cluster=one.cluster, start=one.start, end=one.end,
            hourly_cost=price.amount, uses=one.uses,
        )  # fmt: skip
        yield made, price
    if unpriced:
        notes.append(
            f"no price in {sources.currency} of load balancers: {count(unpriced, 'load balancer')}: not in the sums"
        )
    for source, number in sorted(free.items()):
        notes.append(f"{count(number, 'load balancer')} cost nothing: {source} has a price of 0")


def _traffic(known: Known, sources: Sources, notes: list[str]) -> Iterator[Item]:
    """Each class has one price; what has none is left out of every pod's."""
    sent = {to: sum(one.gib.get(to, 0.0) for one in known.traffic) for to in _PLACES}
    prices = {to: price_gib(sources, to) for to, gib in sent.items() if gib}
    for to, price in prices.items():
        if price is None:
            told = f"{sent[to]:.2f} GiB: not in the sums"
            notes.append(f"no price in {sources.currency} of traffic {_PLACES[to]}: {told}")
        elif not price.amount:
            notes.append(f"{sent[to]:.2f} GiB {_PLACES[to]} cost nothing: {price.source} has a price of 0")
    per_gib = {to: price.amount for to, price in prices.items() if price is not None}
    if any(price is not None and price.confidence is Confidence.ESTIMATE for price in prices.values()):
        notes.append("what traffic costs is an estimate, by default prices")
    for one in known.traffic:
        yield from attached.traffic_items(replace(one, gib=_only(one.gib, per_gib)), per_gib)


def _only(gib: Mapping[Direction, float], priced: Iterable[Direction]) -> dict[Direction, float]:
    return {to: gib[to] for to in priced if to in gib}


def count(number: int, of: str) -> str:
    """``1 volume``, ``2 volumes``."""
    return f"{number} {of}" if number == 1 else f"{number} {of}s"
