"""Which nodes a sheet's commitments pay for within a time in which nodes come and go, and what nobody uses of them.

Between two arrivals or departures nothing changes: each such stretch is covered as ``cover`` does. So a machine that
was replaced hands its commitment to the next one, and what is paid in a gap between them is the line of nobody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from itertools import islice, pairwise

from cost.pricing.sheet import fits
from cost.pricing.things import NodeFacts
from rules.price_sheet import Commitment


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A node as long as it was there; ``end`` None is still."""

    node: NodeFacts
    start: datetime
    end: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Time in which a node has one price: a commitment's, or (None) its own."""

    start: datetime
    end: datetime
    hourly: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CoveredTime:
    """Stretches of each stay that a commitment ever fits, by its place; and for how long how much an hour is unused."""

    stretches: Mapping[int, Sequence[Stretch]]
    unused: tuple[tuple[Decimal, timedelta], ...]


def cover_time(stays: Sequence[Stay], commitments: Iterable[Commitment], start: datetime, end: datetime) -> CoveredTime:
    """Assign nodes to commitments from ``start`` to ``end``; each commitment ends with its last day, of UTC."""
    order = [(one, _candidates(stays, one)) for one in sorted(commitments, key=lambda one: (one.hourly, one.id))]
    fitting = {at for _, candidates in order for at in candidates}
    found: dict[int, list[Stretch]] = defaultdict(list)
    unused: dict[Decimal, timedelta] = defaultdict(timedelta)
    for first, last in pairwise(_edges(stays, fitting, order, start, end)):
        left = {at for at in fitting if stays[at].start <= first and _ends(stays[at], end) >= last}
        there, paid = set(left), dict[int, Decimal]()
        for one, candidates in order:
            if first >= _over(one):
                continue
            taken = list(islice((at for at in candidates if at in left), int(one.quantity)))
            left.difference_update(taken)
            paid |= dict.fromkeys(taken, one.hourly)
            if over := one.quantity - len(taken):
                unused[one.hourly * over] += last - first
        for at in there:
            _append(found[at], Stretch(start=first, end=last, hourly=paid.get(at)))
    return CoveredTime(stretches=dict(found), unused=tuple(sorted(unused.items())))


def _candidates(stays: Sequence[Stay], one: Commitment) -> list[int]:
    """Places of those that it may cover, by name: on demand, whatever kind of capacity the commitment names."""
    wanted = {name: value for name, value in one.match.selectors.items() if name != "capacityType"}
    of = [(stay.node.name, at) for at, stay in enumerate(stays)
          if (own := stay.node.selectors)["capacityType"] != "spot" and fits(wanted, own)]  # fmt: skip
    return [at for _, at in sorted(of)]


def _edges(
    stays: Sequence[Stay], fitting: Iterable[int], order: Iterable[tuple[Commitment, object]], start: datetime,
    end: datetime,
) -> list[datetime]:  # fmt: skip
    """Where anything may change."""
    moments = {moment for at in fitting for moment in (stays[at].start, _ends(stays[at], end))}
    moments |= {_over(one) for one, _ in order}
    return sorted({start, end, *(moment for moment in moments if start < moment < end)})


def _ends(stay: Stay, end: datetime) -> datetime:
    return end if stay.end is None else stay.end


def _over(one: Commitment) -> datetime:
    """The first moment after its last day."""
    return datetime.combine(one.ends, time.min, tzinfo=UTC) + timedelta(days=1)


def _append(stretches: list[Stretch], new: Stretch) -> None:
    """As one with the last, where the price stays."""
    if stretches and stretches[-1].end == new.start and stretches[-1].hourly == new.hourly:
        new = Stretch(start=stretches.pop().start, end=new.end, hourly=new.hourly)
    stretches.append(new)
