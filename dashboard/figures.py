"""The three charts of a service, as the plain dictionaries that plotly.js reads.

Plain, because ``go.Figure`` costs 11.5 ms to build where a dictionary costs 0.7. Each figure always has the same traces
in the same order, also when they are empty: a live tick then sends only what moved (``moved``).
"""

from __future__ import annotations

import html
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import numpy as np
from dash import Patch
from numpy.typing import NDArray

from dashboard.columns import broken, steps, thin, typed
from dashboard.contract import Columns, ForecastView, ServicePage, Window
from dashboard.theme import Palette, palette
from dashboard.view import View
from dashboard.wording import number
from domain.clock import to_ms
from domain.scaling import Outcome
from domain.series import FloatArray, IntArray

Figure = dict[str, Any]
CHARTS: Final = ("load", "replicas", "latency")
_FONT: Final = "Inter, system-ui, sans-serif"
_MARGIN: Final = {"l": 46, "r": 44, "t": 8, "b": 36}
_MARKERS: Final = 60
"""More triangles than this cover each other: then the steps of the line alone tell it, until someone zooms in."""
_TICKS: Final = [
    {"dtickrange": [None, 1000], "value": "%H:%M:%S.%L"},
    {"dtickrange": [1000, 60_000], "value": "%H:%M:%S\n%a %-d %b"},
    {"dtickrange": [60_000, 86_400_000], "value": "%H:%M\n%a %-d %b"},
    {"dtickrange": [86_400_000, None], "value": "%a %-d %b"},
]
_LABEL_ROOM: Final = 1.16
"""Of the highest value: where the labels at the upper edge have room above the lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What the three charts have in common. ``window`` is what they span, the future included."""

    view: View
    now: datetime
    window: Window
    colours: Palette
    generated_until: datetime | None


def figures(page: ServicePage, *, view: View, now: datetime) -> dict[str, Figure]:
    """All three, over one common window."""
    colours = palette(view.theme)
    window = view.shown(now, _end(page.forecast))
    frame = Frame(view=view, now=now, window=window, colours=colours, generated_until=page.row.generated_until)
    return {
        "load": load_figure(page, frame),
        "replicas": replicas_figure(page, frame),
        "latency": latency_figure(page, frame),
    }


def blank(view: View) -> Figure:
    """Panel colour and nothing else: what stands behind an error's sentence."""
    hidden = {"visible": False, "fixedrange": True}
    plain = {"paper_bgcolor": palette(view.theme).panel, "plot_bgcolor": palette(view.theme).panel}
    return {"data": [], "layout": {**plain, "xaxis": hidden, "yaxis": hidden, "margin": _MARGIN}}


def moved(figure: Figure) -> Patch:
    """What a tick changes: assigned, not extended, because extending fails on typed arrays."""
    patch = Patch()
    for i, trace in enumerate(figure["data"]):
        for part in ("x", "y", "customdata", "text"):
            if part in trace:
                patch["data"][i][part] = trace[part]
    patch["layout"]["xaxis"]["range"] = figure["layout"]["xaxis"]["range"]
    for axis in ("yaxis", "yaxis2"):
        if axis in figure["layout"]:
            patch["layout"][axis]["range"] = figure["layout"][axis]["range"]
    patch["layout"]["shapes"] = figure["layout"]["shapes"]
    patch["layout"]["annotations"] = figure["layout"]["annotations"]
    return patch


