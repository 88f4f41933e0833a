"""The rule files that the running program evaluates: found again every few seconds, read again when one changed.

A file that ran and has a mistake now goes on as it ran, as Prometheus goes on after a failed reload; of a file that has
one at the start everything else runs. What is wrong is told with its place, and stands in the API as a rule that fails.
"""

from __future__ import annotations

import glob
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml

from alerts.rule_file.model import RuleFile
from app.alert_rules import files
from app.alert_rules.files import AlertRules
from domain.errors import Mistake
from rules.load import walk

log = logging.getLogger(__name__)

Stamp = tuple[tuple[str, int, int, int], ...]
_PLACE: Final = re.compile(r"groups\[(\d+)](?:\.rules\[(\d+)])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A rule that does not run because of what is wrong with it; as much of it as can be read."""

    file: str
    group: str
    name: str
    expr: str
    records: bool
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What runs, and what does not."""

    files: tuple[RuleFile, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    broken: tuple[Broken, ...] = ()


class RuleFiles:
    """The files behind ``patterns``, and those that lie among the documents of ``folder``."""

    def __init__(
        self, patterns: Sequence[str], *, folder: Path | None, made: Callable[[], tuple[RuleFile, ...]] = tuple
    ) -> None:
        """Nothing is read before the first ``poll``.

        Args:
            patterns: Paths and globs, as in Prometheus' ``rule_files``.
            folder: Of Foretide's documents; rule files in it are told by their content.
            made: Groups that stand in no file, and run like those of one.
        """
        self._patterns, self._folder, self._made = tuple(patterns), folder, made
        self._running: tuple[RuleFile, ...] = ()
        self._stamp: Stamp | None = None
        self.loaded = Loaded()

    def poll(self) -> bool:
        """Look whether a file came, went or changed; True when ``loaded`` is new."""
        named, in_folder = self._named(), [] if self._folder is None else list(walk(str(self._folder)))
        stamp, made = tuple(_stamps([*named, *in_folder])), self._made()
        if stamp == self._stamp and made == self._running:
            return False
        self._stamp, self._running = stamp, made
        before = {one.file: one for one in self.loaded.files}
        found = dict.fromkeys([*named, *files.apart(in_folder)[1], *(file for file in in_folder if file in before)])
        read = files.load(list(found))
        mistakes = (*self._missing(), *read.mistakes)
        self._tell(mistakes)
        wrong = {one.file for one in read.mistakes}
        kept = tuple(before[one.file] if one.file in wrong and one.file in before else one for one in read.files)
        unread = tuple(before[file] for file in wrong - {one.file for one in read.files} if file in before)
        self.loaded = Loaded(files=(*kept, *unread, *made), mistakes=mistakes, broken=tuple(_broken(read)))
        return True

    def _named(self) -> list[str]:
        found = (file for pattern in self._patterns for file in sorted(glob.glob(pattern)))
        return list(dict.fromkeys(file for file in found if os.path.isfile(file)))

    def _missing(self) -> Iterator[Mistake]:
        for pattern in self._patterns:
            if not glob.has_magic(pattern) and not os.path.isfile(pattern):
                yield Mistake(file=pattern, line=0, column=0, field="", message="no such rule file")

    def _tell(self, mistakes: Iterable[Mistake]) -> None:
        known = set(self.loaded.mistakes)
        for mistake in mistakes:
            if mistake not in known:
                log.error("a rule file has a mistake; what ran of it goes on", extra={"mistake": str(mistake)})


def _stamps(paths: Iterable[str]) -> Iterator[tuple[str, int, int, int]]:
    for path in paths:
        try:
            stat = os.stat(path)
        except OSError:
            continue  # gone since it was listed
        yield path, stat.st_mtime_ns, stat.st_size, stat.st_ino


def _broken(read: AlertRules) -> Iterator[Broken]:
    """A failing rule for each rule, group or file with a mistake, with the first of its mistakes."""
    told: dict[tuple[str, ...], Broken] = {}
    for mistake in read.mistakes:
        place = _PLACE.match(mistake.field)
        key = (mistake.file, *(place.groups(default="") if place else ("", "")))
        told.setdefault(key, _of(mistake, place))
    yield from told.values()


def _of(mistake: Mistake, place: re.Match[str] | None) -> Broken:
    nothing = Broken(
        file=mistake.file, group="", name=Path(mistake.file).name, expr="", records=False, error=str(mistake)
    )
    try:
        node: Any = yaml.safe_load(Path(mistake.file).read_bytes()) if place else None
        if place is None or node is None:
            return nothing
        group = node["groups"][int(place[1])]
        named = replace(nothing, group=str(group.get("name") or ""), name=str(group.get("name") or nothing.name))
        if place[2] is None:
            return named
        rule = group["rules"][int(place[2])]
        name, expr = rule.get("alert") or rule.get("record") or named.name, rule.get("expr") or ""
        return replace(named, name=str(name), expr=str(expr), records="record" in rule)
    except (OSError, yaml.YAMLError, LookupError, TypeError, AttributeError, ValueError):
        return nothing
