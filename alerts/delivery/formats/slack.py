"""Slack's blocks, for an incoming webhook.

Source:
    Slack, "Block Kit": a header has at most 150 characters, a section 3,000, a message 50 blocks; ``& < >`` are
    escaped, so that no label mentions a channel.
"""

from __future__ import annotations

from typing import Any, Final

from alerts.delivery.formats.message import Told, said, shortened
from domain.alerts import Alert

_MOST_ALERTS: Final = 10


def body(told: Told) -> dict[str, Any]:
    """A header, a section for each of the first ten alerts, a button."""
    note = told.notification
    more = max(len(note.alerts) - _MOST_ALERTS, 0) + note.truncated
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": shortened(told.title, 150), "emoji": False}}
    ]
    blocks += [_section(_told(told, one)) for one in note.alerts[:_MOST_ALERTS]]
    blocks += [_section(f"and {more} more")] if more else []
    button = {"type": "button", "text": {"type": "plain_text", "text": "Open chart"}, "url": told.link}
    return {"text": _escaped(told.title), "blocks": [*blocks, {"type": "actions", "elements": [button]}]}


def _told(told: Told, alert: Alert) -> str:
    labels = ", ".join(f"{name}={value}" for name, value in alert.labels if name != "alertname")
    state = "firing" if alert.ends_at is None else "resolved"
    head = f"*{_escaped(alert.name)}* {state} (<{told.chart(alert)}|chart>)"
    return f"{head}\n{_escaped(shortened(said(alert), 1000))}\n{_escaped(shortened(labels, 1000))}".rstrip()


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": shortened(text, 3000)}}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
