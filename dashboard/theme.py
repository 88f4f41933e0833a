"""Colours of the charts in both themes; the same values as the tokens in ``assets/foretide.css``.

Text and lines pass WCAG AA against the panel; colour is never the only sign (dashes, ▲▼).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """One theme's colours, as plotly takes them."""

    panel: str
    grid: str
    axis: str
    text: str
    muted: str
    hover: str
    load: str
    forecast: str
    band_inner: str
    band_outer: str
    capacity: str
    decided: str
    actual: str
    actual_fill: str
    latency: str
    cpu: str
    reference: str
    generated: str


DARK: Final = Palette(
    panel="#151a23", grid="#202733", axis="#2f3949", text="#e8ecf3", muted="#8b96a6", hover="#1d2430",
    load="#6ea0ff", forecast="#b794ff", band_inner="rgba(183,148,255,.24)", band_outer="rgba(183,148,255,.16)",
    capacity="rgba(45,212,191,.62)", decided="#fb923c", actual="#2dd4bf", actual_fill="rgba(45,212,191,.12)",
    latency="#f472b6", cpu="#38bdf8", reference="#9aa5b5", generated="rgba(251,191,36,.055)",
)  # fmt: skip
LIGHT: Final = Palette(
    panel="#ffffff", grid="#eceef2", axis="#d5d9e0", text="#141a24", muted="#5d6675", hover="#ffffff",
    load="#2563eb", forecast="#7c3aed", band_inner="rgba(124,58,237,.20)", band_outer="rgba(124,58,237,.14)",
    capacity="rgba(15,118,110,.55)", decided="#c2570c", actual="#0f766e", actual_fill="rgba(15,118,110,.10)",
    latency="#be185d", cpu="#0369a1", reference="#5d6675", generated="rgba(180,83,9,.06)",
)  # fmt: skip


def palette(theme: Literal["dark", "light"]) -> Palette:
    """The colours of one theme."""
    return LIGHT if theme == "light" else DARK
