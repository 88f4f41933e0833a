"""The ``PriceSheet`` document: what a core and a GiB cost."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rules.amounts import Price
from rules.document import Metadata, Strict
from rules.fields import CurrencyCode


class PriceSheetSpec(Strict):
    """Prices of what replicas request."""

    currency: CurrencyCode
    cpu_core_hour: Price
    memory_gib_hour: Price = Field(alias="memoryGiBHour")


class PriceSheet(Strict):
    """What a core and a GiB cost per hour."""

    api_version: Literal["foretide.dev/v1alpha1"]
    kind: Literal["PriceSheet"]
    metadata: Metadata
    spec: PriceSheetSpec

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.metadata.namespace}/{self.metadata.name}"
