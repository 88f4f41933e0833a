"""What Foretide itself costs: what its process and workers used since the start, at the sheet's price."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from app.cost_allocation import Allocations
from app.cost_sizing_money import unit_prices
from app.own_use import OwnMeter, OwnUse
from cost.prices import cost_per_hour
from cost.verified.verdict import monthly
from domain.money import Money
from rules.price_sheet import PriceSheet


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCost:
    """In a month of 730 hours, at the mean since the start.

    Attributes:
        use: None in the first minutes.
        monthly: None where there is no price.
        source: Of the price.
        why: Why there is no amount; empty where there is.
    """

    use: OwnUse | None
    monthly: Decimal | None
    currency: str
    source: str
    why: str


class OwnCosts:
    """Asked when somebody looks."""

    def __init__(self, meter: OwnMeter, sheet: Callable[[], PriceSheet | None], allocations: Allocations) -> None:
        """``allocations`` tells what nodes cost where the sheet prices only certain machines, or there is none."""
        self._meter, self._sheet, self._allocations = meter, sheet, allocations

    def now(self, now: datetime) -> OwnCost:
        """As of now."""
        use = self._meter.use()
        if use is None:
            return OwnCost(use=None, monthly=None, currency="", source="", why="measured from a minute after the start")
        sheet = self._sheet()
        price = None if sheet is None else _by_sheet(use, sheet)
        if sheet is not None and price is not None:
            return _cost(use, price, f"PriceSheet {sheet.key}")
        units = unit_prices(self._allocations, now)
        if units.prices is None:
            return OwnCost(use=use, monthly=None, currency="", source="", why=units.why)
        cores, gib = Decimal(repr(use.cpu_cores)), Decimal(repr(use.memory_bytes)) / 2**30
        hourly = cores * units.prices.cpu_core_hour + gib * units.prices.memory_gib_hour
        return _cost(use, Money(amount=hourly, currency=units.prices.currency), units.prices.source)


def _by_sheet(use: OwnUse, sheet: PriceSheet) -> Money | None:
    return cost_per_hour({"cpu": use.cpu_cores, "memory": use.memory_bytes}, 1, sheet)


def _cost(use: OwnUse, hourly: Money, source: str) -> OwnCost:
    return OwnCost(use=use, monthly=monthly(hourly.amount), currency=hourly.currency, source=source, why="")