def load_figure(page: ServicePage, frame: Frame) -> Figure:
    """Load, what the replicas can carry, and the forecast with its two bands."""
    unit = html.escape(page.row.load_unit)
    forecast = _visible(page.forecast, frame.window)
    capacity = steps(page.capacity, to_ms(min(frame.now, frame.window.end)), frame.view.max_points)
    load = broken(*thin(page.load, frame.view.max_points), page.load.step_ms)
    # The median's own hover text names the outer band: five lines for one forecast hide what they explain.
    band = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "hovertemplate": None}
    data: list[Figure] = [
        {**_line(*_path(forecast, 0.95)), **band, "name": "p95"},
        {
            **_line(*_path(forecast, 0.05)),
            **band,
            "name": "p5",
            "fill": "tonexty",
            "fillcolor": frame.colours.band_outer,
        },
        {**_line(*_path(forecast, 0.75)), **band, "name": "p75"},
        {
            **_line(*_path(forecast, 0.25)),
            **band,
            "name": "p25",
            "fill": "tonexty",
            "fillcolor": frame.colours.band_inner,
        },
        _line(*capacity, name="capacity", color=frame.colours.capacity, shape="hv", width=1.4, unit=unit),
        _reference(page.forecast, frame, unit),
        _median(forecast, frame.colours, unit),
        _line(*load, name="load", color=frame.colours.load, width=1.6, unit=unit),
    ]
    tops = [load[1], capacity[1], _path(forecast, 0.95)[1]]
    return _figure(data, tops, frame)


def replicas_figure(page: ServicePage, frame: Frame) -> Figure:
    """Decided and running replicas, with a triangle where a decision changed the number."""
    until = to_ms(min(frame.now, frame.window.end))
    decided = steps(page.replicas_desired, until, frame.view.max_points)
    actual = steps(page.replicas_current, until, frame.view.max_points)
    filled = {"fill": "tozeroy", "fillcolor": frame.colours.actual_fill}
    data = [
        {**_line(*actual, name="actual", color=frame.colours.actual, shape="hv", width=1.6, unit="pods"), **filled},
        _line(
            *decided, name="decided", color=frame.colours.decided, shape="hv", width=1.5, unit="pods", dash="3px,2px"
        ),
        _markers(page, Outcome.SCALE_UP, frame.colours.decided),
        _markers(page, Outcome.SCALE_DOWN, frame.colours.actual),
    ]
    limit = page.row.max_replicas
    top = max(_top([decided[1], actual[1]]), 1.0)
    shown = limit if limit is not None and limit <= 2.5 * top else None
    highest = max(top, shown or 0)
    figure = _figure(data, [np.array([highest])], frame)
    figure["layout"]["yaxis"].update({"tickformat": ",d", "dtick": 1 if highest <= 5 else None, "nticks": 5})
    if shown is not None:
        figure["layout"]["shapes"].append(_level(shown, frame.colours))
        figure["layout"]["annotations"].append(_level_label(shown, f"max {shown}", frame.colours))
    return figure


def latency_figure(page: ServicePage, frame: Frame) -> Figure:
    """p95 latency in milliseconds (left), CPU in percent of the request (right)."""
    latency = broken(*thin(page.latency_p95, frame.view.max_points), page.latency_p95.step_ms)
    cpu = broken(*thin(page.cpu_utilization, frame.view.max_points), page.cpu_utilization.step_ms)
    data = [
        {**_line(cpu[0], cpu[1] * 100, name="CPU", color=frame.colours.cpu, width=1.3, unit="%"), "yaxis": "y2"},
        _line(latency[0], latency[1] * 1000, name="p95 latency", color=frame.colours.latency, width=1.5, unit="ms"),
    ]
    figure = _figure(data, [latency[1] * 1000], frame)
    ceiling = max(100.0, _top([cpu[1] * 100]))
    figure["layout"]["yaxis2"] = {
        **_axis(frame.colours), "overlaying": "y", "anchor": "x", "side": "right", "showgrid": False, "showline": False,
        "zeroline": False,
        "range": [0, ceiling * _LABEL_ROOM], "ticksuffix": " %", "tickmode": "array", "tickvals": [0, 50, 100],
        "ticktext": ["0", "50 %", "100 %"],
    }  # fmt: skip
    return figure


