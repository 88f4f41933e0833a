"""The price of a load balancer and of a GiB of traffic, from the surest source that has one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Final

from cost.allocation.attached import Direction
from cost.pricing import defaults
from cost.pricing.chain import Sources
from cost.pricing.things import Confidence, Price
from rules.price_sheet import NetworkPrices, PriceSheetSpec

_OF_NETWORK: Final[dict[Direction, Callable[[NetworkPrices], Decimal | None]]] = {
    "zone": lambda prices: prices.inter_zone_gib,
    "region": lambda prices: prices.inter_region_gib,
    "internet": lambda prices: prices.internet_gib,
}


def price_balancer(sources: Sources, service: str) -> Price | None:
    """What the load balancer of a Service (``namespace/name``) costs in an hour."""
    hourly = None if sources.reported is None else sources.reported.balancer_hourly(service)
    reported = None if hourly is None else _made(sources, hourly, "OpenCost's metrics", None, Confidence.REPORTED)
    return _price(sources, lambda spec: spec.load_balancer_hourly, reported)


def price_gib(sources: Sources, to: Direction) -> Price | None:
    """What a GiB costs that goes there."""
    return _price(sources, lambda spec: _OF_NETWORK[to](spec.network))


def _price(
    sources: Sources, of: Callable[[PriceSheetSpec], Decimal | None], reported: Price | None = None
) -> Price | None:
    sheet = sources.sheet
    if sheet is not None and sheet.spec.currency == sources.currency and (amount := of(sheet.spec)) is not None:
        return _made(sources, amount, f"PriceSheet {sheet.key}", sheet.spec.as_of, Confidence.STATED)
    if reported is not None:
        return reported
    if sources.currency != defaults.SHEET.currency or (amount := of(defaults.SHEET)) is None:
        return None
    return _made(sources, amount, "default prices", defaults.AS_OF, Confidence.ESTIMATE)


def _made(sources: Sources, amount: Decimal, source: str, as_of: date | None, confidence: Confidence) -> Price:
    return Price(amount=amount, currency=sources.currency, source=source, as_of=as_of, confidence=confidence)
