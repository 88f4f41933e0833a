"""Prometheus' rule files among the paths that an operator gives: recognised by their content, read and linted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alerts.rule_file import yaml_nodes
from alerts.rule_file.lint import lint
from alerts.rule_file.model import RuleFile
from alerts.rule_file.read import is_rule_file, read
from alerts.rule_file.yaml_nodes import YamlError
from domain.errors import Mistake
from rules.load import Source, find

_MARK: Final = b"groups:"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRules:
    """What stands in rule files: what is right, every mistake, and what is probably not meant."""

    files: tuple[RuleFile, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    warnings: tuple[Mistake, ...] = ()

    @property
    def count(self) -> int:
        """Rules of both kinds."""
        return sum(len(group.rules) for file in self.files for group in file.groups)


def apart(paths: Iterable[str | Path]) -> tuple[list[Path], list[str]]:
    """The paths without the rule files that are named among them, and every rule file there is below them."""
    given = [str(path) for path in paths]
    sources, _ = find(given)
    found = [source.file for source in sources if _is_rule_file(source)]
    return [Path(path) for path in given if path not in found], found


def _is_rule_file(source: Source) -> bool:
    raw = _bytes(source.file)
    if raw is None or _MARK not in raw:
        return False
    try:
        return is_rule_file(yaml_nodes.read(raw))
    except YamlError:
        return source.named and raw.lstrip().startswith(_MARK)  # a broken rule file that was named is told as one


def _bytes(file: str) -> bytes | None:
    try:
        with open(file, "rb") as opened:
            return opened.read(yaml_nodes.MAX_BYTES + 1)
    except OSError:
        return None


def load(files: Sequence[str]) -> AlertRules:
    """All of them; never raises."""
    readings, mistakes = [], []
    for file in files:
        raw = _bytes(file)
        if raw is None:
            mistakes.append(Mistake(file=file, line=0, column=0, field="", message="cannot be read"))
            continue
        reading = read(raw, file=file)
        readings.append(reading.file)
        mistakes += reading.mistakes
    return AlertRules(files=tuple(readings), mistakes=tuple(mistakes), warnings=tuple(lint(readings)))
