"""Groups as the text of a rule file, for a Prometheus that is to run them itself."""

from __future__ import annotations

from collections.abc import Iterable

import yaml

from alerts.rule_file.model import AlertingRule, Group, Rule
from domain.labels import Labels
from domain.units import format_duration


def text_of(groups: Iterable[Group]) -> str:
    """YAML that ``read`` and promtool take."""
    written = {"groups": [_group(group) for group in groups]}
    return yaml.safe_dump(written, sort_keys=False, allow_unicode=True, width=10_000)


def _group(group: Group) -> dict[str, object]:
    optional: dict[str, object] = {
        "interval": format_duration(group.interval) if group.interval is not None else None,
        "limit": group.limit or None,
        "query_offset": format_duration(group.query_offset) if group.query_offset else None,
        "labels": dict(group.labels) or None,
    }
    return {"name": group.name, **_given(optional), "rules": [_rule(rule) for rule in group.rules]}


def _rule(rule: Rule) -> dict[str, object]:
    if not isinstance(rule, AlertingRule):
        return {"record": rule.record, "expr": rule.expr, **_pairs("labels", rule.labels)}
    times: dict[str, object] = {
        "for": format_duration(rule.for_) if rule.for_ else None,
        "keep_firing_for": format_duration(rule.keep_firing_for) if rule.keep_firing_for else None,
    }
    told = {**_pairs("labels", rule.labels), **_pairs("annotations", rule.annotations)}
    return {"alert": rule.alert, "expr": rule.expr, **_given(times), **told}


def _given(fields: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


def _pairs(name: str, labels: Labels) -> dict[str, object]:
    return {name: dict(labels)} if labels else {}
