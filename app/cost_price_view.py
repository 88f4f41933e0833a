"""How a source of prices stands, as the API tells it: in the status and at ``/api/v1/cost/prices``."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from app.cost_price_files import SourceState


class PriceSourceView(BaseModel):
    """How one source of prices stands."""

    kind: str = Field(description="opencost_csv or bills.")
    files: list[str]
    read_at: datetime | None = Field(description="When the prices that count were read; null where none ever were.")
    failure: str = Field(description="Why the files as they are now are not in use; empty: they are.")
    told: list[str]
    faults: int
    lines: list[str] = Field(description="Faults, each with file, row and column; the first 100.")


def source_view(state: SourceState) -> PriceSourceView:
    """As the API tells it."""
    return PriceSourceView(
        kind=state.kind, files=list(state.files), read_at=state.read_at, failure=state.failure, told=list(state.told),
        faults=state.faults, lines=list(state.lines),
    )  # fmt: skip
