"""Section ``prices`` of foretide.yaml: files that prices come from, beside the PriceSheet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from rules.amounts import PositiveAmount
from rules.fields import CurrencyCode, Text


class PricesSection(BaseModel):
    """Every path is relative to foretide.yaml; files are read again when they change."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    opencost_csv: Text | None = None
    """Prices of nodes, GPUs and volumes in the form of OpenCost's CSV; in the currency of the PriceSheet."""
    bills: Annotated[tuple[Text, ...], Field(max_length=100)] = ()
    """Bills in FOCUS, CSV or Parquet: files, folders or globs. What machines really cost comes from them."""
    account: Text | None = None
    """BillingAccountId; rows of another are left out. Default: they count, and are told."""
    rates: dict[CurrencyCode, PositiveAmount] = {}
    """What one of another currency of the bills is worth in ours; without it such rows are left out."""
    provisional: bool = False
    """Take charges of billing periods that are still open in, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSettings:
    """The same, with paths that can be opened.

    Attributes:
        opencost_csv: A file.
        bills: Files, folders or globs.
        account: Whose rows count; None: everybody's.
        rates: By currency, > 0.
        provisional: Whether open billing periods count.
    """

    opencost_csv: Path | None = None
    bills: tuple[str, ...] = ()
    account: str | None = None
    rates: Mapping[str, Decimal] = field(default_factory=dict)
    provisional: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is no file to read at all."""
        return self.opencost_csv is None and not self.bills


def of_section(given: PricesSection, *, folder: Path) -> PriceSettings:
    """With paths relative to ``folder``."""
    return PriceSettings(
        opencost_csv=None if given.opencost_csv is None else folder / given.opencost_csv,
        bills=tuple(str(folder / one) for one in given.bills), account=given.account,
        rates=given.rates, provisional=given.provisional,
    )  # fmt: skip
