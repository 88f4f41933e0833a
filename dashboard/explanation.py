"""Why this forecast: a panel that stays closed, and asks, until somebody opens it.

The lines are CSS masks like the sparklines: they take the theme's colours without a word from the server.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

import numpy as np
from dash import html

from dashboard.columns import thin
from dashboard.contract import ExplanationPart, ExplanationView
from dashboard.parts import Component
from dashboard.wording import clock, day, number, percent, span, stamp
from domain.clock import from_ms

POINTS: Final = 600
"""A line is some 300 pixels wide."""
_WIDTH, _HEIGHT = 300, 84


def panel() -> Component:
    """Closed; ``why-body`` is filled when ``why-summary`` is clicked."""
    hint = html.Span("trend, season and what is left", className="panel-unit")
    waiting = sentence("Taking the history apart; the first time this takes some seconds.")
    return html.Details(
        [
            html.Summary([html.H2("Why this forecast"), hint], id="why-summary", n_clicks=0),
            html.Div(waiting, id="why-body", className="why-body", role="status"),
        ],
        className="panel why",
    )


def sentence(text: str) -> Component:
    """Instead of the lines."""
    return html.P(text, className="muted")


def body(found: ExplanationView) -> Component:
    """Sentences, one small line for each part on one common scale, and the textbook models beside the forecast."""
    widest = max(float(np.ptp(part.columns.v)) for part in found.parts)
    about = f"Means of {span(found.point)} up to {stamp(found.cutoff)}; all lines on one scale."
    return html.Div(
        [
            html.Div([html.P(text) for text in found.sentences], className="why-said"),
            html.Div([_part(part, widest) for part in found.parts], className="why-parts"),
            html.Div([html.P(text) for text in (*found.references, about)], className="why-references"),
        ]
    )


def _part(part: ExplanationPart, widest: float) -> Component:
    t, v = thin(part.columns, POINTS)
    low, high = float(part.columns.v.min()), float(part.columns.v.max())
    shape = f'url("data:image/svg+xml,{quote(_svg(t, v, (low + high) / 2, widest))}")'
    kind = "cycle" if part.cycle else "left" if part.name == "Remainder" else ""
    words = f"{part.name}: from {number(low)} to {number(high)} {part.columns.unit}".strip()
    line = html.Div(
        className=f"why-line {kind}", role="img", title=words, style={"maskImage": shape, "WebkitMaskImage": shape},
        **{"aria-label": words},
    )  # fmt: skip
    share = html.Span(f"{percent(part.share, 0)} %", title="Of the variances of all parts")
    return html.Figure(
        [
            html.Figcaption([html.B(part.name), share]),
            html.Div(line, className="why-frame"),
            html.Div([html.Span(text) for text in _ends(part, low, high)], className="why-ends"),
        ],
        className="why-part",
    )


def _ends(part: ExplanationPart, low: float, high: float) -> tuple[str, str, str]:
    """First time, the values between, last time."""
    first, last = from_ms(int(part.columns.t[0])), from_ms(int(part.columns.t[-1]))
    told = day if last - first > timedelta(days=1) else lambda at: clock(at)[:5]
    return told(first), f"{_signed(low)} … {_signed(high)}", told(last)


def _signed(value: float) -> str:
    return f"−{number(-value)}" if value < 0 else number(value)


def _svg(t: Any, v: Any, middle: float, widest: float) -> str:
    x = (t - t[0]) / max(t[-1] - t[0], 1.0) * _WIDTH
    y = _HEIGHT / 2 - (v - middle) / max(widest, 1e-9) * (_HEIGHT - 8)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))
    box = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none"'
    stroke = 'fill="none" stroke="#000" stroke-width="1.5" vector-effect="non-scaling-stroke"'
    line = f'<polyline points="{points}" {stroke}/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box}>{line}</svg>'