def _figure(data: list[Figure], tops: list[FloatArray], frame: Frame) -> Figure:
    limits = [to_ms(frame.window.start), to_ms(frame.window.end)]
    shapes, notes = _marks(frame)
    layout = {
        "paper_bgcolor": frame.colours.panel,
        "plot_bgcolor": frame.colours.panel,
        "font": {"family": _FONT, "size": 12, "color": frame.colours.muted},
        "margin": _MARGIN,
        "showlegend": False,
        "hovermode": "x unified",
        "hoverdistance": 40,
        "hoverlabel": {
            "bgcolor": frame.colours.hover,
            "bordercolor": frame.colours.axis,
            "font": {"color": frame.colours.text},
        },
        "dragmode": "zoom" if frame.view.max_points > 620 else False,
        "selectdirection": "h",
        "uirevision": frame.view.revision,
        "xaxis": {
            **_axis(frame.colours), "type": "date", "range": limits, "fixedrange": False, "tickformatstops": _TICKS,
            "hoverformat": "%a %-d %b %H:%M:%S UTC", "nticks": 8 if frame.view.max_points > 620 else 5,
        },
        "yaxis": {**_axis(frame.colours), "range": [0, (_top(tops) or 1.0) * _LABEL_ROOM], "nticks": 5},
        "shapes": shapes,
        "annotations": notes,
    }  # fmt: skip
    return {"data": data, "layout": layout}


def _axis(colours: Palette) -> Figure:
    return {
        "gridcolor": colours.grid, "linecolor": colours.axis, "zerolinecolor": colours.axis, "zeroline": True,
        "tickfont": {"size": 12, "color": colours.muted}, "fixedrange": True, "showspikes": False,
        "title": {"text": ""},
    }  # fmt: skip


def _marks(frame: Frame) -> tuple[list[Figure], list[Figure]]:
    window, colours = frame.window, frame.colours
    shapes: list[Figure] = []
    notes: list[Figure] = []
    if frame.generated_until is not None and frame.generated_until > window.start:
        end = min(frame.generated_until, window.end)
        shapes.append({
            "type": "rect", "xref": "x", "yref": "paper", "x0": to_ms(window.start), "x1": to_ms(end), "y0": 0,
            "y1": 1, "fillcolor": colours.generated, "line": {"width": 0}, "layer": "below",
        })  # fmt: skip
        if (end - window.start) > 0.12 * window.length:
            notes.append(_note("generated", to_ms(window.start), 1, colours, anchor="left"))
    if window.start < frame.now < window.end:
        now_ms = to_ms(frame.now)
        shapes.append({
            "type": "line", "xref": "x", "yref": "paper", "x0": now_ms, "x1": now_ms, "y0": 0, "y1": 1,
            "line": {"color": colours.muted, "width": 1, "dash": "3px,3px"},
        })  # fmt: skip
        # Near the right edge the word would lie on other labels: then it stands on the other side of its line.
        late = frame.now - window.start > 0.85 * window.length
        notes.append(_note("now", now_ms, 1, colours, anchor="right" if late else "left"))
    return shapes, notes


def _note(text: str, x: int, y: float, colours: Palette, *, anchor: str) -> Figure:
    return {
        "text": text, "x": x, "xref": "x", "y": y, "yref": "paper", "xanchor": anchor, "yanchor": "top",
        "showarrow": False, "xshift": 4 if anchor == "left" else -4, "font": {"size": 11, "color": colours.muted},
    }  # fmt: skip


def _level(value: float, colours: Palette) -> Figure:
    line = {"color": colours.muted, "width": 1, "dash": "3px,3px"}
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "yref": "y", "y0": value, "y1": value, "line": line}


def _level_label(value: float, text: str, colours: Palette) -> Figure:
    """Below its line: above it the word would meet "now" on a narrow screen."""
    return {
        "text": text, "x": 1, "xref": "paper", "y": value, "yref": "y", "xanchor": "right", "yanchor": "top",
        "showarrow": False, "font": {"size": 11, "color": colours.muted},
    }  # fmt: skip


