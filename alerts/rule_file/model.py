"""A rule file as it was read: groups of alerting and recording rules, each with its place.

Source:
    Prometheus 3, ``model/rulefmt``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from domain.labels import Labels
from rules.yaml_tree import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertingRule:
    """Fires for each series that ``expr`` yields; label values and annotations are Go templates.

    Attributes:
        for_: So long an alert is pending before it fires.
        keep_firing_for: So long it fires on after ``expr`` yields it no more.
    """

    alert: str
    expr: str
    place: Place
    for_: timedelta = timedelta()
    keep_firing_for: timedelta = timedelta()
    labels: Labels = Labels()
    annotations: Labels = Labels()

    @property
    def name(self) -> str:
        """What both kinds of rule call theirs."""
        return self.alert


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingRule:
    """Writes what ``expr`` yields as the series ``record``, with ``labels`` set on each."""

    record: str
    expr: str
    place: Place
    labels: Labels = Labels()

    @property
    def name(self) -> str:
        """What both kinds of rule call theirs."""
        return self.record


Rule = AlertingRule | RecordingRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rules that are evaluated one after the other, at the same times.

    Attributes:
        interval: None: the global evaluation interval.
        limit: Most alerts, or series, of one rule; with more the rule fails. 0: any number.
        query_offset: So far before the time of evaluation every rule looks.
        labels: Set on the result of every rule that does not set them itself.
    """

    name: str
    rules: tuple[Rule, ...]
    place: Place
    interval: timedelta | None = None
    limit: int = 0
    query_offset: timedelta = timedelta()
    labels: Labels = Labels()


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFile:
    """One file; group names are unique in it."""

    file: str
    groups: tuple[Group, ...] = field(default=())
