"""Small pieces of page that both pages are made of: tiles, badges, panels with their four states, sparklines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

import numpy as np
from dash import html

from dashboard.contract import Columns
from dashboard.wording import number
from domain.scaling import Mode, Outcome

Component = Any
"""A Dash component; the library has no usable types."""
Tone = Literal["", "ok", "warn", "crit", "accent"]
PanelState = Literal["loading", "ready", "empty", "error", "stale"]
ARROWS = {Outcome.SCALE_UP: "▲", Outcome.SCALE_DOWN: "▼", Outcome.HOLD: "■"}
MODE_HINTS = {
    Mode.OBSERVE: "observe: decides and explains, changes nothing",
    Mode.RECOMMEND: "recommend: decides, a person acts",
    Mode.APPROVE: "approve: acts after a person's approval",
    Mode.ENFORCE: "enforce: decides and acts",
}
_SPARK_WIDTH, _SPARK_HEIGHT = 108, 26


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One big number. ``hint`` is the sentence that a pointer gets."""

    label: str
    value: str
    unit: str = ""
    note: str = ""
    tone: Tone = ""
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """The state of a panel and the sentence that goes with it; no sentence where it is ready."""

    state: PanelState
    sentence: str = ""


def tiles(items: Sequence[Tile]) -> list[Component]:
    """Tiles in a row; the caller's container lays them out."""
    return [
        html.Div(
            [
                html.Div(tile.label, className="tile-label"),
                html.Div(
                    [html.Span(tile.value, className="tile-value"), html.Span(tile.unit, className="tile-unit")],
                    className="tile-line",
                ),
                html.Div(tile.note or "\u00a0", className=f"tile-note {tile.tone}"),
            ],
            className="tile",
            title=tile.hint or None,
        )
        for tile in items
    ]


def tile_skeletons(how_many: int) -> list[Component]:
    """What stands there until the first answer."""
    return [html.Div(html.Div(className="bone"), className="tile loading") for _ in range(how_many)]


def badge(text: str, tone: Tone = "", hint: str = "") -> Component:
    """A word or two in a rounded frame."""
    return html.Span(text, className=f"badge {tone}", title=hint or None)


def mode_badge(mode: Mode | None) -> Component:
    """How far the rule may go; ``no rule`` where there is none."""
    if mode is None:
        return badge("no rule", hint="Seen in metrics or traces; no ScalingRule names it")
    return badge(mode.value, "ok" if mode is Mode.ENFORCE else "accent", MODE_HINTS[mode])


def legend(entries: Sequence[tuple[str, str]]) -> Component:
    """HTML legend: ``(css class of the key, text)``; plotly's own cannot wrap nor be read aloud."""
    keys = [html.Span([html.I(className=f"key {kind}"), text], className="legend-item") for kind, text in entries]
    return html.Div(keys, className="legend")


def panel(
    name: str, title: str, unit: str, body: Component, *, legend_entries: Sequence[tuple[str, str]] = (), kind: str = ""
) -> Component:
    """A framed part of the page; ``panel-<name>`` carries its state, ``note-<name>`` the sentence."""
    head = html.Header(
        [
            html.H2(title),
            html.Span(unit, className="panel-unit", id=f"unit-{name}"),
            legend(legend_entries) if legend_entries else None,
        ],
        className="panel-head",
    )
    note = html.Div(id=f"note-{name}", className="panel-note", role="status")
    content = html.Div([body, html.Div(className="bones"), note], className="panel-body")
    return html.Section(
        [head, content], id=f"panel-{name}", className=f"panel {kind}", **{"data-state": "loading", "aria-label": title}
    )


def replicas_change(outcome: Outcome, before: int | None, after: int | None) -> Component:
    """``▲ 3 → 4``: the sign carries the meaning, the colour repeats it."""
    words = {Outcome.SCALE_UP: "scale up", Outcome.SCALE_DOWN: "scale down", Outcome.HOLD: "hold"}
    left, right = ("?" if n is None else str(n) for n in (before, after))
    numbers = f"{left} → {right}" if left != right else right
    sign = html.Span(ARROWS[outcome], className=f"sign {outcome.value}", role="img", **{"aria-label": words[outcome]})
    return html.Span([sign, html.B(numbers)], className="change")


def service_path(namespace: str, name: str) -> str:
    """The address of a service's page."""
    return f"/ui/services/{quote(namespace, safe='')}/{quote(name, safe='')}"


def sparkline(columns: Columns) -> Component:
    """The line as a CSS mask, so that the theme's colour shows through; said in words for who cannot see it."""
    known = np.isfinite(columns.v)
    if known.sum() < 2:
        return html.Span("no samples", className="muted")
    v = columns.v[known].astype(float)
    low, high = float(v.min()), float(v.max())
    words = f"last hour: from {number(low)} to {number(high)} {columns.unit}"
    shape = f'url("data:image/svg+xml,{quote(_spark_svg(columns.t[known].astype(float), v))}")'
    return html.Span(
        className="spark",
        role="img",
        style={"maskImage": shape, "WebkitMaskImage": shape},
        title=words,
        **{"aria-label": words},
    )


def _spark_svg(t: Any, v: Any) -> str:
    """From zero, like the charts: a flat line at half its peak looks flat."""
    width, height = _SPARK_WIDTH, _SPARK_HEIGHT
    x = (t - t[0]) / max(t[-1] - t[0], 1.0) * (width - 2) + 1
    y = height - 2 - v / max(float(v.max()), 1e-9) * (height - 4)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))
    box = f'viewBox="0 0 {width} {height}" preserveAspectRatio="none"'
    area = f'<polygon points="{x[0]:.1f},{height} {points} {x[-1]:.1f},{height}" fill="#000" fill-opacity=".16"/>'
    line = f'<polyline points="{points}" fill="none" stroke="#000" stroke-width="1.5" stroke-linejoin="round"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box}>{area}{line}</svg>'
