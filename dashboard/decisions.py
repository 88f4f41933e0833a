"""Why: the list of decisions, each with its whole trace under a click."""

from __future__ import annotations

from collections.abc import Sequence

from dash import html

from dashboard.contract import DecisionBrief
from dashboard.parts import Component, badge, replicas_change
from dashboard.wording import clock, count, day, number, signed_money, stamp
from domain.scaling import Proposal, TraceLine

SHOWN = 60
"""Whole traces are about 2 KB each on the wire: 60 of them, the rest is a smaller window away."""


def decision_list(decisions: Sequence[DecisionBrief], total: int) -> list[Component]:
    """Newest first. ``<details>`` opens without a request; the page's script keeps open what was open."""
    items = [_item(decision) for decision in decisions[:SHOWN]]
    left = total - len(items)
    if left > 0:
        items.append(html.P(f"{left:,} older in this range: zoom in to see them.", className="more"))
    return items


def version(decisions: Sequence[DecisionBrief], total: int) -> str:
    """Changes when the list does: the list is most of a tick's bytes and is sent only then."""
    return f"{decisions[0].id if decisions else ''}|{decisions[-1].id if decisions else ''}|{total}"


def _item(decision: DecisionBrief) -> Component:
    change = replicas_change(decision.outcome, decision.from_replicas, decision.to_replicas)
    when = html.Time([html.Span(clock(decision.at)), html.Span(day(decision.at))], dateTime=decision.at.isoformat())
    summary = html.Summary(
        [
            when,
            html.Div(
                [
                    html.Div([change, html.Span(decision.reason.value, className="reason")], className="decision-line"),
                    html.P(decision.message),
                ],
                className="decision-text",
            ),
        ]
    )
    return html.Details([summary, _trace(decision)], className="decision", **{"data-decision": decision.id})


def _trace(decision: DecisionBrief) -> Component:
    parts: list[Component] = []
    if decision.proposals:
        parts += [html.H4("Triggers"), html.Ul([_proposal(proposal) for proposal in decision.proposals])]
    if decision.trace:
        parts += [html.H4("From triggers to replicas"), html.Ol([_stage(line, decision) for line in decision.trace])]
    parts.append(html.P(_foot(decision), className="foot muted"))
    return html.Div(parts, className="trace")


def _proposal(proposal: Proposal) -> Component:
    unit = f" {proposal.unit}" if proposal.unit else ""
    value = f"{number(proposal.value)}{unit}"
    target = "" if proposal.target is None else f" · target {number(proposal.target)}{unit}"
    asks = badge("missing", "warn") if proposal.missing else badge("no say")
    if proposal.replicas is not None:
        asks = badge(f"asks {count(proposal.replicas)}")
    as_of = f" · as of {clock(proposal.as_of)}" if proposal.as_of else ""
    if proposal.completeness is not None and proposal.completeness < 1:
        as_of += f" · {proposal.completeness:.0%} of its series seen"
    head = html.Div([html.B(proposal.trigger), html.Span(proposal.kind, className="muted"), asks], className="proposal")
    return html.Li([head, html.P(proposal.reason), html.P(f"{value}{target}{as_of}", className="muted")])


def _stage(line: TraceLine, decision: DecisionBrief) -> Component:
    moved = any(limit == line.stage or limit.startswith(f"{line.stage}.") for limit in decision.limited_by)
    number_after = html.B(count(line.replicas))
    name = html.Span([line.stage, html.Span(" moved it", className="moved") if moved else None], className="stage")
    return html.Li([html.Div([name, number_after]), html.P(line.message)], className="limits" if moved else "")


def _foot(decision: DecisionBrief) -> list[Component]:
    cost = decision.cost_change_per_hour
    parts = [stamp(decision.at), f"mode {decision.mode.value}"]
    if cost is not None:
        parts.append(f"cost {signed_money(cost)} per hour")
    return [html.Span(part) for part in (*parts, f"id {decision.id}")]
