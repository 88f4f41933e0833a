"""Reads a rule file: what is right runs, and every mistake is said with its place.

Source:
    Prometheus 3.14, ``model/rulefmt``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from alerts.rule_file import yaml_nodes
from alerts.rule_file.fields import Fields, Mistakes
from alerts.rule_file.model import AlertingRule, Group, RecordingRule, Rule, RuleFile
from alerts.rule_file.yaml_nodes import Mapping, Node, YamlError
from alerts.templates import TemplateError, check
from domain.errors import Mistake, QueryError
from domain.labels import Labels
from store.promql import parse

_GROUP: Final = ("name", "interval", "query_offset", "limit", "labels", "rules")
_RULE: Final = ("record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations")
_ONLY_ALERTS: Final = ("annotations", "for", "keep_firing_for")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What is right in a file, and what is not."""

    file: RuleFile
    mistakes: tuple[Mistake, ...] = ()


def is_rule_file(node: Node | None) -> bool:
    """Whether it has ``groups`` and is nothing of Kubernetes' or ours."""
    return isinstance(node, Mapping) and "groups" in node.entries and "kind" not in node.entries


def read(raw: bytes, *, file: str, check_query: Callable[[str], None] = parse.check) -> Reading:
    """All groups of one file; never raises for anything that the bytes hold.

    Args:
        raw: The file's bytes.
        file: Its name, for the mistakes.
        check_query: Refuses what cannot be evaluated.
    """
    mistakes = Mistakes(file)
    try:
        node = yaml_nodes.read(raw)
    except YamlError as error:
        return Reading(file=RuleFile(file=file), mistakes=(error.mistake(file),))
    groups: list[Group] = []
    if node is not None:
        fields = Fields(node, "", mistakes, ("groups",))
        names: dict[str, int] = {}
        for path, item in fields.items("groups"):
            group = _group(Fields(item, path, mistakes, _GROUP), mistakes, names, check_query)
            if group is not None:
                groups.append(group)
    return Reading(file=RuleFile(file=file, groups=tuple(groups)), mistakes=tuple(mistakes.found))


def _group(
    fields: Fields, mistakes: Mistakes, names: dict[str, int], check_query: Callable[[str], None]
) -> Group | None:
    name = fields.text("name")
    if not name:
        fields.wrong("name", "a group needs a name")
    elif name in names:
        fields.wrong("name", f"the group {name} stands already in line {names[name]}")
    rules = [
        rule
        for path, item in fields.items("rules")
        if (rule := _rule(Fields(item, path, mistakes, _RULE), mistakes, check_query)) is not None
    ]
    limit, offset = fields.whole("limit"), fields.duration("query_offset")
    interval, labels = fields.duration("interval"), fields.labels("labels")
    if not name or name in names:
        return None
    names[name] = fields.place.line
    return Group(
        name=name, rules=tuple(rules), place=fields.place, interval=interval or None, limit=limit,
        query_offset=offset or timedelta(), labels=labels,
    )  # fmt: skip


def _rule(fields: Fields, mistakes: Mistakes, check_query: Callable[[str], None]) -> Rule | None:
    """The rule, or None where something in it is wrong."""
    before = len(mistakes.found)
    record, alert = fields.text("record"), fields.text("alert")
    if record and alert:
        fields.wrong("alert", "only one of record and alert may be set")
    elif not record and not alert:
        fields.wrong("alert", "one of record and alert must be set")
    expr = _expression(fields, check_query)
    labels, annotations = fields.labels("labels"), fields.labels("annotations", annotations=True)
    pending, kept = fields.duration("for"), fields.duration("keep_firing_for")
    rule: Rule
    if record:
        _check_record(fields, record)
        rule = RecordingRule(record=record, expr=expr, place=fields.place, labels=labels)
    else:
        rule = AlertingRule(
            alert=alert, expr=expr, place=fields.place, for_=pending or timedelta(),
            keep_firing_for=kept or timedelta(), labels=labels, annotations=annotations,
        )  # fmt: skip
        _check_templates(fields, rule)
    return rule if len(mistakes.found) == before else None


def _expression(fields: Fields, check_query: Callable[[str], None]) -> str:
    expr = fields.text("expr")
    if not expr:
        fields.wrong("expr", "field expr must be set in rule")
        return ""
    try:
        check_query(expr)
    except QueryError as error:
        fields.wrong("expr", str(error))
    return expr


def _check_record(fields: Fields, record: str) -> None:
    for name in _ONLY_ALERTS:
        if fields.has(name):
            fields.wrong(name, f"invalid field {name} in a recording rule")
    if "{" in record or "}" in record:
        fields.wrong("record", f"braces in the name of a recording rule; should they be in expr? {record}")


def _check_templates(fields: Fields, rule: AlertingRule) -> None:
    for name, pairs in (("labels", rule.labels), ("annotations", rule.annotations)):
        for key, text in pairs:
            try:
                check(f"__alert_{rule.alert}", text)
            except TemplateError as error:
                fields.wrong_entry(name, key, str(error))


def effective(group: Group) -> Group:
    """The group with its labels on every rule that does not set them itself."""
    if not group.labels:
        return group
    rules = tuple(replace(rule, labels=Labels.of({**dict(group.labels), **dict(rule.labels)})) for rule in group.rules)
    return replace(group, rules=rules, labels=Labels())
