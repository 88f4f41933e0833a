"""How tests went: lines for people, JSON and JUnit's XML for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree import ElementTree as xml

from app.alert_rules.unit_tests import Played, lines
from app.rule_tests.compare import Assertion, TestResult, Value
from domain.units import format_duration


def table(results: Sequence[TestResult], played: Sequence[Played] = ()) -> str:
    """One line per failing assertion, and the count last."""
    return "\n".join([*_lines(results), *lines(played), _count(results, played)])


def to_json(results: Sequence[TestResult], played: Sequence[Played] = ()) -> str:
    """Every assertion; of promtool's tests what failed."""
    failed = sum(bool(one.failures) for one in results) + sum(bool(one.outcome.failures) for one in played)
    tests = [*map(_test, results), *map(_unit_test, played)]
    body = {"passed": len(tests) - failed, "failed": failed, "tests": tests}
    return json.dumps(body, indent=2, ensure_ascii=False)


def to_junit(results: Sequence[TestResult], played: Sequence[Played] = ()) -> str:
    """A suite per file, a case per test; without times, so that the same run gives the same file."""
    failures = sum(bool(one.failures) for one in results) + sum(bool(one.outcome.failures) for one in played)
    count = len(results) + len(played)
    root = xml.Element("testsuites", name="foretide test", tests=str(count), failures=str(failures))
    _unit_suites(root, played)
    for file in dict.fromkeys(one.file for one in results):
        own = [one for one in results if one.file == file]
        failed = sum(bool(one.failures) for one in own)
        suite = xml.SubElement(root, "testsuite", name=file, tests=str(len(own)), failures=str(failed), errors="0")
        for one in own:
            case = xml.SubElement(
                suite, "testcase", classname=one.rule, name=one.name, file=file, line=str(one.line)
            )  # fmt: skip
            if one.failures:
                lines = [_line(one, failure) for failure in one.failures]
                message = f"{len(lines)} of {len(one.assertions)} assertions failed"
                xml.SubElement(case, "failure", message=message).text = "\n".join(lines)
    xml.indent(root)
    return xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _unit_suites(root: xml.Element, played: Sequence[Played]) -> None:
    for file in dict.fromkeys(one.file for one in played):
        own = [one for one in played if one.file == file]
        failed = sum(bool(one.outcome.failures) for one in own)
        suite = xml.SubElement(root, "testsuite", name=file, tests=str(len(own)), failures=str(failed), errors="0")
        for one in own:
            case = xml.SubElement(suite, "testcase", name=one.outcome.name, file=file, line=str(one.outcome.place.line))
            if one.outcome.failures:
                message = f"{len(one.outcome.failures)} of {one.outcome.questions} assertions failed"
                xml.SubElement(case, "failure", message=message).text = "\n".join(lines([one]))


def _lines(results: Sequence[TestResult]) -> Iterator[str]:
    for one in results:
        yield from (_line(one, failure) for failure in one.failures)


def _line(test: TestResult, failure: Assertion) -> str:
    return f"{test.file}:{failure.place.line}:{failure.place.column}: {test.name}: {failure}"


def _count(results: Sequence[TestResult], played: Sequence[Played]) -> str:
    files = len({*(one.file for one in results), *(one.file for one in played)})
    counts = [(len(one.assertions), len(one.failures)) for one in results]
    counts += [(one.outcome.questions, len(one.outcome.failures)) for one in played]
    assertions, wrong = sum(all_of for all_of, _ in counts), sum(failures for _, failures in counts)
    failed = sum(bool(failures) for _, failures in counts)
    where = f"in {files} file{'s' if files > 1 else ''}"
    if not failed:
        return f"ok: {_many(len(counts), 'test')} with {_many(assertions, 'assertion')} {where}"
    return f"{failed} of {_many(len(counts), 'test')} failed, {wrong} of {_many(assertions, 'assertion')}, {where}"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _test(one: TestResult) -> dict[str, Any]:
    return {
        "file": one.file, "line": one.line, "name": one.name, "rule": one.rule, "passed": not one.failures,
        "assertions": [_assertion(each) for each in one.assertions],
    }  # fmt: skip


def _unit_test(one: Played) -> dict[str, Any]:
    outcome = one.outcome
    failures = [
        {"line": each.place.line, "column": each.place.column, "said": each.said, "expected": list(each.expected),
         "got": list(each.got)}
        for each in outcome.failures
    ]  # fmt: skip
    return {
        "file": one.file, "line": outcome.place.line, "name": outcome.name, "passed": not failures,
        "questions": outcome.questions, "failures": failures,
    }  # fmt: skip


def _assertion(one: Assertion) -> dict[str, Any]:
    return {
        "line": one.place.line, "column": one.place.column, "eval_time": format_duration(one.eval_time),
        "field": one.field, "expected": _plain(one.expected), "got": _plain(one.got), "passed": one.passed,
        "sentence": one.sentence,
    }  # fmt: skip


def _plain(value: Value) -> int | str | None | list[str]:
    return list(value) if isinstance(value, tuple) else value
