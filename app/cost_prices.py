"""All that prices come from in a running Foretide; ``GET /api/v1/cost/prices`` says how each of it stands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import BaseModel, Field, PlainSerializer

from app.cost_model import CostModel
from app.cost_node_hours import NodeHours
from app.cost_price_files import PriceFiles
from app.cost_price_view import PriceSourceView, source_view
from app.envelope import ERROR_RESPONSES, Ok, ok
from app.queries import Queries
from app.settings import Settings
from cost.billing.model import Modelled
from cost.pricing import defaults, opencost_metrics
from cost.pricing.billed import ByBill
from cost.pricing.chain import Sources
from domain.clock import Clock
from rules import RuleSet

READ_EVERY: Final = timedelta(seconds=30)
"""Unchanged files cost one stat each."""
_REPORTED: Final = f'{{__name__=~"{"|".join(opencost_metrics.METRICS)}"}}'
Amount = Annotated[Decimal, PlainSerializer(lambda amount: f"{amount:f}", return_type=str, when_used="json")]


class Prices:
    """The sources of a moment: the sheet that runs, the operator's files, OpenCost's metrics."""

    def __init__(self, queries: Queries, rules: Callable[[], RuleSet], files: PriceFiles | None = None) -> None:
        """Nothing is asked yet."""
        self._queries, self._rules, self._files = queries, rules, files

    def at(self, moment: datetime) -> Sources:
        """All of them, in one currency: the sheet's, else the bill's, else that of the defaults."""
        sheet, files = self._rules().price_sheet, self._files
        currency = sheet.spec.currency if sheet is not None else "" if files is None else files.prices.currency
        currency = currency or defaults.SHEET.currency
        found = self._queries.instant(_REPORTED, moment)
        samples = [(dict(labels).get("__name__", ""), dict(labels), value) for labels, value in found.items()]
        return Sources(
            currency=currency, sheet=sheet, file=None if files is None else files.opencost,
            reported=opencost_metrics.read(samples) if samples else None,
            bill=ByBill() if files is None else files.by_bill(currency),
        )  # fmt: skip


class PriceParts:
    """What a running Foretide prices with, put together once."""

    def __init__(self, settings: Settings, queries: Queries, rules: Callable[[], RuleSet], clock: Clock) -> None:
        """Nothing is read yet; ``files.tick`` is the loop that reads."""
        self._rules, self.clock = rules, clock
        self.seen = NodeHours(queries, local=settings.cluster == "local")
        self.files = PriceFiles(settings.prices, wanted=self._wanted, model=self._raw)
        self.prices = Prices(queries, rules, self.files)
        self.model = CostModel(self.seen, self.prices.at)
        self.has_files = not settings.prices.is_empty

    def _raw(self, start: datetime, end: datetime) -> tuple[Modelled, ...]:
        return self.model.of(start, end, raw=True).rows

    def _wanted(self) -> tuple[str | None, bool, str]:
        sheet = self._rules().price_sheet
        if sheet is None:
            return None, False, ""
        return sheet.spec.currency, bool(sheet.spec.commitments), sheet.spec.model_dump_json()


class FactorView(BaseModel):
    """What a bill makes of the price of a kind of machine."""

    instance_type: str
    capacity_type: str
    region: str
    factor: Amount | None = Field(description="What our price is multiplied with; null where the bill's own counts.")
    hourly: Amount | None = Field(description="What an hour cost by the bill; null where a factor counts.")
    hours: Amount | None
    as_of: str | None


class PricesView(BaseModel):
    """Where prices come from, the surest first."""

    currency: str
    sources: list[PriceSourceView]
    sheet: str | None
    opencost_metrics: bool
    by_bill: list[FactorView]


def router(parts: PriceParts) -> APIRouter:
    """The one route."""
    api = APIRouter(prefix="/cost", responses=ERROR_RESPONSES)

    @api.get("/prices", operation_id="getCostPrices")
    def prices() -> Ok[PricesView]:
        """Where prices of nodes come from, how the operator's files stand, and what a bill makes of them."""
        found = parts.prices.at(parts.clock.now())
        return ok(PricesView(
            currency=found.currency, sources=[source_view(one) for one in parts.files.states()],
            sheet=None if found.sheet is None else found.sheet.key, opencost_metrics=found.reported is not None,
            by_bill=list(_factors(found.bill)),
        ))  # fmt: skip

    return api


def _factors(bill: ByBill) -> list[FactorView]:
    made = [
        FactorView(
            instance_type=kind, capacity_type=capacity, region=region, factor=factor, hourly=None, hours=None,
            as_of=None if bill.at is None else bill.at.isoformat(),
        )
        for (kind, capacity, region), factor in bill.factors.items()
    ]  # fmt: skip
    made += [
        FactorView(
            instance_type=kind, capacity_type=capacity, region=region, factor=None, hourly=one.hourly, hours=one.hours,
            as_of=one.as_of.isoformat(),
        )
        for (kind, capacity, region), one in bill.prices.items()
    ]  # fmt: skip
    return sorted(made, key=lambda one: (one.instance_type, one.capacity_type, one.region))
