"""The forecast trigger: which forecast, how far ahead, how sure, or at which price."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any, Final, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from domain.units import format_duration
from rules.amounts import Duration, DurationOrAuto, Float, PriceOrAuto, Share
from rules.document import Strict, mistake
from rules.fields import DnsLabel, DocumentKey, MetricLabel, Text
from rules.forecast import Lengths

SHORTEST_OVER: Final = timedelta(hours=1)
LONGEST_OVER: Final = timedelta(days=90)
"""What was served is counted by the hour; 2,160 of them are kept for a signal at most."""


class Gate(Strict):
    """The forecast is used only while it errs by at most this: what was served ``over`` that time, or its backtest."""

    wape: Float = Field(default=0.25, json_schema_extra={"exclusiveMinimum": 0, "maximum": 10})
    over: Duration | None = None

    @field_validator("wape")
    @classmethod
    def _ratio(cls, value: float) -> float:
        if not 0 < value <= 10:
            raise ValueError(f"expected a ratio above 0 and up to 10, for example 0.25; found the number {value:g}")
        return value

    @field_validator("over")
    @classmethod
    def _counted_by_the_hour(cls, value: timedelta | None) -> timedelta | None:
        if value is not None and not SHORTEST_OVER <= value <= LONGEST_OVER:
            raise ValueError(f"must be from {format_duration(SHORTEST_OVER)} to {format_duration(LONGEST_OVER)}")
        return value


class MissPrice(Strict):
    """The forecast's floor by price: idle replicas against the risk of a violated minute.

    ``violated_minute`` is what one such minute is worth, in minutes of a pod; ``auto`` steers it by ``budget``.
    """

    violated_minute: PriceOrAuto = "auto"
    budget: Share | None = None

    @property
    def fixed(self) -> Decimal | None:
        """The price that the operator gave; None where it is found."""
        return None if self.violated_minute == "auto" else self.violated_minute


class ForecastTrigger(Lengths):
    """A floor from a forecast: of another trigger of the same rule, or of a series of a ``Forecast`` document.

    With ``document`` the lengths, the model and the time zone stand there (see ``checks``).
    """

    of: DnsLabel | None = None
    document: DocumentKey | None = None
    series: dict[MetricLabel, Text] = Field(default_factory=dict)
    quantile: Float = Field(default=0.9, json_schema_extra={"minimum": 0.5, "maximum": 0.99})
    price: MissPrice | None = None
    lead: DurationOrAuto = "auto"
    gate: Gate | None = None

    @property
    def source(self) -> str:
        """The trigger or the document that is forecast, as the operator calls it."""
        return self.of or self.document or ""

    @property
    def policy(self) -> Literal["quantile", "price"]:
        """How the floor follows from the forecast's distribution."""
        return "quantile" if self.price is None else "price"

    @model_serializer(mode="wrap")
    def _without_the_other_policy(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What is written out can be read again: beside a price there stands no quantile."""
        out: dict[str, Any] = written(self)
        if self.price is not None:
            out.pop("quantile", None)
        return out

    @field_validator("quantile")
    @classmethod
    def _upper_half(cls, value: float) -> float:
        if not 0.5 <= value <= 0.99:
            raise ValueError(f"must be from 0.5 to 0.99; found the number {value:g}")
        return value

    @model_validator(mode="after")
    def _lengths_stand_once(self) -> Self:
        if self.document is not None:
            for name, field in Lengths.model_fields.items():
                if getattr(self, name) != field.default:
                    raise mistake(name, "stands in the Forecast document that is named here")
        return self

    @model_validator(mode="after")
    def _lead_within(self) -> Self:
        if self.document is None and isinstance(self.lead, timedelta) and self.lead > self.horizon:
            raise mistake("lead", f"must lie within the horizon ({format_duration(self.horizon)})")
        return self

    @model_validator(mode="after")
    def _gate_within(self) -> Self:
        over = None if self.gate is None else self.gate.over
        if over is not None and self.document is None and over > self.history:
            raise mistake(("gate", "over"), f"must lie within the history ({format_duration(self.history)})")
        return self
