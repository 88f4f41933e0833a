"""Asking for many rules at once yields what each yields by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from alerts.evaluation.ahead import Ahead, asked, independent
from alerts.evaluation.group import GroupRun, World
from alerts.rule_file.read import read
from alerts.unit_tests.memory import MemorySeries
from domain.clock import to_ms
from domain.labels import Labels
from store.promql import Evaluator

AT = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
EXPRS = [
    *(f'sum by (job) (rate(requests_total{{job="j{number}"}}[5m])) > {number}' for number in range(8)),
    *(f'rate(requests_total{{job="j{number}"}}[5m]) <= 3.5' for number in range(8)),
    "up == 0", "up != 1", "up", "vector(1) > 0", "sum(up) < 2", "1 < up", "up > bool 0", "nosuch > 1",
    'rate(requests_total{job="j1"}[5m]) > rate(requests_total{job="j2"}[5m])', "requests_total / 0 == 1",
    "count(up) > 1",
]  # fmt: skip


def series() -> MemorySeries:
    rng = np.random.default_rng(7)
    times = [to_ms(AT) - 15_000 * step for step in range(40, -1, -1)]
    given = []
    for number in range(8):
        for instance in range(3):
            labels = Labels.of(__name__="requests_total", job=f"j{number}", instance=str(instance))
            given.append((labels, times, list(np.cumsum(rng.poisson(15 * number, len(times))).astype(float))))
    given += [(Labels.of(__name__="up", job=f"j{number}"), times, [float(number % 2)] * 41) for number in range(4)]
    memory = MemorySeries(given)
    memory.until_ms = to_ms(AT)
    return memory


def group(*rules: str) -> GroupRun:
    text = "groups:\n- name: g\n  rules:\n" + "".join(f"  - {rule}\n" for rule in rules)
    reading = read(text.encode(), file="f")
    assert not reading.mistakes, reading.mistakes
    return GroupRun(reading.file.groups[0], file="f", interval=timedelta(minutes=1))


def state(run: GroupRun) -> list[tuple[str, object]]:
    return [
        (one.error, sorted((a.labels, a.value) for a in one.alerting.active.values()) if one.alerting else one.written)
        for one in run.rules
    ]


def test_rules_asked_together_have_the_alerts_they_have_alone() -> None:
    rules = [f"{{alert: A{number}, expr: '{expr}'}}" for number, expr in enumerate(EXPRS)]
    memory = series()
    evaluator = Evaluator(memory.select)
    counted: list[str] = []

    def ask(query: str, at_ms: int) -> object:
        counted.append(query)
        return evaluator.instant(query, at_ms=at_ms)

    world = World(ask=ask, write=memory.append)  # type: ignore[arg-type]  # what it answers is the evaluator's
    alone, together = group(*rules), group(*rules)
    alone.evaluate(AT, world)
    asked_alone = len(counted)
    counted.clear()
    together.evaluate(AT, world, Ahead(together.ahead).answers(ask, to_ms(AT)))  # type: ignore[arg-type]
    assert state(together) == state(alone)
    assert any(alerts for _, alerts in state(alone))
    assert len(counted) < asked_alone / 2


def test_a_rule_that_reads_what_its_group_records_waits_for_it() -> None:
    run = group(
        "{record: a, expr: up}", "{record: b, expr: a + 1}", "{alert: C, expr: up == 0}", "{alert: D, expr: ALERTS}"
    )
    assert independent([one.rule for one in run.rules]) == [True, False, True, False]
    memory = series()
    evaluator = Evaluator(memory.select)
    world = World(ask=lambda query, at_ms: evaluator.instant(query, at_ms=at_ms), write=memory.append)
    run.evaluate(AT, world, Ahead(run.ahead).answers(world.ask, to_ms(AT)))
    found = evaluator.instant("sum(b)", at_ms=to_ms(AT))
    assert [float(value) for value in found.values] == [6.0]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("expr", "query", "op"),
    [("up == 0", "up", "=="), ("a > b", "a > b", ""), ("up > bool 0", "up > bool 0", ""), ("0 < up", "0 < up", "")],
)
def test_only_a_comparison_with_a_number_is_taken_off(expr: str, query: str, op: str) -> None:
    assert (asked(expr).query, asked(expr).op) == (query, op)
