"""After a restart alerts go on as they stood: read back from ``ALERTS`` and ``ALERTS_FOR_STATE``.

Prometheus brings back the age of what its rules yield again after a first evaluation, and lets what nearly fired wait
ten minutes more. Here the first evaluation begins with the alerts themselves, where one rule alone can have written
them: what fired goes on with its start, and what is over by then is resolved and told, not forgotten.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, nan
from typing import Final

import numpy as np

from alerts.evaluation.active import ActiveAlert
from alerts.evaluation.alerting import STATE_LABEL, AlertingRun
from alerts.evaluation.group import GroupRun, RuleRun
from alerts.rule_file.model import AlertingRule
from domain.alerts import ALERT_NAME, AlertState
from domain.clock import from_ms
from domain.labels import METRIC_NAME, Labels
from domain.series import Series, is_stale

LOOKED_BACK: Final = timedelta(hours=1)
"""As Prometheus' ``--rules.alert.for-outage-tolerance``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stood:
    """How one alert stood when it was last written.

    Attributes:
        first_at: The first sample of this state without an end since.
        last_at: Its last sample.
        since: When it was first yielded.
        series: What of it has not ended.
    """

    labels: Labels
    state: AlertState
    first_at: datetime
    last_at: datetime
    since: datetime
    series: frozenset[Labels]


def standing(states: Sequence[Series], for_states: Sequence[Series]) -> list[Stood]:
    """The alerts that had not ended, of the histories of ``ALERTS`` and ``ALERTS_FOR_STATE``."""
    ages = {_alert(one.labels): one for one in for_states if len(one.values) and not is_stale(one.values[-1:]).any()}
    found: dict[Labels, Stood] = {}
    for one in states:
        labels, age = _alert(one.labels), ages.get(_alert(one.labels))
        if age is None or not len(one.values) or is_stale(one.values[-1:]).any():
            continue
        ends = np.flatnonzero(is_stale(one.values))
        first = int(ends[-1]) + 1 if len(ends) else 0
        stood = Stood(
            labels=labels, state=AlertState(one.labels.value_of(STATE_LABEL)),
            first_at=from_ms(int(one.timestamps_ms[first])), last_at=from_ms(int(one.timestamps_ms[-1])),
            since=from_ms(round(float(age.values[-1]) * 1000)), series=frozenset({one.labels, age.labels}),
        )  # fmt: skip
        known = found.get(labels)
        if known is None or (stood.last_at, stood.state is AlertState.FIRING) > (known.last_at, False):
            found[labels] = stood
    return list(found.values())


def restore(
    groups: Sequence[tuple[GroupRun, datetime]], stood: Sequence[Stood], *, all_groups: Sequence[GroupRun]
) -> int:
    """Give the rules of ``groups`` the alerts that are theirs; how many came back.

    Args:
        groups: Those that begin, with the time of their first evaluation; the states of others stay.
        stood: What was read back.
        all_groups: Every group that runs, for whose an alert may be.
    """
    rules = _by_name(all_groups)
    restored = 0
    for one in stood:
        owners = [(group, run) for group, run in rules.get(one.labels.value_of(ALERT_NAME), ()) if _fits(run, one)]
        for group, run in owners:
            at = next((at for each, at in groups if each is group), None)
            if at is None or run.alerting is None:
                continue
            alert = _alert_of(one, group, run.alerting, at)
            restored += 1
            if len(owners) == 1:
                run.alerting.active[one.labels] = alert
                run.written |= one.series
            else:  # whose it is, their next results tell
                run.alerting.remembered[one.labels] = alert
    return restored


def _alert(labels: Labels) -> Labels:
    return labels.without((METRIC_NAME, STATE_LABEL))


def _by_name(groups: Sequence[GroupRun]) -> Mapping[str, list[tuple[GroupRun, RuleRun]]]:
    found: dict[str, list[tuple[GroupRun, RuleRun]]] = defaultdict(list)
    for group in groups:
        for run in group.alerting():
            found[run.rule.name].append((group, run))
    return found


def _fits(run: RuleRun, stood: Stood) -> bool:
    """Whether the rule sets these labels; what a template would yield is not known."""
    return all("{{" in text or stood.labels.value_of(name) == text for name, text in run.rule.labels)


def _alert_of(stood: Stood, group: GroupRun, run: AlertingRun, at: datetime) -> ActiveAlert:
    alert = ActiveAlert(labels=stood.labels, annotations=Labels(), value=nan, active_at=stood.since, state=stood.state)
    offset = group.group.query_offset
    if stood.state is AlertState.FIRING:
        alert.fired_at = _fired(stood.first_at + offset, stood.since, run.rule, group.interval)
    else:  # nobody knows whether it held while nobody looked: that time counts as Prometheus counts it, not at all
        alert.active_at += max(at - (stood.last_at + offset) - group.interval, timedelta())
    return alert


def _fired(first_at: datetime, since: datetime, rule: AlertingRule, interval: timedelta) -> datetime:
    """The first sample that said so; when it must have been, where that one is older than what was read back."""
    due = since + ceil(rule.for_ / interval) * interval
    return first_at if first_at - due <= interval else due
