"""Plays unit tests: every group at every interval, alerts compared where the story says so, then the expressions.

Source:
    Prometheus 3.14, ``cmd/promtool/unittest.go``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from alerts.evaluation.asking import RuleFailedError, sampled
from alerts.evaluation.group import GroupRun, World
from alerts.rule_file.model import RuleFile
from alerts.unit_tests.document import EPOCH, AlertTest, ExpectedAlert, ExpressionTest, UnitTest, UnitTestFile
from alerts.unit_tests.memory import MemorySeries
from domain.alerts import AlertState
from domain.clock import to_ms
from domain.errors import QueryError
from domain.labels import METRIC_NAME, Labels
from domain.units import format_duration
from rules.yaml_tree import Place
from store.promql import Evaluator

MOST_EVALUATIONS: Final = 200_000
"""Of one test: 138 days in minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One thing that is not as expected: ``said`` in a line, ``expected`` and ``got`` for a diff."""

    place: Place
    said: str
    expected: tuple[str, ...] = ()
    got: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one test went; ``questions`` counts what it asked."""

    name: str
    place: Place
    questions: int
    failures: tuple[Failure, ...]


def run(file: UnitTestFile, rules: Sequence[RuleFile]) -> list[Outcome]:
    """Every test of a file over the rules that it names."""
    return [_Story(file, test, rules).outcome() for test in file.tests]


class _Story:
    """One test under way."""

    def __init__(self, file: UnitTestFile, test: UnitTest, rules: Sequence[RuleFile]) -> None:
        self._file, self._test = file, test
        self._memory = MemorySeries(given(test))
        step = file.evaluation_interval
        self._evaluator = Evaluator(self._memory.select, subquery_step=step)
        self._world = World(
            ask=lambda query, at_ms: self._evaluator.instant(query, at_ms=at_ms),
            write=self._memory.append,
            external_url=test.external_url,
            external_labels=dict(test.external_labels),
        )
        groups = [GroupRun(group, file=one.file, interval=test.interval) for one in rules for group in one.groups]
        order = {name: place for place, name in enumerate(file.group_eval_order)}
        self._groups = sorted(groups, key=lambda group: order.get(group.group.name, 0))

    def outcome(self) -> Outcome:
        failures = tuple(self._failures())
        test = self._test
        return Outcome(
            name=test.name, place=test.place, questions=len(test.alerts) + len(test.expressions), failures=failures
        )

    def _failures(self) -> Iterator[Failure]:
        test, step = self._test, self._file.evaluation_interval
        asked = [*(one.eval_time for one in test.alerts), *(one.eval_time for one in test.expressions)]
        last = max(asked, default=timedelta())
        if last // step > MOST_EVALUATIONS:
            yield Failure(place=test.place, said=f"more than {MOST_EVALUATIONS} evaluations")
            return
        for number in range(last // step + 1):
            since = number * step
            broken = list(self._evaluate(test.start + since))
            if broken:
                yield from broken
                return
            due = [one for one in test.alerts if since <= one.eval_time < since + step]
            for alert in sorted(due, key=lambda one: one.eval_time):
                yield from self._compare_alerts(alert)
        for expression in test.expressions:
            yield from self._compare_expression(expression)

    def _evaluate(self, at: datetime) -> Iterator[Failure]:
        self._memory.until_ms = to_ms(at)
        for group in self._groups:
            group.evaluate(at, self._world)
            for run in group.rules:
                if run.error:
                    since = format_duration(at - EPOCH)
                    said = f"rule: {run.rule.name}, time: {since}, err: {run.error}"
                    yield Failure(place=self._test.place, said=said)

    def _compare_alerts(self, test: AlertTest) -> Iterator[Failure]:
        got = sorted(
            _said_alert(ExpectedAlert(labels=alert.labels, annotations=alert.annotations))
            for group in self._groups
            for run in group.alerting()
            if run.alerting is not None and run.rule.name == test.alertname
            for alert in run.alerting.current()
            if alert.state is AlertState.FIRING
        )
        expected = sorted(_said_alert(one) for one in test.expected)
        if got != expected:
            said = f"alertname: {test.alertname}, time: {format_duration(test.eval_time)}"
            yield Failure(place=test.place, said=said, expected=tuple(expected), got=tuple(got))

    def _compare_expression(self, test: ExpressionTest) -> Iterator[Failure]:
        said = f"expr: {test.expr}, time: {format_duration(test.eval_time)}"
        try:
            found = sampled(self._world.ask(test.expr, to_ms(self._test.start + test.eval_time)))
        except (QueryError, RuleFailedError) as error:
            yield Failure(place=test.place, said=f"{said}, err: {error}")
            return
        got, expected = sorted(found, key=lambda one: one[0]), sorted(test.expected, key=lambda one: one[0])
        same = [labels for labels, _ in got] == [labels for labels, _ in expected]
        pairs = zip(got, expected, strict=False)
        if not same or not all(_equal(one, two) for (_, one), (_, two) in pairs):
            yield Failure(
                place=test.place, said=said, expected=tuple(map(_said_sample, expected)),
                got=tuple(map(_said_sample, got)),
            )  # fmt: skip


def given(test: UnitTest) -> Iterator[tuple[Labels, list[int], list[float]]]:
    """The input series of a test with their times in milliseconds."""
    start, step = to_ms(test.start), round(test.interval / timedelta(milliseconds=1))
    for series in test.series:
        numbers = [(at, value) for at, value in enumerate(series.points) if isinstance(value, float)]
        yield series.labels, [start + at * step for at, _ in numbers], [value for _, value in numbers]


def _equal(one: float, other: float) -> bool:
    """To 13 digits, whatever ``fuzzy_compare`` says; NaN is never equal, as in promtool.

    promtool compares every bit, and its own sums round in their own order: the last digits are no verdict on a rule.
    """
    return one == other or math.isclose(one, other, rel_tol=1e-13)


def _said_alert(alert: ExpectedAlert) -> str:
    return f"Labels:{alert.labels} Annotations:{alert.annotations}"


def _said_sample(sample: tuple[Labels, float]) -> str:
    labels, value = sample
    name = labels.metric_name
    shown = str(labels) if name or len(labels) else "{}"
    return f"{shown if name else str(labels.without([METRIC_NAME]))} {value!r}"
