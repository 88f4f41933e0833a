"""Expectations against decisions: each field that is expected is one assertion, at its place in the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from app.rule_tests.document import DecisionTest, Expected
from app.rule_tests.read import Loaded
from domain.scaling import Decision
from domain.units import format_duration
from rules.yaml_tree import Path, Place

Value = int | str | None | tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """One field at one time.

    Attributes:
        path: Of the field in the file.
        got: None where there is no such number, or no decision at all.
        sentence: The decision's.
    """

    path: Path
    place: Place
    eval_time: timedelta
    field: str
    expected: Value
    got: Value
    sentence: str

    @property
    def passed(self) -> bool:
        """Whether it is as expected."""
        return self.expected == self.got

    def __str__(self) -> str:
        """``at 5m replicas: expected 8, got 6: rps 48/s ÷ 8/s per replica → 6``."""
        at = format_duration(self.eval_time)
        return f"at {at} {self.field}: expected {said(self.expected)}, got {said(self.got)}: {self.sentence}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """One test of a file."""

    __test__ = False  # pytest: this is no test of ours
    file: str
    line: int
    name: str
    rule: str
    assertions: tuple[Assertion, ...]

    @property
    def failures(self) -> tuple[Assertion, ...]:
        """Those that are not as expected."""
        return tuple(one for one in self.assertions if not one.passed)


def result(loaded: Loaded, number: int, decisions: Sequence[Decision]) -> TestResult:
    """How test ``number`` of a file went."""
    test = loaded.file.tests[number]
    every = loaded.file.evaluation_interval
    return TestResult(
        file=loaded.document.file, line=loaded.document.values["tests", number].line,
        name=test.name or f"test {number + 1}", rule=test.rule,
        assertions=tuple(_assertions(loaded, number, test, decisions, every)),
    )  # fmt: skip


def _assertions(
    loaded: Loaded, number: int, test: DecisionTest, decisions: Sequence[Decision], every: timedelta
) -> Iterator[Assertion]:
    """A decision stands until the next one: at a time between two ticks the earlier one is in force."""
    for index, expected in enumerate(test.decision_test):
        tick = expected.eval_time // every
        decision = decisions[tick] if tick < len(decisions) else None
        for path, field, value in _expected(expected):
            whole: Path = ("tests", number, "decision_test", index, *path)
            yield Assertion(
                path=whole, place=loaded.document.values[whole], eval_time=expected.eval_time, field=field,
                expected=value, got=None if decision is None else _got(decision, path),
                sentence="no decision was made; the log says why" if decision is None else decision.message,
            )  # fmt: skip


def _expected(expected: Expected) -> Iterator[tuple[Path, str, Value]]:
    """Path within the expectation, what to call it, and the value, in the order of the file's fields."""
    for name in type(expected).model_fields:
        if name not in expected.model_fields_set or name == "eval_time":
            continue
        value = getattr(expected, name)
        if name == "trigger":
            yield from (((name, key), f"trigger {key}", asked) for key, asked in expected.trigger.items())
        else:
            yield (name,), name, value


def _got(decision: Decision, path: Path) -> Value:
    match path:
        case ("trigger", name):
            return next((one.replicas for one in decision.proposals if one.trigger == name), None)
        case ("replicas",):
            return decision.desired_replicas
        case ("reason",):
            return decision.reason
        case ("outcome",):
            return decision.outcome
        case ("limited_by",):
            return decision.limited_by
        case ("hpa_only",):
            return decision.hpa_only_replicas
        case _:
            return decision.with_forecast_replicas


def said(value: Value) -> str:
    """As the file would write it."""
    if value is None:
        return "null"
    return f"[{', '.join(value)}]" if isinstance(value, tuple) else str(value)
