"""Which rows are of this bill: of one currency, and of one account where one was asked for; each other has its line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal, localcontext
from typing import Final

from cost.billing.charges import Charge
from cost.billing.exact import EXACT_DIGITS, GRAIN
from cost.billing.quality import Effect, Notes, Problem

_COSTS: Final = ("billed_cost", "effective_cost", "list_cost", "contracted_cost", "list_unit_price",
                 "contracted_unit_price")  # fmt: skip


def of_account(charges: list[Charge], account: str | None, notes: Notes) -> tuple[list[Charge], list[Charge]]:
    """Those of the account, and the others where one was asked for."""
    own = account or most(one.billing_account for one in charges)
    others = [one for one in charges if one.billing_account not in (own, "")]
    effect = Effect.COUNTED if account is None else Effect.ROW_LEFT_OUT
    for one in others:
        message = f"{one.billing_account!r}, where {'most rows are' if account is None else 'this bill is asked for'}"
        message += f" of {own!r}"
        notes.add(one.file, one.row, "BillingAccountId", Problem.ANOTHER_ACCOUNT, effect, message)
    if account is None:
        return charges, []
    return [one for one in charges if one.billing_account in (own, "")], others


def of_currency(
    charges: list[Charge], main: str, rates: Mapping[str, Decimal], notes: Notes
) -> tuple[list[Charge], list[Charge]]:
    """All in ``main``, converted where there is a rate; those without one apart."""
    kept: list[Charge] = []
    apart: list[Charge] = []
    for one in charges:
        rate = Decimal(1) if one.currency in (main, "") else rates.get(one.currency)
        if rate is None:
            message = f"{one.currency}, where the bill is in {main}, and no rate is given"
            notes.add(
                one.file, one.row, "BillingCurrency", Problem.ANOTHER_CURRENCY, Effect.ROW_LEFT_OUT, message
            )  # fmt: skip
            apart.append(one)
        else:
            kept.append(one if one.currency in (main, "") else _converted(one, main, rate))
    return kept, apart


def _converted(one: Charge, currency: str, rate: Decimal) -> Charge:
    with localcontext() as context:
        context.prec = EXACT_DIGITS
        costs = {field: getattr(one, field) for field in _COSTS}
        changed = {field: (value * rate).quantize(GRAIN) for field, value in costs.items() if value is not None}
    return replace(one, currency=currency, **changed)


def most(names: Iterator[str]) -> str:
    """The one that most have; of equals the first by name; empty where nobody has one."""
    counted = Counter(name for name in names if name)
    return min(counted, key=lambda name: (-counted[name], name)) if counted else ""
