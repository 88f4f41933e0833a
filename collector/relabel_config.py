"""Reads ``relabel_configs`` and ``metric_relabel_configs`` as they stand in a Prometheus file."""

from __future__ import annotations

from typing import Any

import yaml

from collector import document
from collector.document import Section
from collector.relabel import ANYTHING, FIRST_GROUP, SEPARATOR, Action, RelabelRule


def relabel_rules(section: Section, key: str) -> tuple[RelabelRule, ...]:
    """The rules under ``key`` of a job; a mistaken one is noted and left out."""
    rules = []
    for node, field in section.items(key):
        if not isinstance(node, yaml.MappingNode):
            section.mistakes.add(node, field, "expected a mapping with source_labels, regex and action")
            continue
        rule = _rule(Section(node, field, section.mistakes))
        if rule is not None:
            rules.append(rule)
    return tuple(rules)


def _rule(section: Section) -> RelabelRule | None:
    fields: dict[str, Any] = {
        "source_labels": _texts(section, "source_labels"),
        "separator": section.take("separator", _any_text, SEPARATOR),
        "target_label": section.take("target_label", document.text, ""),
        "regex": section.take("regex", _any_text, ANYTHING),
        "modulus": section.take("modulus", document.count, 0),
        "replacement": section.take("replacement", _any_text, FIRST_GROUP),
        "action": section.take("action", _action, Action.REPLACE),
    }
    section.close({})
    try:
        return RelabelRule(**fields)
    except ValueError as error:
        section.mistakes.add(section.node, section.field, str(error))
        return None


def _texts(section: Section, key: str) -> tuple[str, ...]:
    found = []
    for node, field in section.items(key):
        try:
            found.append(document.text(node))
        except ValueError as error:
            section.mistakes.add(node, field, str(error))
    return tuple(found)


def _any_text(node: yaml.Node) -> str:
    return "" if isinstance(node, yaml.ScalarNode) and node.value == "" else document.text(node)


def _action(node: yaml.Node) -> Action:
    written = document.text(node).lower()
    if written not in set(Action):
        raise ValueError(f"expected one of {', '.join(Action)}, got {written!r}")
    return Action(written)
