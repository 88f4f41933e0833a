"""Which signals the rules and documents want forecast, and which stretch of history each of them needs now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from domain.forecasts import signal_name
from domain.series import FloatArray
from forecaster.calendar import Calendar
from forecaster.fit import QUANTILES, FitRequest
from forecaster.history import most_steps
from forecaster.occasions import occasions
from rules.asked import demand_query
from rules.forecast import Forecast, ForecastSpec, Lengths
from rules.schema import ScalingRule, Trigger

WATCHED: Final = 0.95
"""The quantile whose coverage is watched beside those that triggers ask for."""
BEYOND: Final = timedelta(days=2)
"""A fit is kept for about a day: so long its calendar must go on."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One signal to forecast.

    Attributes:
        signal: ``namespace/rule/trigger``, the trigger being the one that asks for the forecast; of a document's
            series ``namespace/name{label="value"}``.
        expr: PromQL of the query trigger, or of the document.
        spec: How far, how fine and with which season.
        levels: Quantiles to forecast, rising.
        watched: Those whose coverage is watched.
        document: Key of the document whose series it is; empty for a trigger's.
        labels: Of the series.
        unit: Of its values; empty where nobody said.
        source: Where ``expr`` is asked; None is the default source.
        judged: Trailing times over which gates want to know how what was served did, rising.
    """

    signal: str
    expr: str
    spec: Lengths
    levels: tuple[float, ...]
    watched: tuple[float, ...]
    document: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    unit: str = ""
    source: str | None = None
    judged: tuple[timedelta, ...] = ()

    @property
    def step(self) -> timedelta:
        """Distance of two steps."""
        return self.spec.effective_step

    @property
    def horizon(self) -> int:
        """Steps to forecast; a begun step counts."""
        return -(-self.spec.horizon // self.step)

    def cutoff(self, now: datetime) -> datetime:
        """The last complete step: steps are multiples of ``step`` since the epoch, whoever asks and whenever."""
        return _EPOCH + (now - _EPOCH) // self.step * self.step

    def history_start(self, cutoff: datetime) -> datetime:
        """First step of the history: as far back as asked for, but no further than a fit looks."""
        season_length = max(2, round(self.spec.season / self.step))
        return cutoff - (min(self.spec.history // self.step, most_steps(season_length)) - 1) * self.step

    def calendar(self, start: datetime, end: datetime) -> Calendar | None:
        """What is known about the days from ``start`` to ``end``; None where nothing is."""
        known = occasions(self.spec, start, end) if isinstance(self.spec, ForecastSpec) else ()
        if self.spec.timezone is None and not known:
            return None
        return Calendar(timezone=self.spec.timezone, occasions=known)

    def request(self, values: FloatArray, *, start: datetime, made_at: datetime, generated: bool) -> FitRequest:
        """The fit to run on that history."""
        end = start + (len(values) + self.horizon) * self.step + BEYOND
        return FitRequest(
            signal=self.signal, values=values, start=start, step=self.step, season=self.spec.season,
            horizon=self.horizon, quantiles=self.levels, model=self.spec.model,
            made_at=made_at, generated=generated, calendar=self.calendar(start, end),
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What rules want of a document's series: quantiles, and trailing times to be judged by; both rising."""

    levels: tuple[float, ...] = ()
    judged: tuple[timedelta, ...] = ()


NOTHING_ASKED: Final = Asked()


def plans(rules: Iterable[ScalingRule]) -> list[Plan]:
    """One plan for each forecast trigger with a query of its own; rules are checked, so that ``of`` names one."""
    found = []
    for rule in rules:
        for trigger in rule.spec.triggers:
            if trigger.forecast is None or trigger.forecast.of is None:
                continue
            query, level = demand_query(rule.trigger(trigger.forecast.of)), trigger.forecast.quantile
            if query is not None:
                plan = Plan(
                    signal=rule.signal(trigger), expr=query.expr, source=query.source, spec=trigger.forecast,
                    levels=tuple(sorted({*QUANTILES, level})), watched=tuple(sorted({WATCHED, level})),
                    judged=_judged(trigger),
                )  # fmt: skip
                found.append(plan)
    return found


def plan_of(document: Forecast, labels: Mapping[str, str], wanted: Asked = NOTHING_ASKED) -> Plan:
    """The plan of one series of a document, with what rules want of it besides."""
    spec, asked = document.spec, set(wanted.levels)
    levels = tuple(sorted({*spec.quantiles, *asked}))
    return Plan(
        signal=signal_name(document.key, labels), expr=spec.query.expr, source=spec.query.source, spec=spec,
        levels=levels,
        watched=tuple(sorted({min(levels, key=lambda level: abs(level - WATCHED)), *asked})), document=document.key,
        labels=dict(labels), unit=spec.unit, judged=wanted.judged,
    )  # fmt: skip


def asked_of_documents(rules: Iterable[ScalingRule]) -> dict[str, Asked]:
    """What rules want of documents' series, by signal."""
    found: dict[str, Asked] = {}
    for rule in rules:
        for trigger in rule.spec.triggers:
            if trigger.forecast is not None and trigger.forecast.document is not None:
                signal, before = rule.signal(trigger), found.get(rule.signal(trigger), NOTHING_ASKED)
                levels = {*before.levels, trigger.forecast.quantile}
                judged = {*before.judged, *_judged(trigger)}
                found[signal] = Asked(levels=tuple(sorted(levels)), judged=tuple(sorted(judged)))
    return found


def _judged(trigger: Trigger) -> tuple[timedelta, ...]:
    gate = None if trigger.forecast is None else trigger.forecast.gate
    return () if gate is None or gate.over is None else (gate.over,)
