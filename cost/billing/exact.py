"""Sums of money that never round: 28 digits, Python's default, are not enough for a bill.

A row of a few ten-millionths (12 decimals and more) beside an upfront payment of a million needs 20 digits already; a
hundred rows at a converted rate more. Where even 200 digits would round, it is an error and not a wrong cent.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Context, Decimal, Inexact, localcontext
from typing import Final

EXACT_DIGITS: Final = 200
GRAIN: Final = Decimal("1e-12")
"""Where a share of an amount has no end (a third of an hour), it is cut here, and the rest goes to the other side."""
_EXACT: Final = Context(prec=EXACT_DIGITS, traps=[Inexact])
_WIDE: Final = Context(prec=EXACT_DIGITS)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Their exact sum."""
    found = list(amounts)  # made before the trap is set: a share among them may well have been cut
    with localcontext(_EXACT):
        return sum(found, Decimal(0))


def share(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """``amount × part ÷ whole`` to ``GRAIN``; what is left over is ``amount`` less it, exactly."""
    with localcontext(_WIDE):
        return (amount * part / whole).quantize(GRAIN)


def ratio(part: Decimal, whole: Decimal) -> Decimal | None:
    """To ten decimals; None where there is no whole."""
    if not whole:
        return None
    with localcontext(_WIDE):
        return (part / whole).quantize(Decimal("1e-10"))
