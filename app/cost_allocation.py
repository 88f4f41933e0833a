"""The allocation of a window: what the store knows, priced, split and shown by any grouping."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from app.cost_attached import AttachedBooks, attached_books
from app.cost_facts import CostFacts
from app.cost_known import Known, Wanted
from app.cost_machines import Machines, costed
from app.cost_model import label_names
from app.cost_prices import Prices
from app.queries import Queries
from app.settings import Settings
from cost.allocation import nodes
from cost.allocation.distribute import OVERHEAD
from cost.allocation.ledger import Basis, Idle, Ledger, Line, cost_of, exact_sum, ledger
from cost.allocation.nodes import Window
from cost.allocation.report import Asked, Report, report
from cost.allocation.subject import Subject, label_of
from cost.pricing.chain import PricedNode, Sources, notes_on
from cost.pricing.covered import COMMITMENT_UNUSED
from cost.pricing.things import Price
from domain.clock import Clock

LONGEST: Final = timedelta(days=31)
_STEPS: Final = ((timedelta(days=1), timedelta(minutes=1)), (timedelta(days=7), timedelta(minutes=5)))
"""Steps of usage by length of the window; longer ones have 15 minutes. Starts and ends are exact to a step."""


_UNSEEN: Final = timedelta(minutes=15)
"""So much may be missing at the beginning before it is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocated:
    """A window's report and the prices that it stands on: of nodes, volumes and load balancers."""

    window: Window
    basis: Basis
    report: Report
    prices: tuple[Price, ...]
    volumes: tuple[Price, ...] = ()
    balancers: tuple[Price, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """A window's ledger before anybody groups it.

    Attributes:
        prices: Of each node, in order of names.
        attached: Volumes, load balancers and traffic, which are in the ledger, with their prices.
        seen: Share of the window in which a node with a price was known (ratio).
    """

    window: Window
    ledger: Ledger
    prices: tuple[Price, ...]
    seen: float
    attached: AttachedBooks = AttachedBooks()


class Allocations:
    """Makes them; everything is read when it is asked for."""

    def __init__(self, facts: CostFacts, prices: Prices, clock: Clock, *, pod_labels: tuple[str, ...] = ()) -> None:
        """``pod_labels`` are those of books that nobody has asked a question of."""
        self._facts, self._prices, self._clock, self._labels = facts, prices, clock, pod_labels

    def of(self, start: datetime, end: datetime, asked: Asked, basis: Basis) -> Allocated:
        """The allocation from ``start`` to ``end``.

        Raises:
            ValueError: The window is empty, too long or in the future.
            QueryError: It is more than one query may touch.
        """
        made = self.books(start, end, basis, asked.dimensions)
        return Allocated(
            window=made.window, basis=basis, report=report(made.ledger, asked), prices=made.prices,
            volumes=made.attached.volumes, balancers=made.attached.balancers,
        )  # fmt: skip

    def known(self, window: Window) -> tuple[Sources, Known]:
        """What ran in a window, and what it may be priced by; raises ``QueryError`` as ``of`` does."""
        sources = self._prices.at(window.end)
        return sources, self._facts.known(window, Wanted(node_labels=frozenset(label_names(sources))))

    def books(
        self, start: datetime, end: datetime, basis: Basis = "conserving", by: frozenset[str] | None = None
    ) -> Books:
        """The ledger from ``start`` to ``end``, for questions ``by`` these dimensions; None: by any.

        Raises as ``of`` does.
        """
        window = _window(start, min(end, self._clock.now()))
        sources = self._prices.at(window.end)
        labels = self._labels if by is None else tuple(sorted(filter(None, map(label_of, by))))
        wanted = Wanted(
            node_labels=frozenset(label_names(sources)), pod_labels=labels, services=by is None or "service" in by
        )
        known = self._facts.known(window, wanted)
        machines = costed(known.nodes, sources, window)
        priced, beside = machines.priced, attached_books(known, sources, window)
        books = self._books(known, machines, sources, window, basis, beside)
        prices = tuple(one.price for _, one in sorted(priced.items()))
        return Books(window=window, ledger=books, prices=prices, attached=beside, seen=_seen(known, priced, window))

    def _books(
        self,
        known: Known,
        machines: Machines,
        sources: Sources,
        window: Window,
        basis: Basis,
        beside: AttachedBooks,
    ) -> Ledger:
        items, priced = list(beside.items), machines.priced
        idle: list[Idle] = []
        used = [*(one.price for one in priced.values()), *beside.volumes, *beside.balancers]
        notes = [*notes_on(sources, used, window.end.date())]
        if sources.reported is not None:
            notes += sources.reported.notes
        for node, pods in nodes.by_node(machines.intervals, known.pods):
            share = nodes.share(node, pods, window, basis=basis)
            items += share.items
            idle += [share.idle] if share.idle is not None else []
            notes += share.notes
        notes += [*_unseen(known, window), *_gaps(known, priced, sources.currency), *known.notes, *beside.notes]
        lines = [*_lines(sources, machines.unused, window), *beside.lines]
        return ledger(sources.currency, items=items, idle=idle, lines=lines, notes=notes, basis=basis)


def wired(settings: Settings, queries: Queries, prices: Prices, clock: Clock) -> Allocations:
    """What a running Foretide asks: with ``cluster: local`` its own processes, else what series tell."""
    local: dict[tuple[str, str], dict[str, float]] | None = None
    if settings.cluster == "local":
        local = {
            (one.namespace, one.name): {str(name): float(quantity) for name, quantity in one.requests.items()}
            for one in settings.local.workloads
        }
    labels = () if settings.kubernetes is None else settings.kubernetes.collect_labels
    return Allocations(CostFacts(queries, local=local), prices, clock, pod_labels=labels)


def _window(start: datetime, end: datetime) -> Window:
    """Whole steps, so that the same question twice reads the same samples."""
    length = end - start
    if length <= timedelta():
        raise ValueError("from must lie before to, and before now")
    if length > LONGEST:
        raise ValueError(f"at most {LONGEST.days} days at once")
    step = next((step for longest, step in _STEPS if length <= longest), timedelta(minutes=15))
    return Window(start=min(start, end - step), steps=max(1, length // step), step=step)


def _seen(known: Known, priced: Mapping[str, PricedNode], window: Window) -> float:
    """Share of the window that the nodes with a price cover together."""
    spans = sorted((one.start, one.end or window.end) for one in known.nodes if one.facts.name in priced)
    covered, until = timedelta(), window.start
    for start, end in spans:
        covered += max(end - max(start, until), timedelta())
        until = max(until, end)
    return covered / (window.end - window.start)


def _lines(sources: Sources, unused: Decimal, window: Window) -> Iterator[Line]:
    """What belongs to no node: overhead of the sheet, and commitments that nobody uses."""
    length = window.end - window.start
    if unused:
        yield Line(name=COMMITMENT_UNUSED, subject=Subject(), cost=unused)
    if sources.sheet is not None and sources.sheet.spec.currency == sources.currency:
        hourly = exact_sum(sources.sheet.spec.overhead_hourly.values())
        if hourly:
            yield Line(name=OVERHEAD, subject=Subject(), cost=cost_of(hourly, length))


def _unseen(known: Known, window: Window) -> Iterator[str]:
    """Overhead is reckoned for the whole window, nodes only where somebody saw them."""
    first = min((node.start for node in known.nodes), default=window.start)
    if first - window.start > max(window.step, _UNSEEN):
        yield f"no node is known before {first:%Y-%m-%d %H:%M} UTC: what nodes cost until then is not in the sums"


def _gaps(known: Known, priced: Mapping[str, PricedNode], currency: str) -> Iterator[str]:
    """What is not known, in sentences."""
    if not known.nodes:
        yield f"no node is known in this time: {known.missing}"
    unpriced = sorted({node.facts.name for node in known.nodes} - set(priced))
    if unpriced:
        yield f"no price in {currency} of {_some(unpriced)}: neither these nodes nor their pods are in the sums"
    places = {(node.subject.cluster, node.subject.node) for node in known.nodes}
    lost = sorted({pod.subject.pod for pod in known.pods if (pod.subject.cluster, pod.subject.node) not in places})
    if lost:
        yield f"the nodes of {_some(lost)} are not known: these pods are not in the sums"
    blind = {pod.subject.pod for pod in known.pods if pod.cpu_usage is None and pod.memory_usage is None}
    if blind:
        yield f"no usage is known of {len(blind)} pods: they are charged for what they request"
    free = sorted(name for name, one in priced.items() if not one.price.amount)
    if free:
        yield f"{_some(free)} cost nothing: {priced[free[0]].price.source} has a price of 0"
    told: dict[str, list[str]] = defaultdict(list)
    for name, one in priced.items():
        if one.note:
            told[one.note].append(name)
    yield from (f"{note} at {_some(sorted(names))}" for note, names in sorted(told.items()))


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
