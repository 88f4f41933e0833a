"""One service: six numbers, three charts over one window, and the decisions beside them."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
from dash import dcc, html

from dashboard import explanation
from dashboard.columns import is_stale
from dashboard.contract import Columns, RowState, ServicePage, Status
from dashboard.figures import CHARTS
from dashboard.parts import Component, Note, Tile, badge, mode_badge, panel, tile_skeletons, tiles
from dashboard.view import View
from dashboard.wording import NOTHING, age, clock, count, money, number, percent, seconds, span, stamp
from domain.clock import from_ms, to_ms
from domain.scaling import Mode

PANELS = (*CHARTS, "decisions")
_LEGENDS = {
    "load": (
        ("line load", "load"), ("dash forecast", "forecast p50"), ("band", "p25–p75 / p5–p95"),
        ("line capacity", "capacity"), ("dots reference", "Holt-Winters"),
    ),
    "replicas": (("dash decided", "decided"), ("line actual", "actual"), ("up", "up"), ("down", "down")),
    "latency": (("line latency", "p95 latency"), ("line cpu", "CPU")),
}  # fmt: skip
_HEADS = {"load": "Load and forecast", "replicas": "Replicas", "latency": "Latency and CPU"}


def page() -> Component:
    """The page before its first answer: the frame of everything, bones inside."""
    charts = [panel(name, _HEADS[name], "", _chart(name), legend_entries=_LEGENDS[name]) for name in CHARTS]
    charts.insert(1, explanation.panel())
    decisions = panel(
        "decisions", "Decisions", "", html.Div(id="decisions", className="decisions"), kind="decisions-panel"
    )
    return html.Div(
        [
            dcc.Store(id="decisions-version"),
            html.Div(html.H1("\u00a0"), id="title", className="page-title"),
            html.Div(tile_skeletons(6), id="tiles", className="tiles six"),
            html.Div([html.Div(charts, className="charts"), decisions], className="split"),
        ]
    )


def _chart(name: str) -> Component:
    config = {
        "displayModeBar": False,
        "displaylogo": False,
        "doubleClick": False,
        "showTips": False,
        "responsive": True,
    }
    # The frame has the height: a responsive Graph overrides its own with 100 %.
    graph = dcc.Graph(id=f"chart-{name}", responsive=True, config=config)
    return html.Div(graph, className=f"chart chart-{name}")


def title(page: ServicePage, status: Status, view: View, now: datetime) -> list[Component]:
    """Name and badges: what it may do, where it runs, what to be careful with."""
    row, forecast = page.row, page.forecast
    badges = [mode_badge(row.mode), badge(f"{row.namespace} / {status.cluster}", hint="namespace / cluster")]
    if forecast is not None:
        made = f"made {age(forecast.made_at, now)}, history up to {stamp(forecast.cutoff)}"
        badges.append(badge(f"model: {forecast.model}", hint=made))
        if forecast.fallback_reason:
            badges.append(badge("simpler model", "warn", forecast.fallback_reason))
    if row.generated_until is not None and row.generated_until > view.window(now).start:
        hint = f"Samples before {stamp(row.generated_until)} were generated for the demo, not measured"
        badges.append(badge("generated history", "warn", hint))
    badges += _state_badges(page)
    if row.override:
        badges.append(html.Span(f"Enforced without a backtest: {row.override}", className="muted proof"))
    shadow = [html.P(page.shadow, className="muted shadow")] if page.shadow else []
    return [html.H1(row.name), *badges, *shadow]


def _state_badges(page: ServicePage) -> list[Component]:
    row = page.row
    if row.refused:
        return [badge("enforce refused", "warn", row.refused)]
    if row.state is RowState.HOLDING:
        last = row.last_decision
        reason = f": {last.reason.value}" if last else ""
        return [badge(f"holding{reason}", "warn", last.message if last else "")]
    if row.state is RowState.INACTIVE:
        return [badge("inactive", "warn", "No decision within the last minutes")]
    return []


def page_tiles(page: ServicePage, view: View, now: datetime) -> list[Component]:
    """Load, replicas, latency, peak to come, forecast error, cost: always as of now, also beside a fixed window."""
    fixed = view.fixed is not None
    return tiles(
        (
            _load(page, fixed=fixed), _replicas(page), _latency(page, fixed=fixed), _peak(page, now), _error(page),
            _cost(page),
        )
    )  # fmt: skip


def _load(page: ServicePage, *, fixed: bool) -> Tile:
    note = "now" if fixed else _trend(page.load)
    return Tile(label="Load", value=number(page.row.load), unit=page.row.load_unit, note=note)


def _trend(load: Columns) -> str:
    """Against a twelfth of the window earlier: 5 min in an hour, 2 h in a day. Mean of a minute's samples each."""
    last = load.last
    if last is None or len(load.t) < 2:
        return ""
    back = max((last[0] - int(load.t[0])) // 12, 60_000)
    then, latest = _mean(load, last[0] - back), _mean(load, last[0])
    if not then or latest is None:
        return ""
    change = round((latest - then) / then * 100)
    over = span(timedelta(milliseconds=back))
    return f"{change:+d} % in {over}" if change else f"steady for {over}"


def _mean(load: Columns, until_ms: int) -> float | None:
    inside = (load.t > until_ms - 60_000) & (load.t <= until_ms) & np.isfinite(load.v)
    return float(load.v[inside].mean()) if inside.any() else None


def _replicas(page: ServicePage) -> Tile:
    row = page.row
    value = f"{count(row.ready_replicas)} / {count(row.desired_replicas)}"
    label = "Ready / decided"
    if row.ready_replicas is None or row.desired_replicas is None:
        return Tile(label=label, value=value, unit="pods", note="nobody knows the count" if row.rule else "no rule")
    ahead = row.desired_replicas - row.ready_replicas
    if ahead == 0:
        return Tile(label=label, value=value, unit="pods", note="converged", tone="ok")
    if row.mode is not Mode.ENFORCE:
        return Tile(label=label, value=value, unit="pods", note=f"{ahead:+d} advised, not acted on", tone="accent")
    note = f"{ahead} starting" if ahead > 0 else f"{-ahead} stopping"
    return Tile(label=label, value=value, unit="pods", note=note, tone="warn")


def _latency(page: ServicePage, *, fixed: bool) -> Tile:
    value, unit = seconds(page.row.p95_latency_seconds)
    cpu = None if fixed else page.cpu_utilization.last
    parts = [f"CPU {percent(cpu[1], 0)} %"] if cpu else []
    if page.row.error_ratio is not None:
        parts.append(f"errors {percent(page.row.error_ratio)} %")
    return Tile(label="p95 latency", value=value, unit=unit, note=" · ".join(parts))


def _peak(page: ServicePage, now: datetime) -> Tile:
    peak, forecast = page.row.forecast_peak, page.forecast
    if peak is None:
        return Tile(label="Forecast peak", value=NOTHING, note="no forecast yet" if page.row.rule else "no rule")
    ahead = from_ms(int(forecast.t[-1])) - now if forecast and len(forecast.t) else None
    label = f"Peak in {span(ahead)}, q{peak.quantile * 100:g}" if ahead else f"Forecast peak, q{peak.quantile * 100:g}"
    note = f"{age(peak.at, now)} · {clock(peak.at)[:5]} UTC"
    return Tile(label=label, value=number(peak.value), unit=page.row.load_unit, note=note)


def _error(page: ServicePage) -> Tile:
    forecast = page.forecast
    if forecast is None or forecast.wape is None:
        return Tile(label="Forecast error", value=NOTHING, note="not backtested yet" if forecast else "no forecast yet")
    covered = forecast.coverage.get(0.95)
    note = "" if covered is None else f"coverage {percent(covered)} / 95 %"
    hint = "WAPE: sum of errors ÷ sum of load, in a rolling backtest. Coverage: share of load at or below the q95 line."
    return Tile(label="Forecast error", value=percent(forecast.wape), unit="% WAPE", note=note, hint=hint)


def _cost(page: ServicePage) -> Tile:
    cost = page.row.cost_per_hour
    if cost is None:
        return Tile(
            label="Cost", value=NOTHING, note="no price known", hint="Needs a PriceSheet and the replicas' requests"
        )
    return Tile(label="Cost", value=money(cost), unit="per hour", note=f"{money(cost * 24)} per day")


def notes(page: ServicePage, view: View, now: datetime) -> dict[str, Note]:
    """The state of each panel."""
    fixed = view.fixed is not None
    return {
        "load": _note(page.load, page, now, fixed=fixed, also=page.forecast is not None and not fixed),
        "replicas": _note(page.replicas_current, page, now, fixed=fixed, also=len(page.replicas_desired.t) > 0),
        "latency": _note(page.latency_p95, page, now, fixed=fixed, also=page.cpu_utilization.last is not None),
        "decisions": _decisions_note(page),
    }


def _note(columns: Columns, page: ServicePage, now: datetime, *, fixed: bool, also: bool) -> Note:
    if columns.last is None:
        return Note(state="ready") if also else Note(state="empty", sentence=_empty(page, now))
    if not fixed and is_stale(columns, now):
        return Note(state="stale", sentence=f"newest sample {age(from_ms(columns.last[0]), now)}")
    return Note(state="ready")


def _empty(page: ServicePage, now: datetime) -> str:
    newest = page.row.sparkline.last
    if newest is None or to_ms(now) - newest[0] < 60_000:
        return "No samples in this range."
    return f"No samples in this range; the newest is {span(now - from_ms(newest[0]))} old."


def _decisions_note(page: ServicePage) -> Note:
    if page.decisions:
        return Note(state="ready")
    if page.row.rule is None:
        return Note(state="empty", sentence="No ScalingRule names this service, so nothing is decided.")
    return Note(state="empty", sentence="No decision changed the replicas in this range.")


def units(page: ServicePage) -> dict[str, str]:
    """What stands beside each panel's heading."""
    row, shown = page.row, len(page.decisions)
    limits = "" if row.max_replicas is None else f" · min {count(row.min_replicas)}, max {row.max_replicas}"
    total = f"{page.decisions_total:,} in range"
    return {
        "load": row.load_unit,
        "replicas": f"pods{limits}",
        "latency": "ms, % of request",
        "decisions": total if shown == page.decisions_total else f"{shown:,} of {total}",
    }


def heading(name: str) -> Component:
    """The bare name, where nothing else can be read."""
    return html.H1(name)


def unknown(namespace: str, name: str) -> list[Component]:
    """Instead of the title, where nobody knows the service."""
    return [html.H1(name), badge(f"{namespace}: unknown service", "crit")]
