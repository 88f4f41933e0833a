"""An alert that hushes others: as long as the source fires, its targets with the same ``equal`` labels are not told.

Source:
    Alertmanager, ``inhibit``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from alerts.routing.matchers import Matchers, all_match
from domain.alerts import Alert
from domain.labels import Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class InhibitRule:
    """A label of ``equal`` that both lack is the same on both."""

    source: Matchers
    target: Matchers
    equal: tuple[str, ...] = ()

    def key(self, labels: Labels) -> tuple[str, ...]:
        """What has to be the same."""
        return tuple(labels.value_of(name) for name in self.equal)


class Inhibitor:
    """Knows the sources of every rule by what has to be equal, so that 10,000 alerts are asked in one look each."""

    def __init__(self, rules: tuple[InhibitRule, ...]) -> None:
        """Without any source yet."""
        self._rules = rules
        self._sources: list[dict[tuple[str, ...], dict[Labels, Alert]]] = [{} for _ in rules]

    def see(self, alert: Alert) -> None:
        """Keep it where it is a source, in place of what was known of it."""
        for rule, sources in zip(self._rules, self._sources, strict=True):
            if all_match(rule.source, alert.labels):
                sources.setdefault(rule.key(alert.labels), {})[alert.labels] = alert

    def forget(self, labels: Iterable[Labels]) -> None:
        """Drop these."""
        for one in labels:
            for rule, sources in zip(self._rules, self._sources, strict=True):
                same = sources.get(rule.key(one), {})
                same.pop(one, None)
                if not same:
                    sources.pop(rule.key(one), None)

    def source_of(self, labels: Labels, now: datetime) -> Alert | None:
        """The alert that hushes this one; an alert that is source and target of a rule is not hushed by its like."""
        for rule, sources in zip(self._rules, self._sources, strict=True):
            if not all_match(rule.target, labels):
                continue
            two_sided = all_match(rule.source, labels)
            for source in sources.get(rule.key(labels), {}).values():
                if not source.resolved_at(now) and not (two_sided and all_match(rule.target, source.labels)):
                    return source
        return None
