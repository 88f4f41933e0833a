"""Asks for many rules at once: what differs only in a label's value, or only in its threshold, is one query.

1,000 rules such as ``sum by (job) (rate(x{job="…"}[5m])) > 25`` are one query over all jobs, told apart again. A rule
that reads what an earlier rule of its group records is asked in its turn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from alerts.evaluation.asking import Ask, Sampled, sampled
from alerts.rule_file.model import RecordingRule, Rule
from domain.errors import ForetideError, QueryError
from domain.labels import METRIC_NAME
from domain.series import FloatArray
from store.promql import Result, Vector, coalesce
from store.promql.coalesce import Question
from store.promql.parse import parse
from store.promql.plan import Binary, Number
from store.promql.render import render
from store.promql.results import BoolArray
from store.promql.selectors import selectors

_COMPARED: Final[Mapping[str, Callable[[FloatArray, float], BoolArray]]] = {
    "==": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A rule's expression as what is asked, and the threshold that its answer is held against."""

    query: str
    op: str = ""
    threshold: float = 0.0

    def of(self, result: Result) -> Sampled:
        """The rule's own result."""
        if not self.op or not isinstance(result, Vector):
            return sampled(result)
        kept = np.flatnonzero(_COMPARED[self.op](result.values, self.threshold))
        return [(result.labels[row], float(result.values[row])) for row in kept]


@lru_cache(maxsize=65_536)
def asked(expr: str) -> Asked:
    """The expression without its comparison with a number."""
    plan = parse(expr)
    if isinstance(plan, Binary) and plan.op in _COMPARED and not plan.returns_bool and isinstance(plan.right, Number):
        return Asked(query=render(plan.left), op=plan.op, threshold=plan.right.value)
    return Asked(query=expr)


def independent(rules: Sequence[Rule]) -> list[bool]:
    """Of each rule of a group whether it can be asked before those ahead of it have written."""
    written: set[str] = set()
    free = []
    for rule in rules:
        free.append(not written or _reads_none(rule.expr, written))
        written |= {rule.record} if isinstance(rule, RecordingRule) else {"ALERTS", "ALERTS_FOR_STATE"}
    return free


def _reads_none(expr: str, written: set[str]) -> bool:
    """Whether every selector names its metric, and none of ``written``."""
    plan = parse(expr)
    names = [
        {one.value for one in each.matchers if one.name == METRIC_NAME and one.op == "="} for each in selectors(plan)
    ]
    return all(own and own.isdisjoint(written) for own in names)


class Ahead:
    """The questions of one set of rules, made once and asked at every evaluation."""

    def __init__(self, exprs: Sequence[str]) -> None:
        """Group the expressions; what cannot be read is asked by itself and fails there."""
        queries = dict.fromkeys(one.query for expr in exprs if (one := _safely(expr)) is not None)
        self._questions: list[Question] = coalesce.questions(queries)

    def answers(self, ask: Ask, at_ms: int) -> dict[str, Result | QueryError]:
        """The answer of each query, or why it has none."""
        found: dict[str, Result | QueryError] = {}

        def once(query: str) -> Result:
            return ask(query, at_ms)

        for question in self._questions:
            try:
                told: dict[str, Result | QueryError] = coalesce.ask(question, once, coalesce.split_instant)
                found |= told
            except ForetideError:
                continue  # the store's own trouble: each rule meets it in its turn, and says so
        return found


def _safely(expr: str) -> Asked | None:
    try:
        return asked(expr)
    except QueryError:
        return None


def result_of(expr: str, answers: Mapping[str, Result | QueryError], ask: Ask, at_ms: int) -> Sampled:
    """A rule's result from what was asked for all, or by itself.

    Raises:
        QueryError: It has none.
        RuleFailedError: It is no vector and no scalar.
    """
    one = asked(expr)
    answer = answers.get(one.query)
    if isinstance(answer, QueryError):
        raise answer
    if answer is None:
        answer = ask(one.query, at_ms)
    if one.op and not isinstance(answer, Vector):
        return sampled(ask(expr, at_ms))
    return one.of(answer)
