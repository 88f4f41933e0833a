"""Numbers, times and money as a reader writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from domain.money import Money

NOTHING: Final = "–"
"""What stands where nobody knows a value."""
_SYMBOLS: Final = {"USD": "$", "EUR": "€", "GBP": "£"}


def number(value: float | None) -> str:
    """Three significant digits and thousands: 0.42, 12.3, 2,356, 1.25M."""
    if value is None or value != value:
        return NOTHING
    size = abs(value)
    if size >= 1e6:
        return f"{value / 1e6:.3g}M"
    if size >= 100 or size == 0:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 0.01 else f"{value:.1e}"


def count(value: int | None) -> str:
    """A whole number, or a dash."""
    return NOTHING if value is None else f"{value:,}"


def percent(ratio: float | None, digits: int = 1) -> str:
    """A ratio as percent, without the sign."""
    return NOTHING if ratio is None or ratio != ratio else f"{ratio * 100:.{digits}f}"


def seconds(value: float | None) -> tuple[str, str]:
    """A short duration and its unit: ``("131", "ms")``, ``("1.25", "s")``."""
    if value is None or value != value:
        return NOTHING, ""
    return (number(value), "s") if value >= 1 else (f"{value * 1000:.3g}", "ms")


def money(value: Money | None) -> str:
    """An amount with its currency, as many digits as it needs."""
    if value is None:
        return NOTHING
    digits = 2 if abs(value.amount) >= 1 or not value.amount else 3 if abs(value.amount) >= Decimal("0.1") else 4
    text = f"{abs(value.amount):,.{digits}f}"
    symbol = _SYMBOLS.get(value.currency)
    sign = "−" if value.amount < 0 else ""
    return f"{sign}{symbol}{text}" if symbol else f"{sign}{text} {value.currency}"


def signed_money(value: Money) -> str:
    """An amount that is a change: with + or −."""
    return f"+{money(value)}" if value.amount > 0 else money(value)


def span(duration: timedelta) -> str:
    """A length of time, its largest unit only: 40 s, 7 min, 5 h, 3 d."""
    left = abs(duration.total_seconds())
    for size, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if left >= size:
            return f"{left / size:.0f} {name}"
    return f"{left:.0f} s"


def age(at: datetime, now: datetime) -> str:
    """How long ago, or in how long: ``40 s ago``, ``in 7 min``."""
    return f"{span(now - at)} ago" if at <= now else f"in {span(at - now)}"


def clock(at: datetime) -> str:
    """Time of day, UTC, with seconds: decisions come every 15 s."""
    return f"{at.astimezone(UTC):%H:%M:%S}"


def day(at: datetime) -> str:
    """Day and month, UTC."""
    return f"{at.astimezone(UTC):%-d %b}"


def stamp(at: datetime) -> str:
    """Whole instant, UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
