"""What a running Foretide would commit to: demand of its nodes as it was and as it is forecast, at the prices it has.

Right-sizing comes first (``kept``), then what the PriceSheet says is owned; only what is missing then is planned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Final

import numpy as np

from app.cost_model import label_names
from app.cost_node_hours import SeenNode
from app.cost_prices import PriceParts
from app.memo import Memo
from cost.billing.charges import CapacityType
from cost.commitments.demand import HOURS_PER_WEEK
from cost.commitments.newsvendor import Rates
from cost.commitments.plan import Owned, Plan, plan
from cost.commitments.seen import by_hour, mixture
from cost.pricing.chain import Sources, price_node
from cost.pricing.sheet import fits
from cost.pricing.things import SPOT_LABELS, Confidence, NodeFacts
from domain.errors import ForetideError
from domain.forecasts import Forecast
from domain.series import FloatArray
from forecaster import paths
from forecaster.fit import FitRequest
from rules.price_sheet import Commitment

HISTORY: Final = timedelta(days=28)
AHEAD_HOURS: Final = 4 * HOURS_PER_WEEK
PATHS: Final = 64
MOST_FORECASTS: Final = 5
"""Of the largest pools: a fit takes seconds of the one worker that decisions wait for, too."""
FEW_HOURS: Final = 4 * HOURS_PER_WEEK
ZONE: Final = "topology.kubernetes.io/zone"
_HOUR: Final = timedelta(hours=1)
_WEEK: Final = timedelta(days=7)
_KEPT_SECONDS: Final = 3600.0
_NOT_SIZED: Final = (
    "what right-sizing would free is not taken off: first size (foretide cost sizing), then commit, or say --kept"
)
Fit = Callable[[FitRequest], Forecast]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the operator says of commitments; see ``foretide cost commitments``."""

    discount: Decimal | None = None
    kept: float | None = None
    useless: Decimal = Decimal(0)
    parts: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Machines of one type in one region, hour by hour.

    Attributes:
        node: One of them, the newest, as if on demand: what prices are asked for.
        demand: On demand or committed, spot left out; shape ``(hours,)``.
        spot: The same of spot.
        zones: In which its nodes stand or stood; 0 where nobody tells.
    """

    name: str
    region: str
    node: NodeFacts
    demand: FloatArray
    spot: FloatArray
    zones: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """Of one pool; ``plan`` is None where a price is not known, and ``notes`` say why, or what is doubtful."""

    pool: Pool
    owned: tuple[Owned, ...]
    rates: Rates | None
    plan: Plan | None
    paths: FloatArray
    notes: tuple[str, ...]

    @property
    def owned_units(self) -> float:
        """What runs now."""
        return sum(one.quantity for one in self.owned)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveAdvice:
    """Of all pools, the largest first."""

    start: datetime
    end: datetime
    currency: str
    pools: tuple[Advice, ...]
    notes: tuple[str, ...] = field(default=())


class LiveCommitments:
    """Makes it; what nodes were there is looked up once an hour, and each pool forecast once an hour."""

    def __init__(self, parts: PriceParts, fit: Fit) -> None:
        """``fit`` runs a fit wherever there is room for seconds of CPU."""
        self._parts, self._fit = parts, fit
        self._memo = Memo(clock=parts.clock, keep_seconds=_KEPT_SECONDS)

    def of(self, terms: Terms) -> LiveAdvice:
        """What to commit to now.

        Raises:
            QueryError: Nodes of four weeks are more than one query may touch, or the source does not answer.
        """
        now = self._parts.clock.now()
        end = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        sources = self._parts.prices.at(now)
        labels = frozenset(label_names(sources) | {ZONE})
        seen = self._memo.get((end, labels), lambda: self._parts.seen.between(end - HISTORY, end, labels))
        start = min((span[0] for node in seen for span in node.stretches), default=end)
        first = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        start = first if first == start else first + _HOUR  # of the hour before nobody saw the whole
        pools = pools_of(seen, start=start, hours=max(int((end - start) / _HOUR), 0))
        owned, notes = owned_by(pools, sources, now)
        advice = []
        for rank, pool in enumerate(pools):
            ahead, told = (
                self._ahead(pool, start, end, now) if rank < MOST_FORECASTS else (None, "not forecast: a small pool")
            )
            advice.append(self._advice(pool, owned.get(rank, ()), ahead, told, terms, sources, end))
        if not pools:
            notes = [*notes, "no whole hour of any node is known yet"]
        if terms.kept is None:
            notes = [*notes, _NOT_SIZED]
        return LiveAdvice(start=start, end=end, currency=sources.currency, pools=tuple(advice), notes=tuple(notes))

    def _ahead(self, pool: Pool, start: datetime, end: datetime, now: datetime) -> tuple[FloatArray | None, str]:
        """Sampled paths of the weeks to come; or None, and why."""
        if len(pool.demand) < 2 * HOURS_PER_WEEK:
            return None, "less than two weeks are known: not forecast"
        if float(np.ptp(pool.demand)) == 0.0:
            return None, ""  # what never moves is its own forecast
        request = FitRequest(
            signal=f"nodes/{pool.name}/{pool.region}", values=pool.demand, start=start + _HOUR, step=_HOUR,
            season=_WEEK, horizon=AHEAD_HOURS, made_at=now,
        )  # fmt: skip
        try:
            forecast = self._memo.get((end, pool.name, pool.region), lambda: self._fit(request))
        except ForetideError as error:
            return None, f"not forecast: {error}"
        sampled = paths.sample(forecast, count=PATHS)
        return np.maximum(sampled, 0.0), ""

    def _advice(
        self, pool: Pool, owned: Sequence[Owned], ahead: FloatArray | None, told: str, terms: Terms, sources: Sources,
        start: datetime,
    ) -> Advice:  # fmt: skip
        mixed = mixture(pool.demand, ahead)
        rates, doubts = self._rates(pool, sources, terms)
        notes = [*([told] if told else []), *doubts]
        if len(pool.demand) < FEW_HOURS:
            notes.append(f"{len(pool.demand)} h only: too few for a term")
        made = None
        if rates is not None:
            kept = 1.0 if terms.kept is None else terms.kept
            made = plan(mixed, rates=rates, start=start, owned=owned, kept=kept, parts=terms.parts)
        return Advice(pool=pool, owned=tuple(owned), rates=rates, plan=made, paths=mixed, notes=tuple(notes))

    def _rates(self, pool: Pool, sources: Sources, terms: Terms) -> tuple[Rates | None, list[str]]:
        """On demand and committed, from the bill's own hours where it has them, else the sheet's or a discount."""
        means = self._parts.files.means(sources.currency)
        kind, region = pool.name, pool.region
        notes: list[str] = []
        billed = {one: means.get((kind, one, region)) or means.get((kind, one, "")) for one in
                  (CapacityType.ON_DEMAND.value, CapacityType.RESERVED.value)}  # fmt: skip
        own = billed[CapacityType.ON_DEMAND.value]
        found = price_node(sources.without_bill, pool.node)
        on_demand = own.hourly if own is not None and own.hourly else None if found is None else found.price.amount
        if own is None and found is not None and found.price.confidence is Confidence.ESTIMATE:
            notes.append("its price is an estimate by default prices")
        stated = [one for one in _stated(sources) if fits(_wanted(one), pool.node.selectors)]
        reserved = billed[CapacityType.RESERVED.value]
        committed = min((one.hourly for one in stated), default=None)
        if committed is None and reserved is not None:
            committed = reserved.hourly
        if committed is None and terms.discount is not None and on_demand is not None:
            committed = on_demand * (1 - terms.discount)
        if not on_demand:
            return None, [*notes, f"no price in {sources.currency} of such a machine"]
        if committed is None:
            return None, [*notes, "no commitment is stated or billed: say --discount"]
        return Rates(on_demand=on_demand, committed=committed, useless=terms.useless), notes


def pools_of(seen: Sequence[SeenNode], *, start: datetime, hours: int) -> list[Pool]:
    """By machine type and region, the largest first; nodes without a type are one pool."""
    grouped: dict[tuple[str, str], list[SeenNode]] = {}
    for node in seen:
        selectors = node.facts.selectors
        grouped.setdefault((selectors.get("instanceType", ""), selectors.get("region", "")), []).append(node)
    pools = []
    for (name, region), nodes in grouped.items():
        spans = {is_spot: [span for node in nodes if _is_spot(node) is is_spot for span in node.stretches]
                 for is_spot in (False, True)}  # fmt: skip
        newest = max(nodes, key=lambda node: (not _is_spot(node), node.stretches[-1][1], node.key))
        demand, spot = (by_hour(spans[kind], start=start, hours=hours) for kind in (False, True))
        if hours:
            pools.append(Pool(
                name=name, region=region, node=as_capacity(newest.facts, "on-demand"), demand=demand, spot=spot,
                zones=len({node.facts.labels[ZONE] for node in nodes if ZONE in node.facts.labels}),
            ))  # fmt: skip
    return sorted(pools, key=lambda pool: (-float((pool.demand + pool.spot).sum()), pool.name, pool.region))


def as_capacity(node: NodeFacts, kind: str) -> NodeFacts:
    """The same machine paid for otherwise: ``spot`` or ``on-demand``."""
    plain = {name: value for name, value in node.labels.items() if SPOT_LABELS.get(name) != value}
    return replace(node, labels=plain | ({"karpenter.sh/capacity-type": "spot"} if kind == "spot" else {}))


def owned_by(pools: Sequence[Pool], sources: Sources, now: datetime) -> tuple[dict[int, list[Owned]], list[str]]:
    """The sheet's commitments by pool: each to the largest that it fits; and what is said of the others."""
    owned: dict[int, list[Owned]] = {}
    notes = []
    for one in _stated(sources):
        ends = datetime.combine(one.ends, time.max, tzinfo=UTC)
        home = next((i for i, pool in enumerate(pools) if fits(_wanted(one), pool.node.selectors)), None)
        if ends < now:
            notes.append(f"commitment {one.id} ended on {one.ends}")
        elif home is None and pools:
            notes.append(f"commitment {one.id} fits no node that was seen: it is paid for and not used")
        elif home is not None:
            owned.setdefault(home, []).append(Owned(id=one.id, quantity=float(one.quantity), ends=ends))
    return owned, notes


def _stated(sources: Sources) -> Iterator[Commitment]:
    sheet = sources.sheet
    if sheet is not None and sheet.spec.currency == sources.currency:
        yield from sheet.spec.commitments


def _wanted(one: Commitment) -> dict[str, str]:
    return {name: value for name, value in one.match.selectors.items() if name != "capacityType"}


def _is_spot(node: SeenNode) -> bool:
    return node.facts.selectors["capacityType"] == CapacityType.SPOT
