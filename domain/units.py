"""Durations, quantities and ratios between the operator's spelling and ours."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal, InvalidOperation, Overflow
from typing import Final

_DURATION: Final = re.compile(
    r"(?:(?P<y>\d+)y)?(?:(?P<w>\d+)w)?(?:(?P<d>\d+)d)?(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m)?(?:(?P<s>\d+)s)?(?:(?P<ms>\d+)ms)?"
)
_DURATION_MS: Final = {
    "y": 365 * 86_400_000, "w": 7 * 86_400_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1,
}  # fmt: skip
_QUANTITY: Final = re.compile(
    r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?P<suffix>[KMGTPE]i|[numkMGTPE]?)"
)
_SUFFIX: Final = {
    "": Decimal(1), "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "k": Decimal(10) ** 3,
    **{prefix: Decimal(10) ** (3 * power) for power, prefix in enumerate("MGTPE", start=2)},
    **{f"{prefix}i": Decimal(1024) ** power for power, prefix in enumerate("KMGTPE", start=1)},
}  # fmt: skip


def parse_duration(text: str) -> timedelta:
    """A Prometheus duration (``15s``, ``1h30m``, ``21d``); ``ValueError`` with the expected form otherwise."""
    match = _DURATION.fullmatch(text)
    if not match or not text:
        if text == "0":
            return timedelta()
        raise ValueError(f"{text!r} is not a duration; write for example 15s, 5m, 1h30m or 21d")
    try:
        return timedelta(milliseconds=sum(_DURATION_MS[unit] * int(n) for unit, n in match.groupdict().items() if n))
    except OverflowError as error:
        raise ValueError(f"{text!r} is longer than any duration can be") from error


def format_duration(duration: timedelta) -> str:
    """The shortest Prometheus spelling of a duration: ``90s`` is ``1m30s``."""
    left = round(duration.total_seconds() * 1000)
    if left == 0:
        return "0s"
    parts: list[str] = []
    for unit in ("w", "d", "h", "m", "s", "ms"):
        count, left = divmod(left, _DURATION_MS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def parse_quantity(text: str) -> Decimal:
    """A Kubernetes quantity (``250m``, ``128Mi``, ``1.5``) in its base unit; ``ValueError`` otherwise."""
    match = _QUANTITY.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{text!r} is not a quantity; write for example 250m, 0.5, 128Mi or 2G")
    try:
        return Decimal(match["number"]) * _SUFFIX[match["suffix"]]
    except (InvalidOperation, Overflow) as error:
        raise ValueError(f"{text!r} is not a quantity") from error
