"""promtool's unit tests for ``foretide test``: read with the rule files that they name, played, told."""

from __future__ import annotations

import difflib
import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from alerts.rule_file.model import RuleFile
from alerts.unit_tests import document
from alerts.unit_tests.document import UnitTestFile
from alerts.unit_tests.run import Failure, Outcome, run
from app.alert_rules import files
from domain.errors import Mistake


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitTests:
    """One file with its rules."""

    file: UnitTestFile
    rules: tuple[RuleFile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """How one test of a file went."""

    file: str
    outcome: Outcome


def load(path: str) -> tuple[UnitTests | None, list[Mistake]]:
    """A file of tests, or everything that is wrong with it and with the rules that it names."""
    read, mistakes = document.read(Path(path).read_bytes(), file=path)
    if read is None:
        return None, list(mistakes)
    found, missing = _rule_files(read)
    rules = files.load(found)
    wrong = [*missing, *rules.mistakes]
    return (None if wrong else UnitTests(file=read, rules=rules.files)), wrong


def _rule_files(read: UnitTestFile) -> tuple[list[str], list[Mistake]]:
    found: list[str] = []
    missing = []
    for place, pattern in read.rule_files:
        matches = sorted(glob.glob(str(Path(read.file).parent / pattern)))
        found += matches
        if not matches:
            said = f'no file "{pattern}" beside this one'
            missing.append(
                Mistake(file=read.file, line=place.line, column=place.column, field="rule_files", message=said)
            )
    return found, missing


def play(tests: UnitTests) -> list[Played]:
    """Every test of the file."""
    return [Played(file=tests.file.file, outcome=outcome) for outcome in run(tests.file, tests.rules)]


def lines(played: Sequence[Played]) -> Iterator[str]:
    """A line for each failure, and what was expected and what came below it."""
    for one in played:
        for failure in one.outcome.failures:
            yield f"{one.file}:{failure.place.line}:{failure.place.column}: {one.outcome.name}: {failure.said}"
            if failure.expected or failure.got:
                yield from (f"    exp: {line}" for line in failure.expected or ("[]",))
                yield from (f"    got: {line}" for line in failure.got or ("[]",))


def differences(played: Sequence[Played]) -> Iterator[str]:
    """A unified diff for each failure, from what is expected to what came."""
    for one in played:
        for failure in one.outcome.failures:
            yield from _difference(one, failure)


def _difference(one: Played, failure: Failure) -> Iterator[str]:
    where = f"{one.file}:{failure.place.line}: {one.outcome.name}: {failure.said}"
    if not failure.expected and not failure.got:
        yield f"{where}\n"
        return
    expected = [f"{line}\n" for line in failure.expected]
    yield from difflib.unified_diff(expected, [f"{line}\n" for line in failure.got], f"{where} exp", f"{where} got")
