"""One section and the same alerts through Debian's Alertmanager and through ours: the same is told at the same time."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alerts.notification import Notification
from alerts.routing.matchers import parse
from alerts.routing.router import Router
from alerts.routing.silences import Silence
from domain.alerts import Alert
from domain.labels import Labels
from tests.alerts.routing.alertmanager import alertmanager, ask, webhook
from tests.alerts.routing.routed import routing

SECTION = """
route:
  receiver: all
  group_by: [alertname]
  group_wait: 1s
  group_interval: 3s
  repeat_interval: 5s
  routes:
    - {matchers: ['severity="page"', env!="test"], receiver: pager, group_by: [...], continue: true}
    - {matchers: [team=~"web|shop"], receiver: web, group_by: [team, zone]}
    - {matchers: [kind=muted], receiver: all, mute_time_intervals: [always]}
    - {matchers: [kind=never], receiver: all, active_time_intervals: [long ago]}
inhibit_rules:
  - {source_matchers: [alertname=Dead], target_matchers: [alertname=~"Down|Dead"], equal: [host]}
time_intervals:
  - {name: always, time_intervals: [{weekdays: ['sunday:saturday'], days_of_month: ['1:-1']}]}
  - {name: long ago, time_intervals: [{years: ['1999']}]}
"""
LATE_SECONDS = 1.4
"""Below half of group_interval: whatever is told at another flush is too far off."""
SLOW = {"alertname": "Slow", "team": "web", "job": "shop"}
FIRST = [
    {**SLOW, "instance": "b"}, {**SLOW, "instance": "a", "severity": "page"}, {**SLOW, "zone": 'x"\\y\n'},
    {"alertname": "Dead", "host": "h"}, {"alertname": "Down", "host": "h"}, {"alertname": "Down", "host": "i"},
    {"alertname": "Quiet", "instance": "s"}, {"alertname": "Muted", "kind": "muted"},
    {"alertname": "Never", "kind": "never"},
]  # fmt: skip
OVER = [{**SLOW, "instance": "a", "severity": "page"}, {"alertname": "Dead", "host": "h"}]
LAST = [{**SLOW, "instance": "b"}, {**SLOW, "instance": "c"}, {"alertname": "Down", "host": "i"}]


def _plan(start: datetime) -> list[tuple[float, list[Alert]]]:
    """Seconds after the start, and what is told then: each in the middle between two flushes."""

    def fires(labels: dict[str, str], at: float = 0) -> Alert:
        return Alert(
            labels=Labels.of(labels), annotations=Labels.of(summary=f"at {at}"), starts_at=start + timedelta(seconds=at)
        )

    def over(labels: dict[str, str], at: float) -> Alert:
        return replace(fires(labels), ends_at=start + timedelta(seconds=at - 0.1))

    return [
        (0, [*map(fires, FIRST), fires({"alertname": "Old", "host": "o"}, -60)]),
        (2.5, [fires({**SLOW, "instance": "c"}, 2.5)]),
        (5.5, [over(labels, 5.5) for labels in OVER]),
        (8.5, [over(labels, 8.5) for labels in LAST]),
    ]


def _posted(alert: Alert) -> dict[str, Any]:
    body = {
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "startsAt": alert.starts_at.isoformat(),
    }
    return body if alert.ends_at is None else {**body, "endsAt": alert.ends_at.isoformat()}


Told = tuple[str, str, str, list[tuple[dict[str, str], str, datetime, datetime | None]]]


def _theirs(body: dict[str, Any]) -> Told:
    alerts = [
        (one["labels"], one["annotations"]["summary"], datetime.fromisoformat(one["startsAt"]),
         None if one["status"] == "firing" else datetime.fromisoformat(one["endsAt"]))
        for one in body["alerts"]
    ]  # fmt: skip
    return body["receiver"], body["groupKey"], body["status"], alerts


def _ours(one: Notification) -> Told:
    alerts = [
        (dict(each.labels), each.annotations.value_of("summary"), each.starts_at, each.ends_at) for each in one.alerts
    ]  # fmt: skip
    return one.receiver, one.group_key, one.status, alerts


def _drive(router: Router, posted: list[tuple[datetime, list[Alert]]], end: datetime) -> list[tuple[datetime, Told]]:
    told, now, waiting = [], posted[0][0], list(posted)
    while now < end:
        while waiting and waiting[0][0] <= now:
            router.receive(waiting.pop(0)[1], now)
        for one in router.due(now):
            router.told(one)
            told.append((now, _ours(one)))
        now += timedelta(milliseconds=20)
    return told


def _by_group(told: list[tuple[datetime, Told]]) -> dict[tuple[str, str], list[Told]]:
    groups: dict[tuple[str, str], list[Told]] = {}
    for _, one in told:
        groups.setdefault(one[:2], []).append(one)
    return groups


def _until(start: datetime, seconds: float) -> None:
    threading.Event().wait(max(0.0, (start - datetime.now(UTC)).total_seconds() + seconds))


@pytest.mark.program
def test_the_same_is_told_as_alertmanager_tells(tmp_path: Path) -> None:
    with webhook() as (url, heard), alertmanager(SECTION, ["all", "pager", "web"], url, tmp_path) as base:
        start = datetime.fromtimestamp(int(time.time() * 1000) / 1000, UTC)
        silence = Silence(
            id="", matchers=parse('instance="s"'), starts_at=start, ends_at=start + timedelta(seconds=5.5),
            created_by="ann", comment="moving", updated_at=start,
        )  # fmt: skip
        matcher = {"name": "instance", "value": "s", "isRegex": False, "isEqual": True}
        ask(f"{base}/api/v2/silences", {
            "matchers": [matcher], "startsAt": start.isoformat(), "endsAt": silence.ends_at.isoformat(),
            "createdBy": "ann", "comment": "moving",
        })  # fmt: skip
        posted = []
        for at, alerts in _plan(start):
            _until(start, at)
            ask(f"{base}/api/v2/alerts", [_posted(one) for one in alerts])
            posted.append((datetime.now(UTC), alerts))
        _until(start, 11.2)
        theirs = [(datetime.fromtimestamp(at, UTC), _theirs(body)) for at, body in heard.wait_for(0, 0)]
    router = Router(routing(SECTION))
    router.silences = (silence,)
    ours = _drive(router, posted, start + timedelta(seconds=11.2))
    assert _by_group(ours) == _by_group(theirs)
    tellings = {(receiver, status) for receiver in ("all", "pager", "web") for status in ("firing", "resolved")}
    assert {(one[0], one[2]) for _, one in ours} == tellings
    for group in _by_group(ours):
        mine, real = ([at for at, one in told if one[:2] == group] for told in (ours, theirs))
        late = [abs((left - right).total_seconds()) for left, right in zip(mine, real, strict=True)]
        assert max(late) < LATE_SECONDS, group
