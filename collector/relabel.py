"""Relabelling as Prometheus does it: rules that keep, drop, rewrite and copy labels of a target or of a series.

Regular expressions are RE2, anchored, and ``.`` matches a newline; replacements are Go's (``$1``, ``${name}``).
Labels are a plain dict here; an empty value is an absent label.

Source:
    Prometheus 3, "relabel_config"; Prometheus' model/relabel/relabel.go.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import re2

from domain.expand import expanded

_LABEL_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_TARGET: Final = re.compile(r"(?:(?:[a-zA-Z_]|\$(?:\{\w+\}|\w+))+\w*)+", re.ASCII)
ANYTHING: Final = "(.*)"
FIRST_GROUP: Final = "$1"
SEPARATOR: Final = ";"


class Action(StrEnum):
    """What a rule does."""

    REPLACE = "replace"
    KEEP = "keep"
    DROP = "drop"
    KEEP_EQUAL = "keepequal"
    DROP_EQUAL = "dropequal"
    HASHMOD = "hashmod"
    LABELMAP = "labelmap"
    LABELDROP = "labeldrop"
    LABELKEEP = "labelkeep"
    LOWERCASE = "lowercase"
    UPPERCASE = "uppercase"


_NEEDS_TARGET: Final = frozenset(
    {Action.REPLACE, Action.KEEP_EQUAL, Action.DROP_EQUAL, Action.HASHMOD, Action.LOWERCASE, Action.UPPERCASE}
)
_CASES: Final = frozenset({Action.LOWERCASE, Action.UPPERCASE})
_EQUALITIES: Final = frozenset({Action.KEEP_EQUAL, Action.DROP_EQUAL})
_BY_NAME: Final = frozenset({Action.LABELDROP, Action.LABELKEEP})


@dataclass(frozen=True, slots=True, kw_only=True)
class RelabelRule:
    """One entry of ``relabel_configs`` or ``metric_relabel_configs``; names and defaults are Prometheus'.

    Raises:
        ValueError: The fields do not fit the action, or the regular expression does not compile.
    """

    source_labels: tuple[str, ...] = ()
    separator: str = SEPARATOR
    target_label: str = ""
    regex: str = ANYTHING
    modulus: int = 0
    replacement: str = FIRST_GROUP
    action: Action = Action.REPLACE
    _pattern: Any = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        self._check()
        options = re2.Options()
        options.dot_nl, options.log_errors = True, False
        try:
            pattern = re2.compile(self.regex, options)
        except re2.error as error:
            raise ValueError(f"{self.regex!r} is no RE2 regular expression") from error
        object.__setattr__(self, "_pattern", pattern)

    def apply(self, labels: dict[str, str]) -> bool:
        """Change ``labels`` in place; False drops the target or series."""
        return _APPLIED[self.action](self, labels)

    def _check(self) -> None:
        action, target = self.action, self.target_label
        if action is Action.HASHMOD and not self.modulus:
            raise ValueError("relabel configuration for hashmod requires non-zero modulus")
        if action in _NEEDS_TARGET and not target:
            raise ValueError(f"relabel configuration for {action} action requires 'target_label' value")
        if action is Action.REPLACE and not _TARGET.fullmatch(target):
            raise ValueError(f"{target!r} is invalid 'target_label' for {action} action")
        if action in _NEEDS_TARGET - {Action.REPLACE} and not _LABEL_NAME.fullmatch(target):
            raise ValueError(f"{target!r} is invalid 'target_label' for {action} action")
        if action in _CASES and self.replacement != FIRST_GROUP:
            raise ValueError(f"'replacement' can not be set for {action} action")
        if action is Action.LABELMAP and not _TARGET.fullmatch(self.replacement):
            raise ValueError(f"{self.replacement!r} is invalid 'replacement' for {action} action")
        shape = (self.regex, self.modulus, self.separator, self.replacement)
        if action in _EQUALITIES and shape != (ANYTHING, 0, SEPARATOR, FIRST_GROUP):
            raise ValueError(f"{action} action requires only 'source_labels' and 'target_label', and no other fields")
        rest = (self.source_labels, target, self.modulus, self.separator, self.replacement)
        if action in _BY_NAME and rest != ((), "", 0, SEPARATOR, FIRST_GROUP):
            raise ValueError(f"{action} action requires only 'regex', and no other fields")

    def _source(self, labels: Mapping[str, str]) -> str:
        return self.separator.join(labels.get(name, "") for name in self.source_labels)

    def _matched(self, text: str) -> Any:
        return self._pattern.fullmatch(text)


def relabelled(labels: Mapping[str, str], rules: Sequence[RelabelRule]) -> dict[str, str] | None:
    """The labels after every rule in its order; None where one drops them."""
    changed = {name: value for name, value in labels.items() if value}
    for rule in rules:
        if not rule.apply(changed):
            return None
    return changed


def _replace(rule: RelabelRule, labels: dict[str, str]) -> bool:
    match = rule._matched(rule._source(labels))
    if match is not None:
        target = expanded(rule.target_label, match)
        if _LABEL_NAME.fullmatch(target):
            _set(labels, target, expanded(rule.replacement, match))
    return True


def _labelmap(rule: RelabelRule, labels: dict[str, str]) -> bool:
    for name, value in list(labels.items()):
        match = rule._matched(name)
        if match is not None:
            _set(labels, expanded(rule.replacement, match), value)
    return True


def _hashmod(rule: RelabelRule, labels: dict[str, str]) -> bool:
    digest = hashlib.md5(rule._source(labels).encode(), usedforsecurity=False).digest()
    _set(labels, rule.target_label, str(int.from_bytes(digest[8:], "big") % rule.modulus))
    return True


def _by_name(rule: RelabelRule, labels: dict[str, str], *, matching: bool) -> bool:
    for name in [name for name in labels if (rule._matched(name) is not None) is matching]:
        del labels[name]
    return True


def _cased(rule: RelabelRule, labels: dict[str, str], change: Callable[[str], str]) -> bool:
    _set(labels, rule.target_label, change(rule._source(labels)))
    return True


def _set(labels: dict[str, str], name: str, value: str) -> None:
    if value:
        labels[name] = value
    else:
        labels.pop(name, None)


_APPLIED: Final[dict[Action, Callable[[RelabelRule, dict[str, str]], bool]]] = {
    Action.REPLACE: _replace,
    Action.KEEP: lambda rule, labels: rule._matched(rule._source(labels)) is not None,
    Action.DROP: lambda rule, labels: rule._matched(rule._source(labels)) is None,
    Action.KEEP_EQUAL: lambda rule, labels: rule._source(labels) == labels.get(rule.target_label, ""),
    Action.DROP_EQUAL: lambda rule, labels: rule._source(labels) != labels.get(rule.target_label, ""),
    Action.HASHMOD: _hashmod,
    Action.LABELMAP: _labelmap,
    Action.LABELDROP: lambda rule, labels: _by_name(rule, labels, matching=True),
    Action.LABELKEEP: lambda rule, labels: _by_name(rule, labels, matching=False),
    Action.LOWERCASE: lambda rule, labels: _cased(rule, labels, str.lower),
    Action.UPPERCASE: lambda rule, labels: _cased(rule, labels, str.upper),
}
