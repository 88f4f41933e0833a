"""A mail: text and HTML, in one message whose id is that of the notification."""

from __future__ import annotations

from collections.abc import Sequence
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape

from alerts.delivery.formats.message import Told, instant, said, shortened
from domain.alerts import Alert


def message(told: Told, *, sender: str, to: Sequence[str]) -> EmailMessage:
    """The same bytes each time."""
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"] = sender, ", ".join(to)
    mail["Subject"] = shortened(" ".join(told.title.split()), 200)  # a label's line break would begin a header
    mail["Date"] = format_datetime(told.notification.at)
    mail["Message-ID"] = f"<{told.id}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(_text(told))
    mail.add_alternative(_html(told), subtype="html")
    mail.set_boundary(f"=={told.id}==")
    return mail


def _text(told: Told) -> str:
    parts = [told.title, *(_lines(told, alert) for alert in told.notification.alerts)]
    more = told.notification.truncated
    return "\n\n".join([*parts, *([f"and {more} more"] if more else [])]) + "\n"


def _lines(told: Told, alert: Alert) -> str:
    labels = ", ".join(f"{name}={value}" for name, value in alert.labels)
    return f"{_state(alert)}: {said(alert)}\n{labels}\n{told.chart(alert)}"


def _html(told: Told) -> str:
    items = "".join(_item(told, alert) for alert in told.notification.alerts)
    more = told.notification.truncated
    rest = f"<p>and {more} more</p>" if more else ""
    return f"<!doctype html><html><body><h2>{escape(told.title)}</h2><ul>{items}</ul>{rest}</body></html>\n"


def _item(told: Told, alert: Alert) -> str:
    labels = escape(", ".join(f"{name}={value}" for name, value in alert.labels))
    link = f'<a href="{escape(told.chart(alert))}">chart</a>'
    return f"<li><b>{escape(_state(alert))}</b>: {escape(said(alert))}<br><small>{labels}</small><br>{link}</li>"


def _state(alert: Alert) -> str:
    if alert.ends_at is None:
        return f"firing since {instant(alert.starts_at)}"
    return f"resolved at {instant(alert.ends_at)}"