def _line(
    t: FloatArray | IntArray, v: FloatArray, *, name: str = "", color: str = "", shape: str = "linear",
    width: float = 1.5, unit: str = "", dash: str = "solid",
) -> Figure:  # fmt: skip
    return {
        "type": "scatter", "mode": "lines", "name": name, "x": typed(t), "y": typed(v),
        "line": {"color": color, "width": width, "shape": shape, "dash": dash}, "connectgaps": False,
        "hovertemplate": f"%{{y:,.3~r}} {unit}<extra>{name}</extra>",
    }  # fmt: skip


def _median(forecast: ForecastView | None, colours: Palette, unit: str) -> Figure:
    t, v = _path(forecast, 0.5)
    low, high = _path(forecast, 0.05)[1], _path(forecast, 0.95)[1]
    line = _line(t, v, name="forecast", color=colours.forecast, width=1.8, unit=unit, dash="6px,4px")
    between = [f"{number(a)}–{number(b)}" for a, b in zip(low.tolist(), high.tolist(), strict=True)]
    hover = f"%{{y:,.3~r}} {unit} (p5–p95 %{{customdata}})<extra>forecast p50</extra>"
    return {**line, "customdata": between, "hovertemplate": hover}


def _reference(forecast: ForecastView | None, frame: Frame, unit: str) -> Figure:
    columns = forecast.reference if forecast and forecast.reference else Columns.empty()
    inside = _inside(columns.t, frame.window)
    return _line(
        columns.t[inside],
        columns.v[inside],
        name="Holt-Winters",
        color=frame.colours.reference,
        width=1.1,
        unit=unit,
        dash="dot",
    )


def _markers(page: ServicePage, outcome: Outcome, color: str) -> Figure:
    few = page.decisions if page.decisions_total <= _MARKERS else ()
    chosen = [d for d in reversed(few) if d.outcome is outcome and d.to_replicas is not None]
    up = outcome is Outcome.SCALE_UP
    return {
        "type": "scatter", "mode": "markers", "name": "scale up" if up else "scale down",
        "x": typed(np.array([to_ms(d.at) for d in chosen], dtype=np.float64)),
        "y": typed(np.array([d.to_replicas for d in chosen], dtype=np.float64)),
        "text": [f"{html.escape(str(d.from_replicas))} → {d.to_replicas} {html.escape(d.reason)}" for d in chosen],
        "marker": {"symbol": "triangle-up" if up else "triangle-down", "size": 9, "color": color},
        "hovertemplate": f"%{{text}}<extra>{'▲' if up else '▼'}</extra>", "cliponaxis": False,
    }  # fmt: skip


def _visible(forecast: ForecastView | None, window: Window) -> ForecastView | None:
    """The part of the forecast inside the window; None when nothing of it is."""
    if forecast is None:
        return None
    inside = _inside(forecast.t, window)
    return replace(forecast, t=forecast.t[inside], values=forecast.values[inside]) if inside.any() else None


def _inside(t: IntArray, window: Window) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (t >= to_ms(window.start)) & (t <= to_ms(window.end))
    return inside


def _path(forecast: ForecastView | None, level: float) -> tuple[IntArray, FloatArray]:
    """One quantile over time; a level outside the stored ones gets the outermost."""
    if forecast is None:
        return np.empty(0, np.int64), np.empty(0)
    levels = np.asarray(forecast.quantiles)
    exact = np.flatnonzero(np.isclose(levels, level))
    if len(exact):
        return forecast.t, forecast.values[:, exact[0]]
    return forecast.t, np.array([np.interp(level, levels, row) for row in forecast.values])


def _end(forecast: ForecastView | None) -> datetime | None:
    if forecast is None or not len(forecast.t):
        return None
    return datetime.fromtimestamp(float(forecast.t[-1]) / 1000, tz=forecast.cutoff.tzinfo)


def _top(parts: list[FloatArray]) -> float:
    """The highest finite value; 0 where there is none."""
    return max((float(np.max(v[np.isfinite(v)])) for v in parts if np.isfinite(v).any()), default=0.0)
