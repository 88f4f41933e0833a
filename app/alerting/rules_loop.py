"""Evaluates the rule files by the clock: every group at its own interval, all that are due together asked together.

One tick a second: look for edits, read back what stood before a restart, evaluate what is due, hand on the alerts. Only
the leader evaluates and tells; whoever does not lead forgets the states and reads back its own when it leads again.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Final
from urllib.parse import quote_plus

from prometheus_client import CollectorRegistry

from alerts.evaluation.ahead import Ahead
from alerts.evaluation.alerting import ALERTS, FOR_STATE
from alerts.evaluation.asking import Ask
from alerts.evaluation.group import GroupRun, World
from alerts.evaluation.restore import LOOKED_BACK, restore, standing
from app.alerting.rule_files import Broken, Loaded, RuleFiles
from app.alerting.rule_writes import Written
from app.alerting.rules_metrics import Counts, RuleMetrics, key_of
from domain.alerts import Alert
from domain.clock import to_ms
from domain.labels import METRIC_NAME
from domain.series import Series
from store.metrics import Matcher, MetricsStore

log = logging.getLogger(__name__)

LOOK_EVERY: Final = timedelta(seconds=2)
"""An edit runs within 5 s."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SETS: Final = 64
"""Sets of groups that were due together whose questions are kept; intervals of 15 s, 1 m and 5 m make three."""

Offer = Callable[[Sequence[Alert]], None]


def nowhere(alerts: Sequence[Alert]) -> None:
    """Nobody is told."""
    del alerts


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesConfig:
    """How rules are evaluated and what templates know.

    Attributes:
        interval: Of groups that name none.
        external_url: Where this process is reached from.
        external_labels: Set on every alert that is handed on, as Prometheus' ``global.external_labels``.
    """

    interval: timedelta = timedelta(minutes=1)
    external_url: str = ""
    external_labels: Mapping[str, str] = field(default_factory=dict)


