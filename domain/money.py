"""Money: an exact amount in one currency."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """A ``Decimal`` amount in an ISO 4217 currency; amounts of two currencies never add up."""

    amount: Decimal
    currency: str

    def __add__(self, other: Money) -> Money:
        """The sum; ``ValueError`` where the currencies differ."""
        if other.currency != self.currency:
            raise ValueError(f"cannot add {other.currency} to {self.currency}")
        return Money(amount=self.amount + other.amount, currency=self.currency)

    def __sub__(self, other: Money) -> Money:
        """The difference; ``ValueError`` where the currencies differ."""
        return self + other * -1

    def __mul__(self, factor: Decimal | int) -> Money:
        """The amount times an exact number."""
        return Money(amount=self.amount * factor, currency=self.currency)
