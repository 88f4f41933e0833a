"""Which version of each document counts, when files and objects of a cluster come together.

The files are one unit, as they always were; each object is one of its own, so that a mistake of one team stops nobody
else. A unit with a mistake keeps its last version that held together with the rest. Where two contradict each other the
files go first, then objects that ran before, then newcomers by age: who comes later is told, and does not run. What an
object has only because another one was changed or deleted (its SLO is gone) takes nothing down: what it stood on stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from domain.errors import Mistake
from rules import cross_checks
from rules.load import FileReading
from rules.ruleset import RuleSet
from rules.validate import Validated

Version = tuple[Validated, ...]
_FILES: Final = ""
_LEADING: Final = ("ScalingRule", "ScalingPolicy")
"""What names others; the other kinds are what is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What counts.

    Attributes:
        ruleset: All that holds together.
        mistakes: Everything that is wrong, of versions that do not count, too.
        standing: By its place, the version of each object that counts; whoever is not there does not run.
    """

    ruleset: RuleSet = field(default_factory=RuleSet)
    mistakes: tuple[Mistake, ...] = ()
    standing: Mapping[str, Validated] = field(default_factory=dict)


class Standing:
    """Remembers the versions that ran."""

    def __init__(self) -> None:
        self._files: Version = ()
        self._good: dict[str, Validated] = {}

    def settle(self, files: Sequence[FileReading], objects: Sequence[Validated]) -> Settled:
        """The newest versions that hold together, and every mistake of those that do not."""
        told = [mistake for reading in files for mistake in reading.mistakes]
        told += [mistake for one in objects for mistake in one.mistakes]
        is_bad = any(reading.mistakes for reading in files)
        read = tuple(document for reading in files for document in reading.documents)
        units = {_FILES: _versions(None if is_bad else read, self._files)}
        for one in sorted(objects, key=lambda one: self._good.get(one.document.file) != one):  # stable: then by age
            good = self._good.get(one.document.file)
            units[one.document.file] = _versions(None if one.mistakes else (one,), (good,) if good else ())
        told += self._agree(units)
        chosen = {place: versions[0] for place, versions in units.items() if versions}
        self._files = chosen.get(_FILES, ())
        self._good = {place: version[0] for place, version in chosen.items() if place != _FILES}
        documents = [one for version in chosen.values() for one in version]
        return Settled(
            ruleset=RuleSet.of(documents), mistakes=tuple(dict.fromkeys(told)), standing=dict(self._good)
        )  # fmt: skip

    def _agree(self, units: dict[str, list[Version]]) -> list[Mistake]:
        """Takes versions away until nothing contradicts anything; what it did that for."""
        told: list[Mistake] = []
        stood = False
        while faults := list(cross_checks.across([one.document for unit in units.values() for one in _first(unit)])):
            told += faults
            blamed = {fault.file if fault.file in units else _FILES for fault in faults}
            if not stood and any(self._ran(place, units[place]) for place in blamed):
                self._put_back(units)
                stood = True
                continue
            for place in blamed:
                units[place] = units[place][1:]
        return told

    def _ran(self, place: str, versions: Sequence[Version]) -> bool:
        before = self._files if place == _FILES else (self._good.get(place),)
        return len(versions) == 1 and versions[0] == before

    def _put_back(self, units: dict[str, list[Version]]) -> None:
        """What others stand on as it was when everything held together, deleted objects, too."""
        for place, good in self._good.items():
            if not place.startswith(_LEADING):
                units[place] = [(good,)]


def _versions(newest: Version | None, good: Version) -> list[Version]:
    """Newest first, each once; a unit of which nothing is left has none."""
    found = [] if newest is None else [newest]
    return [*found, good] if good and good != newest else found


def _first(versions: Sequence[Version]) -> Version:
    return versions[0] if versions else ()
