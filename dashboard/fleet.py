"""The fleet: how all services stand, one line each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from dash import html

from dashboard.contract import RowState, ServiceRow, Status
from dashboard.parts import (
    Component,
    Tile,
    badge,
    mode_badge,
    replicas_change,
    service_path,
    sparkline,
    tile_skeletons,
    tiles,
)
from dashboard.wording import NOTHING, age, count, money, number, percent, seconds, stamp
from domain.money import Money

COLUMNS = ("Service", "Mode", "Load", "Ready / decided", "p95", "Errors", "Forecast peak", "Cost", "Last decision")
_HIGH_ERRORS = 0.01


def page() -> Component:
    """The page before its first answer."""
    return html.Div(
        [
            html.Div(html.H1("Fleet"), className="page-title"),
            html.Div(tile_skeletons(5), id="fleet-tiles", className="tiles five"),
            html.Section(
                html.Div(html.Div(className="bone tall"), className="table-loading"),
                id="fleet-table", className="panel", **{"aria-label": "Services"},
            ),
        ]
    )  # fmt: skip


def fleet_tiles(rows: Sequence[ServiceRow], status: Status) -> list[Component]:
    """Services, replicas, what holds, cost, what is stored."""
    ruled = [row for row in rows if row.rule]
    holding = [row for row in rows if row.state in (RowState.HOLDING, RowState.INACTIVE)]
    ready = sum(row.ready_replicas or 0 for row in rows)
    decided = sum(row.desired_replicas or 0 for row in rows)
    down = status.targets_total - status.targets_up
    return tiles(
        (
            Tile(label="Services", value=count(len(rows)), note=f"{len(ruled)} with a rule"),
            Tile(
                label="Ready / decided", value=f"{ready} / {decided}", unit="pods",
                note=_converging(ready, decided) if ruled else "no rule yet",
                tone="" if not ruled else "ok" if ready == decided else "warn",
            ),
            Tile(
                label="Holding or inactive", value=count(len(holding)), unit="services",
                note=", ".join(row.name for row in holding[:2]) or ("every rule decides" if ruled else "no rule yet"),
                tone="warn" if holding else "ok" if ruled else "",
            ),
            _cost_tile(rows),
            Tile(
                label="Targets up", value=f"{status.targets_up} / {status.targets_total}",
                note=f"{down} down" if down else f"{number(float(status.store.series))} series stored",
                tone="warn" if down else "",
                hint=f"{status.store.samples:,} samples, {status.store.size_bytes / 2**20:,.1f} MiB; "
                f"running since {stamp(status.started_at)}",
            ),
        )
    )  # fmt: skip


def _converging(ready: int, decided: int) -> str:
    return "converged" if ready == decided else f"{abs(decided - ready)} on the way"


def _cost_tile(rows: Sequence[ServiceRow]) -> Tile:
    """The sum, where there is one currency; two are never added up."""
    known = [row.cost_per_hour for row in rows if row.cost_per_hour]
    currencies = sorted({cost.currency for cost in known})
    if len(currencies) != 1:
        note = f"in {', '.join(currencies)}: not added up" if currencies else "no price sheet"
        return Tile(label="Cost", value=NOTHING, note=note)
    total = Money(amount=sum((cost.amount for cost in known), Decimal(0)), currency=currencies[0])
    missing = len(rows) - len(known)
    note = f"{money(total * 24)} per day" + (f" · {missing} unpriced" if missing else "")
    return Tile(label="Cost", value=money(total), unit="per hour", note=note)


def table(rows: Sequence[ServiceRow], now: datetime) -> Component:
    """One row for each service; below 760 px each row becomes a card."""
    if not rows:
        return html.Div(
            [
                html.B("No service seen yet."),
                html.P("A service appears with its first scraped metric, its first span, or its first rule."),
            ],
            className="empty",
        )
    head = html.Thead(html.Tr([html.Th(name, scope="col") for name in COLUMNS]))
    return html.Div(html.Table([head, html.Tbody([_row(row, now) for row in rows])]), className="table")


def failed(sentence: str) -> Component:
    """Where the list cannot be read."""
    return html.Div([html.B("The services cannot be listed."), html.P(sentence)], className="empty error", role="alert")


def no_such_page() -> Component:
    """For an address that is no page."""
    words = [html.B("There is no such page."), html.P(html.A("Back to the fleet", href="/ui/"))]
    return html.Div(words, className="panel empty")


def _row(row: ServiceRow, now: datetime) -> Component:
    value, unit = seconds(row.p95_latency_seconds)
    failing = row.error_ratio is not None and row.error_ratio > _HIGH_ERRORS
    errors = html.Span(f"{percent(row.error_ratio)} %", className="crit" if failing else "")
    cells = (
        html.A(
            [html.B(row.name), html.Span(row.namespace)], href=service_path(row.namespace, row.name), className="name"
        ),
        _mode(row),
        html.Div(
            [sparkline(row.sparkline), html.Span([html.B(number(row.load)), f" {row.load_unit}"])], className="load"
        ),
        _replicas(row),
        f"{value} {unit}",
        NOTHING if row.error_ratio is None else errors,
        _peak(row, now),
        _two(money(row.cost_per_hour), "per hour") if row.cost_per_hour else NOTHING,
        _last(row, now),
    )
    pairs = zip(COLUMNS, cells, strict=True)
    return html.Tr([html.Td(cell, **{"data-label": name}) for name, cell in pairs], className="row")


def _two(first: Component, second: str) -> Component:
    return html.Div([html.Span(first), html.Span(second, className="muted")], className="two")


def _mode(row: ServiceRow) -> Component:
    if row.mode is None:
        return mode_badge(None)
    parts = [mode_badge(row.mode)]
    if row.state in (RowState.HOLDING, RowState.INACTIVE):
        parts.append(badge(row.state.value, "warn", "The newest decision holds, or there is none: see the reason"))
    return html.Div(parts, className="badges")


def _replicas(row: ServiceRow) -> Component:
    if row.rule is None and row.ready_replicas is None:
        return NOTHING
    limits = "" if row.min_replicas is None else f"{row.min_replicas} to {count(row.max_replicas)}"
    return _two(html.B(f"{count(row.ready_replicas)} / {count(row.desired_replicas)}"), limits)


def _peak(row: ServiceRow, now: datetime) -> Component:
    peak = row.forecast_peak
    if peak is None:
        return NOTHING
    return _two(f"{number(peak.value)} {row.load_unit}", f"{age(peak.at, now)} · q{peak.quantile * 100:g}")


def _last(row: ServiceRow, now: datetime) -> Component:
    decision = row.last_decision
    if decision is None:
        return NOTHING
    change = replicas_change(decision.outcome, decision.from_replicas, decision.to_replicas)
    line = html.Div([change, html.Span(age(decision.at, now), className="muted")], className="last-line")
    return html.Div(
        [line, html.Span(decision.reason.value, className="muted")], className="last", title=decision.message
    )
