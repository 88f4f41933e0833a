"""Times as somebody writes them in an option: so long ago, so long from now, or a moment with its offset."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from domain.units import parse_duration

FIRST_YEAR: Final = 1971
LAST_YEAR: Final = 2199


def moment(option: str, text: str, now: datetime, *, ahead: bool = False) -> datetime:
    """``6h`` before ``now`` (or after it, where ``ahead``), or the moment that is written.

    Raises:
        ValueError: It is neither, has no offset, or lies where no calendar reaches; ``option`` is named.
    """
    try:
        lasts = parse_duration(text)
    except ValueError:
        return _written(option, text)
    try:
        return now + lasts if ahead else now - lasts
    except OverflowError:
        raise ValueError(f"{option} {text}: no calendar reaches so far") from None


def usable(name: str, found: datetime) -> datetime:
    """What a question names, in the years that every time zone and every store of ours can hold.

    Raises:
        ValueError: It has no offset, or lies outside of them; ``name`` is named.
    """
    if found.tzinfo is None:
        raise ValueError(f"{name}={found.isoformat()} has no offset; write for example 2026-11-21T12:00:00Z")
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise ValueError(f"{name}={found.isoformat()}: expected a year from {FIRST_YEAR} to {LAST_YEAR}")
    return found


def _written(option: str, text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{option} {text}: expected 6h, 30d, or a time such as 2026-11-21T12:00:00Z") from None
    if found.tzinfo is None:
        raise ValueError(f"{option} {text} has no offset; write for example 2026-11-21T12:00:00Z")
    return found
