"""What a row of a bill says against itself; it counts all the same, for the invoice has it too."""

from __future__ import annotations

from decimal import Decimal, localcontext

from cost.billing.charges import Charge, ChargeCategory
from cost.billing.exact import EXACT_DIGITS
from cost.billing.quality import Effect, Notes, Problem


def check(one: Charge, notes: Notes) -> None:
    """Add a line for each fault of a row."""
    for column, problem, message in (*_negative(one), *_zero(one), *_mismatched(one), *_commitment(one)):
        notes.add(one.file, one.row, column, problem, Effect.COUNTED, message)


Fault = tuple[str, Problem, str]


def _negative(one: Charge) -> list[Fault]:
    """Only corrections, credits and adjustments take something back."""
    if one.is_correction or one.category in (ChargeCategory.CREDIT, ChargeCategory.ADJUSTMENT):
        return []
    quantities = (("PricingQuantity", one.pricing_quantity), ("ConsumedQuantity", one.consumed_quantity))
    found: list[Fault] = [
        (column, Problem.NEGATIVE_QUANTITY, f"{value} in a row that is no correction: it makes no price and no hours")
        for column, value in quantities
        if value is not None and value < 0
    ]
    costs = (("BilledCost", one.billed_cost), ("EffectiveCost", one.effective_cost))
    return found + [
        (column, Problem.NEGATIVE_COST, f"{value} in a row that is neither a credit nor a correction")
        for column, value in costs
        if value < 0
    ]


def _zero(one: Charge) -> list[Fault]:
    """A price of zero may be a free tier or a hole; it never becomes a price of ours."""
    quantity = one.pricing_quantity
    if not one.is_usage or one.is_unused_commitment or quantity is None or quantity <= 0:
        return []
    for column, price in (("ListUnitPrice", one.list_unit_price), ("ContractedUnitPrice", one.contracted_unit_price)):
        if price == 0:
            return [(column, Problem.ZERO_PRICE, "a price of zero: it stays in the sums and becomes no price of ours")]
    if not one.effective_cost and not one.list_cost:
        return [("EffectiveCost", Problem.ZERO_PRICE, f"{quantity} {one.pricing_unit} for nothing")]
    return []


def _mismatched(one: Charge) -> list[Fault]:
    """Cost is unit price times quantity, to the last digit that the cost is written with."""
    pairs = (
        ("ListCost", one.list_cost, one.list_unit_price),
        ("ContractedCost", one.contracted_cost, one.contracted_unit_price),
    )
    quantity = one.pricing_quantity
    found: list[Fault] = []
    with localcontext() as context:
        context.prec = EXACT_DIGITS
        for column, cost, price in pairs:
            if cost is None or price is None or quantity is None:
                continue
            product = price * quantity
            digits = int(cost.as_tuple().exponent)
            if abs(product - cost) > max(Decimal(1).scaleb(min(digits, 0)) / 2, abs(cost) * Decimal("1e-9")):
                found.append((column, Problem.PRICE_MISMATCH, f"{cost} is not {price} × {quantity} = {product}"))
    return found


def _commitment(one: Charge) -> list[Fault]:
    if not one.commitment:
        return []
    if one.category is ChargeCategory.PURCHASE and one.effective_cost:
        message = f"{one.effective_cost} on the purchase of {one.commitment}, whose usage carries it: counted twice"
        return [("EffectiveCost", Problem.PURCHASE_NOT_ZERO, message)]
    if one.is_usage and one.commitment_status not in ("Used", "Unused"):
        said = one.commitment_status or "nothing"
        message = f"{said!r} where Used or Unused is wanted; it counts as neither"
        return [("CommitmentDiscountStatus", Problem.STATUS_MISSING, message)]
    return []
