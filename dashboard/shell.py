"""What stands around every page: sidebar, header, banner, the stores and the tick.

The layout is static. ``assets/foretide.js`` keeps URL, stores, theme and buttons in step without asking the server.
"""

from __future__ import annotations

from collections.abc import Sequence

from dash import dcc, html

from dashboard.contract import ServiceRow, Status
from dashboard.parts import Component, service_path
from dashboard.view import RANGES
from dashboard.wording import count

TICK_SECONDS = 5
_NAV_SECONDS = 30


def layout() -> Component:
    """The whole document below the root."""
    return html.Div(
        [
            dcc.Store(id="boot", data=1),
            dcc.Store(id="place"),
            dcc.Store(id="view"),
            dcc.Store(id="painted"),
            dcc.Store(id="zoomed"),
            dcc.Interval(id="tick", interval=TICK_SECONDS * 1000, disabled=True),
            dcc.Interval(id="nav-tick", interval=_NAV_SECONDS * 1000),
            html.A("Skip to content", href="#page", className="skip"),
            _sidebar(),
            html.Div(className="scrim", **{"data-act": "drawer"}),
            html.Div(
                [_header(), html.Div(id="banner"), html.Main(id="page", tabIndex="-1")],
                className="main",
            ),
            html.Div(id="notice", role="alert", className="notice"),
        ],
        className="app",
    )


def _sidebar() -> Component:
    return html.Aside(
        [
            html.A([html.Span(className="logo"), "Foretide"], href="/ui/", className="brand"),
            html.Nav(
                [
                    html.A(
                        [html.Span(className="icon icon-fleet"), "Fleet"],
                        href="/ui/", className="nav-item", **{"data-nav": "fleet"},
                    ),
                    html.H3("Services", className="nav-head"),
                    html.Div(id="nav-services"),
                ],
                **{"aria-label": "Pages"},
            ),
            html.Footer(id="about"),
        ],
        id="sidebar", className="sidebar",
    )  # fmt: skip


def _header() -> Component:
    return html.Header(
        [
            html.Button(
                html.Span(className="icon icon-menu"), type="button", className="button only-narrow",
                **{"data-act": "drawer", "aria-label": "Menu", "aria-controls": "sidebar"},
            ),
            html.Nav(id="crumbs", className="crumbs", **{"aria-label": "Breadcrumbs"}),
            html.Button(
                [html.Span("", id="fixed-text"), html.Span("×", className="cross", **{"aria-hidden": "true"})],
                id="fixed", type="button", className="button chip", title="Back to the range (Esc)",
                **{"data-act": "unfix", "aria-label": "Leave the zoomed window"},
            ),
            html.Span("UTC", className="zone", title="All times are UTC"),
            html.Div(
                [
                    html.Button(name, type="button", **{"data-range": name, "aria-pressed": "false"})
                    for name in RANGES
                ],
                className="ranges", role="group", **{"aria-label": "Range"},
            ),
            html.Button(
                [html.Span(className="dot"), html.Span("Live 5 s", id="live-text")], id="live", type="button",
                className="button", title="Follow the clock (L)", **{"data-act": "live", "aria-pressed": "true"},
            ),
            html.Button(
                [html.Span(className="icon icon-link"), html.Span("Share", id="share-text", className="wide-only")],
                type="button", className="button", title="Copy the address of exactly this view",
                **{"data-act": "share", "aria-label": "Share"},
            ),
            html.Button(
                html.Span(className="icon icon-theme"), id="theme", type="button", className="button",
                title="Theme (T)", **{"data-act": "theme", "aria-label": "Theme"},
            ),
        ],
        className="top",
    )  # fmt: skip


def services_nav(rows: Sequence[ServiceRow]) -> list[Component]:
    """One link for each known service."""
    if not rows:
        return [html.P("None seen yet.", className="nav-none")]
    return [
        html.A(
            [html.Span(className="icon icon-service"), html.Span(row.name, className="clip")],
            href=service_path(row.namespace, row.name),
            className="nav-item",
            title=row.key,
            **{"data-nav": row.key},
        )
        for row in rows
    ]


def about(status: Status) -> list[Component]:
    """Cluster, version and intake, at the foot of the sidebar."""
    down = status.targets_total - status.targets_up
    return [
        html.Div(
            f"{count(status.targets_up)} of {count(status.targets_total)} targets up", className="warn" * (down > 0)
        ),
        html.Div(f"cluster {status.cluster} · v{status.version}"),
    ]


def mistakes_banner(status: Status) -> Component | None:
    """Every mistake with its place; None when there is none."""
    if not status.mistakes:
        return None
    n = len(status.mistakes)
    title = (
        f"{n} mistake{'s' * (n > 1)} in the rule documents: the {status.rules_running} running rules stay as they are."
    )
    lines = []
    for mistake in status.mistakes:
        place = f"{mistake.file}:{mistake.line}:{mistake.column}" if mistake.line else mistake.file
        told = f"{mistake.field}: {mistake.message}" if mistake.field else mistake.message
        lines.append(html.Li([html.Code(place), " ", html.Span(told)]))
    return html.Div([html.B(title), html.Ul(lines)], className="banner", role="alert")


def crumbs(parts: Sequence[tuple[str, str | None]]) -> list[Component]:
    """``Fleet / shop / checkout``; the last one is where we are."""
    items: list[Component] = []
    for text, href in parts[:-1]:
        items += [html.A(text, href=href) if href else html.Span(text), html.Span("/", className="slash")]
    return [*items, html.B(parts[-1][0], **{"aria-current": "page"})]