class RulesLoop:
    """Every group with its states; ``tick`` is called by one thread, the rest may be read by any."""

    def __init__(
        self, files: RuleFiles, *, config: RulesConfig, ask: Ask, metrics: MetricsStore, registry: CollectorRegistry,
        offer: Offer = nowhere, leads: Callable[[], bool] = lambda: True,
        ask_of: Callable[[str], Ask | None] = lambda file: None,
    ) -> None:  # fmt: skip
        """Nothing is read or evaluated before the first tick.

        Args:
            files: What is evaluated.
            config: How.
            ask: Answers PromQL at a time in milliseconds.
            metrics: Where series are written, and read back from after a restart.
            registry: For ``foretide_rule_*``.
            offer: Takes alerts as they fire, again while they do, and when they are over.
            leads: Whether this process is the one that evaluates.
            ask_of: Answers for the groups of a file, where that is not ``ask``.
        """
        self._files, self._config, self._metrics, self._offer, self._leads = files, config, metrics, offer, leads
        self._ask_of = ask_of
        self._written = Written(metrics)
        self._world = World(
            ask=self._written.before(ask),
            write=self._written.add,
            external_url=config.external_url,
            external_labels=config.external_labels,
        )
        self._groups: tuple[GroupRun, ...] = ()
        self._first: dict[str, datetime] = {}
        self._fresh: set[str] = set()
        self._ahead: dict[tuple[str, ...], Ahead] = {}
        self._looked_at: datetime | None = None
        self._leading = False
        self._counts = Counts()
        registry.register(RuleMetrics(self._counts, self.groups, lambda: len(self.loaded.mistakes)))

    def groups(self) -> tuple[GroupRun, ...]:
        """Those that run, in the order of the files."""
        return self._groups

    @property
    def loaded(self) -> Loaded:
        """What was read."""
        return self._files.loaded

    def broken(self) -> tuple[Broken, ...]:
        """Rules that do not run because of a mistake in them."""
        return self._files.loaded.broken

    def tick(self, now: datetime) -> None:
        """Whatever is due at ``now``; what was missed is counted and left out."""
        if self._looked_at is None or not timedelta() <= now - self._looked_at < LOOK_EVERY:
            self._looked_at = now
            if self._files.poll():
                self._take(now)
        if not self._leads():
            self._follow()
            return
        if not self._leading:
            self._leading = True
            self._begin(now)
        self._read_back(now)
        self._evaluate(now)

    def _take(self, now: datetime) -> None:
        """The groups of the files as they are now, with the states of those that were there."""
        before = {key_of(group): group for group in self._groups}
        after = [
            GroupRun(group, file=file.file, interval=self._config.interval)
            for file in self.loaded.files
            for group in file.groups
        ]
        for group in after:
            known = before.pop(key_of(group), None)
            if known is not None:
                group.take_over(known)
            else:
                self._fresh.add(key_of(group))
                self._first[key_of(group)] = _aligned(now, group.interval) + group.interval
        for group in before.values():
            group.end(now, self._world)
            self._written.flush()
            self._first.pop(key_of(group), None)
        self._groups, self._ahead = tuple(after), {}
        rules = sum(len(group.rules) for group in after)
        log.info("rule files read", extra={"groups": len(after), "rules": rules, "mistakes": len(self.loaded.mistakes)})

    def _follow(self) -> None:
        """Somebody else evaluates: states would only grow old."""
        if self._leading:
            self._leading = False
            self._groups = tuple(
                GroupRun(group.group, file=group.file, interval=self._config.interval) for group in self._groups
            )

    def _begin(self, now: datetime) -> None:
        self._fresh = {key_of(group) for group in self._groups}
        self._first = {key_of(group): _aligned(now, group.interval) + group.interval for group in self._groups}

    def _read_back(self, now: datetime) -> None:
        fresh = [group for group in self._groups if key_of(group) in self._fresh]
        if not any(True for group in fresh for _ in group.alerting()):
            self._fresh = set()
            return
        stood = standing(self._history(ALERTS, now), self._history(FOR_STATE, now))
        begin = [(group, self._first[key_of(group)]) for group in fresh]
        restored = restore(begin, stood, all_groups=self._groups)
        self._fresh = set()
        if restored:
            log.info("alerts go on as they stood before the restart", extra={"alerts": restored})

    def _history(self, name: str, now: datetime) -> list[Series]:
        matcher = Matcher(name=METRIC_NAME, op="=", value=name)
        return self._metrics.select([matcher], to_ms(now - LOOKED_BACK), to_ms(now))

    def _evaluate(self, now: datetime) -> None:
        due: dict[datetime, list[GroupRun]] = defaultdict(list)
        for group in self._groups:
            at = _aligned(now, group.interval)
            if at >= self._first[key_of(group)] and (group.evaluated_at is None or at > group.evaluated_at):
                self._count_missed(group, at)
                due[at - group.group.query_offset].append(group)
        for asked_at, together in sorted(due.items()):
            began = perf_counter()
            own = {key_of(group): ask for group in together if (ask := self._ask_of(group.file)) is not None}
            shared = [group for group in together if key_of(group) not in own]
            answers = self._ahead_of(shared).answers(self._world.ask, to_ms(asked_at))
            self._counts.asking += perf_counter() - began
            for group in together:
                ask = own.get(key_of(group))
                if ask is None:
                    group.evaluate(_aligned(now, group.interval), self._world, answers)
                else:
                    group.evaluate(_aligned(now, group.interval), replace(self._world, ask=self._written.before(ask)))
                self._counts.evaluated(group)
        self._written.flush()
        told = [one for groups in due.values() for group in groups for one in self._to_send(group)]
        if told:
            self._offer(told)

    def _to_send(self, group: GroupRun) -> list[Alert]:
        assert group.evaluated_at is not None
        return group.to_send(group.evaluated_at, self._world, self._link)

    def _count_missed(self, group: GroupRun, at: datetime) -> None:
        if group.evaluated_at is not None:
            self._counts.missed[key_of(group)] += max((at - group.evaluated_at) // group.interval - 1, 0)

    def _ahead_of(self, groups: Sequence[GroupRun]) -> Ahead:
        """The questions of a set of groups, made once until the files change."""
        key = tuple(key_of(group) for group in groups)
        if key not in self._ahead:
            if len(self._ahead) >= _SETS:
                self._ahead.pop(next(iter(self._ahead)))
            self._ahead[key] = Ahead([expr for group in groups for expr in group.ahead])
        return self._ahead[key]

    def _link(self, expr: str) -> str:
        return f"{self._config.external_url}/prometheus/api/v1/query?query={quote_plus(expr)}"


def _aligned(now: datetime, interval: timedelta) -> datetime:
    """The newest multiple of the interval since 1970."""
    return now - (now - _EPOCH) % interval
