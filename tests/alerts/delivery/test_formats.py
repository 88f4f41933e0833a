"""Each format, byte for byte, and that it cannot be broken by what a label holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from alerts.delivery import links
from alerts.delivery.as_json import from_json, to_json
from alerts.delivery.formats import alertmanager, cloudevents, generic, mail, pagerduty, slack
from alerts.delivery.formats.message import Told
from alerts.notification import Notification, notification
from dashboard.parts import service_path
from domain.labels import Labels
from tests.alerts.delivery.things import NOW, alert, telling

GOLDEN = Path(__file__).parent.parent.parent / "golden" / "deliveries"
URL = "https://foretide.example.com"


def two(*, over: bool = False) -> Notification:
    alerts = [alert(over=over, pod="1", severity="warning"), alert(over=True, pod="2", severity="warning")]
    labels = Labels.of(alertname="HighLatency", namespace="shop")
    key = '{}:{alertname="HighLatency", namespace="shop"}'
    return notification(receiver="oncall", group_key=key, group_labels=labels, alerts=alerts, at=NOW, truncated=3)


def told(one: Notification) -> Told:
    return Told(notification=one, external_url=URL)


def event(told: Told) -> dict[str, Any]:
    return pagerduty.body(told, routing_key="R0", severity="error")


@pytest.mark.parametrize(
    ("name", "body"),
    [("generic", generic.body), ("alertmanager", alertmanager.body), ("cloudevents", cloudevents.body),
     ("slack", slack.body), ("pagerduty", event)],
)  # fmt: skip
@pytest.mark.parametrize("over", [False, True])
def test_a_telling_looks_as_written_down(name: str, body: Callable[[Told], dict[str, Any]], over: bool) -> None:
    expected = GOLDEN / f"{name}-{'resolved' if over else 'firing'}.json"

    assert body(told(two(over=over))) == json.loads(expected.read_text(encoding="utf-8"))


def test_a_mail_looks_as_written_down() -> None:
    made = mail.message(told(two()), sender="foretide@example.com", to=["oncall@example.com"])

    assert made.as_bytes().replace(b"\r\n", b"\n") == (GOLDEN / "mail-firing.eml").read_bytes()


def test_a_label_breaks_no_mail_header_and_no_markup() -> None:
    evil = "x\r\nBcc: all@example.com <!channel> <script>"
    one = notification(
        receiver="oncall", group_key="k", group_labels=Labels.of(alertname=evil), alerts=[alert(evil)], at=NOW
    )
    made = mail.message(told(one), sender="foretide@example.com", to=["oncall@example.com"])

    assert made["Bcc"] is None
    html = made.get_payload()[1].get_content()  # type: ignore[union-attr, index]
    assert "<script>" not in html
    marked = [one["text"]["text"] for one in slack.body(told(one))["blocks"] if one["type"] == "section"]
    assert "<!channel>" not in " ".join(marked)  # the header is plain text, where nothing is markup


def test_a_long_group_key_is_still_one_incident() -> None:
    long = pagerduty.dedup_key("k" * 256)

    assert len(long) <= 255
    assert long == pagerduty.dedup_key("k" * 256) != pagerduty.dedup_key("k" * 257)


def test_slack_gets_no_more_than_it_takes() -> None:
    body = slack.body(told(telling(alerts=200)))

    assert len(body["blocks"]) == 13
    assert "and 190 more" in json.dumps(body)


def test_a_link_is_that_of_the_dashboard_and_the_same_tomorrow() -> None:
    one = alert(over=True)
    link = links.chart(one, at=NOW, external_url=URL)

    assert link.startswith(f"{URL}{service_path('shop', 'cart')}?from=")
    assert link == links.chart(one, at=NOW + timedelta(days=1), external_url=URL)


def test_the_outbox_gives_back_what_was_put() -> None:
    assert from_json(json.loads(json.dumps(to_json(two())))) == two()
