"""Test files from paths: found, read strictly, and held against the rule files that they name."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from alerts.rule_file import yaml_nodes
from alerts.rule_file.yaml_nodes import YamlError
from alerts.unit_tests.document import has_test, is_unit_test
from app.alert_rules import unit_tests
from app.alert_rules.unit_tests import UnitTests
from app.check import check_query
from app.rule_tests.document import DecisionTest, TestFile
from domain.errors import Mistake, RuleDocumentError
from rules import RuleSet, load_paths
from rules.load import read_bytes
from rules.schema import ScalingRule
from rules.validate import mistakes_of
from rules.wording import quote, suggestion
from rules.yaml_tree import Document, read

MOST_TICKS: Final = 100_000
"""Of one test: 17 days in steps of 15 s."""
_SUFFIXES: Final = ("_test.yaml", "_test.yml")
_PROMTOOL: Final = ("alert_rule_test", "promql_expr_test")
"""promtool's own tests in the same shape of file; they come with alert rules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A test file without mistake.

    Attributes:
        document: For the place of every expectation.
        rules: By test, in the file's order.
    """

    document: Document
    file: TestFile
    rules: tuple[ScalingRule, ...]
    running: RuleSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What stands behind the paths: tables of decisions, and promtool's unit tests."""

    files: tuple[Loaded, ...]
    unit_tests: tuple[UnitTests, ...]
    mistakes: tuple[Mistake, ...]


def load(paths: Sequence[Path]) -> Found:
    """Every test file; never raises for what a file holds."""
    files: list[Loaded] = []
    tests: list[UnitTests] = []
    mistakes: list[Mistake] = []
    for path, named in _test_files(paths):
        if _is_promtools(path):
            found, wrong = unit_tests.load(path)
            tests += [found] if found is not None else []
            mistakes += wrong
            continue
        document, wrong = _document(path)
        if not named and not wrong and (document is None or not _has_decisions(document.data)):
            continue
        loaded, more = (None, []) if document is None else _loaded(document)
        mistakes += [*wrong, *more]
        files += [loaded] if loaded is not None and not wrong else []
    return Found(files=tuple(files), unit_tests=tuple(tests), mistakes=tuple(mistakes))


def _is_promtools(path: str) -> bool:
    """Whether it holds unit tests of promtool's, and no table of ours."""
    try:
        node = yaml_nodes.read(Path(path).read_bytes())
    except (OSError, YamlError):
        return False
    return is_unit_test(node) and not has_test(node, "decision_test")


def _test_files(paths: Iterable[Path]) -> Iterator[tuple[str, bool]]:
    """Each file once, and whether it was named: a folder is walked for ``*_test.yaml``."""
    seen: set[str] = set()
    for path in paths:
        named = not path.is_dir()
        for file in [str(path)] if named else _walked(str(path)):
            if os.path.abspath(file) not in seen:
                seen.add(os.path.abspath(file))
                yield file, named


def _walked(folder: str) -> Iterator[str]:
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (
            os.path.join(here, name) for name in sorted(files) if name.endswith(_SUFFIXES) and name[0] not in ".#~"
        )


def _document(path: str) -> tuple[Document | None, list[Mistake]]:
    """The one document of a file."""
    try:
        reading = read(read_bytes(path), file=path)
    except OSError as error:
        return None, [_of_file(path, f"cannot be read: {error.strerror}")]
    mistakes = [*reading.mistakes, *(one for document in reading.documents for one in document.mistakes)]
    if len(reading.documents) == 1:
        return reading.documents[0], mistakes
    if reading.documents:
        mistakes.append(reading.documents[1].mistake((), "a test file holds one document"))
    return None, mistakes or [_of_file(path, "there is nothing in it")]


def _tests_in(data: object) -> list[object]:
    tests = data.get("tests") if isinstance(data, dict) else None
    return tests if isinstance(tests, list) else []


def _has_decisions(data: object) -> bool:
    return any(isinstance(test, dict) and "decision_test" in test for test in _tests_in(data))


def _loaded(document: Document) -> tuple[Loaded | None, list[Mistake]]:
    mistakes = list(_promtool_mistakes(document))
    if mistakes:
        return None, mistakes
    try:
        file = TestFile.model_validate(document.data)
    except ValidationError as error:
        return None, mistakes_of(document, error, TestFile)
    running, mistakes = _rules_of(document, file)
    if running is None:
        return None, mistakes
    for number, test in enumerate(file.tests):
        mistakes += _against_rules(document, number, test, file, running)
    if mistakes:
        return None, mistakes
    by_key = {rule.key: rule for rule in running.rules}
    rules = tuple(by_key[test.rule] for test in file.tests)
    return Loaded(document=document, file=file, rules=rules, running=running), []


def _promtool_mistakes(document: Document) -> Iterator[Mistake]:
    for number, test in enumerate(_tests_in(document.data)):
        for field in _PROMTOOL:
            if isinstance(test, dict) and field in test:
                said = f"{field} is promtool's and stands beside a decision_test; give it a file of its own"
                yield document.mistake(("tests", number, field), said, at_key=True)


def _rules_of(document: Document, file: TestFile) -> tuple[RuleSet | None, list[Mistake]]:
    """The rules that the file names; mistakes in them are told at their own places."""
    folder = Path(document.file).parent
    paths: list[Path] = []
    for number, pattern in enumerate(file.rule_files):
        found = sorted(glob.glob(str(folder / pattern)))
        if not found:
            said = f"no file {quote(pattern)} beside this one"
            return None, [document.mistake(("rule_files", number), said)]
        paths += map(Path, found)
    try:
        return load_paths(paths, check_query=check_query), []
    except RuleDocumentError as error:
        return None, list(error.mistakes)


def _against_rules(
    document: Document, number: int, test: DecisionTest, file: TestFile, running: RuleSet
) -> list[Mistake]:
    """What a test says about its rule that cannot be."""
    at = ("tests", number)
    rule = running.rule(test.rule)
    if rule is None:
        known = [one.key for one in running.rules]
        hint = suggestion(test.rule, known, otherwise=f"; there are {', '.join(known) or 'none'}")
        return [document.mistake((*at, "rule"), f"no rule {quote(test.rule)} in rule_files{hint}")]
    forecast = {one.forecast.source: None for one in rule.spec.triggers if one.forecast is not None}
    triggers = {one.name: None for one in rule.spec.triggers}
    mistakes = []
    for index, one in enumerate(test.forecasts):
        if one.of not in forecast:
            said = f"{test.rule} forecasts no {quote(one.of)}{_choice(one.of, forecast)}"
            mistakes.append(document.mistake((*at, "forecasts", index, "of"), said))
    for index, expected in enumerate(test.decision_test):
        place = (*at, "decision_test", index)
        for name in expected.trigger.keys() - triggers.keys():
            said = f"{test.rule} has no trigger {quote(name)}{_choice(name, triggers)}"
            mistakes.append(document.mistake((*place, "trigger", name), said, at_key=True))
        if expected.eval_time > MOST_TICKS * file.evaluation_interval:
            longest = MOST_TICKS * file.evaluation_interval / timedelta(days=1)
            said = f"at most {MOST_TICKS} decisions, which are {longest:.1f} days"
            mistakes.append(document.mistake((*place, "eval_time"), said))
    return mistakes


def _choice(name: str, known: Mapping[str, None]) -> str:
    return suggestion(name, list(known), otherwise=f"; there are {', '.join(known)}" if known else "")


def _of_file(path: str, message: str) -> Mistake:
    return Mistake(file=path, line=0, column=0, field="", message=message)
