"""A group of rules over time: one after the other, each seeing what those before it wrote.

Source:
    Prometheus 3.14, ``rules/group.go``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import perf_counter
from typing import Final

import numpy as np

from alerts.evaluation.ahead import independent, result_of
from alerts.evaluation.alerting import AlertingRun, Sending
from alerts.evaluation.asking import Ask, Sampled, for_templates
from alerts.evaluation.recording import recorded
from alerts.rule_file.model import AlertingRule, Group, RecordingRule, Rule
from alerts.rule_file.read import effective
from alerts.templates import Surroundings
from domain.alerts import Alert
from domain.clock import to_ms
from domain.errors import ForetideError, QueryError
from domain.labels import Labels
from domain.series import STALE_NAN, FloatArray
from store.promql import Result

Write = Callable[[list[Labels], int, FloatArray], None]
"""Takes series, a time in milliseconds and a value for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What evaluations need from outside."""

    ask: Ask
    write: Write
    external_url: str = ""
    external_labels: Mapping[str, str] = field(default_factory=dict)
    again_after: timedelta = timedelta(minutes=1)


@dataclass(slots=True)
class RuleRun:
    """One rule of a group: its alerts where it has any, and how its last evaluation went."""

    rule: Rule
    alerting: AlertingRun | None = None
    written: frozenset[Labels] = frozenset()
    error: str = ""
    evaluated_at: datetime | None = None
    seconds: float = 0.0

    @property
    def health(self) -> str:
        """Prometheus' word for it."""
        return "unknown" if self.evaluated_at is None else "err" if self.error else "ok"


_DEFAULT_INTERVAL: Final = timedelta(minutes=1)


class GroupRun:
    """The rules of one group with their states."""

    def __init__(self, group: Group, *, file: str, interval: timedelta = _DEFAULT_INTERVAL) -> None:
        """Nothing is evaluated yet; ``interval`` counts where the group has none."""
        self.group, self.file = effective(group), file
        self.interval = group.interval or interval
        self.rules = [_run_of(rule) for rule in self.group.rules]
        self.evaluated_at: datetime | None = None
        self.seconds = 0.0
        self._left_over: set[Labels] = set()
        self.ahead = [rule.expr for rule, free in zip(group.rules, independent(group.rules), strict=True) if free]
        """Expressions that do not wait for another rule of the group: they may be asked for together."""

    def evaluate(self, at: datetime, world: World, answers: Mapping[str, Result | QueryError] | None = None) -> None:
        """Every rule once, at ``at``; one that fails keeps its states and says why.

        Args:
            at: The time of the evaluation.
            world: Who answers, and who takes what is written.
            answers: Of ``ahead``, at ``at`` less the group's offset, where somebody asked already.
        """
        began = perf_counter()
        free = set(self.ahead)
        for run in self.rules:
            self._evaluate(run, at, world, (answers or {}) if run.rule.expr in free else {})
        self._end(self._left_over - {series for run in self.rules for series in run.written}, at, world)
        self._left_over = set()
        self.evaluated_at, self.seconds = at, perf_counter() - began

    def _evaluate(self, run: RuleRun, at: datetime, world: World, answers: Mapping[str, Result | QueryError]) -> None:
        began = perf_counter()
        run.error, run.evaluated_at = "", at
        try:
            samples = self._samples(run, at, world, answers)
            self._write(run, samples, at, world)
        except ForetideError as error:
            run.error = str(error)
        run.seconds = perf_counter() - began

    def _samples(self, run: RuleRun, at: datetime, world: World, answers: Mapping[str, Result | QueryError]) -> Sampled:
        found = result_of(run.rule.expr, answers, world.ask, to_ms(at - self.group.query_offset))
        if isinstance(run.rule, RecordingRule):
            return recorded(run.rule, found, limit=self.group.limit)
        assert run.alerting is not None
        around = Surroundings(
            at=at, ask=for_templates(world.ask, at), external_url=world.external_url,
            external_labels=world.external_labels,
        )  # fmt: skip
        return run.alerting.evaluate(found, at, around, limit=self.group.limit)

    def _write(self, run: RuleRun, samples: Sampled, at: datetime, world: World) -> None:
        """The samples, and the end of each series that was written before and is not any more."""
        series = [labels for labels, _ in samples]
        ended = sorted(run.written.difference(series))
        if not series and not ended:
            return
        values = np.array([value for _, value in samples] + [STALE_NAN] * len(ended), dtype=np.float64)
        world.write([*series, *ended], to_ms(at - self.group.query_offset), values)
        run.written = frozenset(series)

    def _end(self, series: Iterable[Labels], at: datetime, world: World) -> None:
        gone = sorted(series)
        if gone:
            world.write(gone, to_ms(at - self.group.query_offset), np.full(len(gone), STALE_NAN))

    def to_send(self, at: datetime, world: World, link: Callable[[str], str] = lambda expr: "") -> list[Alert]:
        """The alerts of all rules that are to be handed on after this evaluation."""
        alerts: list[Alert] = []
        for run in self.alerting():
            if run.error or run.alerting is None:
                continue  # as Prometheus: a rule that failed tells nothing
            sending = Sending(
                again_after=world.again_after, interval=self.interval,
                external_labels=Labels.of(world.external_labels), generator_url=link(run.rule.expr),
            )  # fmt: skip
            alerts += run.alerting.to_send(at, sending)
        return alerts

    def alerting(self) -> Iterator[RuleRun]:
        """Its alerting rules."""
        return (run for run in self.rules if run.alerting is not None)

    def take_over(self, before: GroupRun) -> None:
        """Go on with the states of the group of this name before a reload: by name and labels, in order."""
        self.evaluated_at, self.seconds = before.evaluated_at, before.seconds
        self._left_over = set(before._left_over)
        free: dict[tuple[str, Labels], list[RuleRun]] = {}
        for run in before.rules:
            free.setdefault((run.rule.name, run.rule.labels), []).append(run)
        for run in self.rules:
            same = free.get((run.rule.name, run.rule.labels))
            if not same:
                continue
            known = same.pop(0)
            run.written = known.written
            if run.alerting is not None and known.alerting is not None:
                run.alerting.take_over(known.alerting)
        self._left_over |= {series for runs in free.values() for run in runs for series in run.written}

    def end(self, at: datetime, world: World) -> None:
        """End every series of a group that is configured no more."""
        self._end(self._left_over | {series for run in self.rules for series in run.written}, at, world)


def _run_of(rule: Rule) -> RuleRun:
    return RuleRun(rule=rule, alerting=AlertingRun(rule) if isinstance(rule, AlertingRule) else None)
