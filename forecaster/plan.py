"""Which signals the rules want forecast, and which stretch of history each of them needs now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from domain.series import FloatArray
from forecaster.fit import QUANTILES, FitRequest
from forecaster.history import most_steps
from rules.schema import ForecastTrigger, ScalingRule

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One signal to forecast.

    Attributes:
        signal: ``namespace/rule/trigger``, the trigger being the one that asks for the forecast.
        expr: PromQL of the query trigger that is forecast.
        spec: How far, how fine and with which season.
        source: Where ``expr`` is asked; None is the default source.
    """

    signal: str
    expr: str
    source: str | None = None
    spec: ForecastTrigger

    @property
    def step(self) -> timedelta:
        """Distance of two steps."""
        return self.spec.effective_step

    @property
    def horizon(self) -> int:
        """Steps to forecast; a begun step counts."""
        return -(-self.spec.horizon // self.step)

    @property
    def levels(self) -> tuple[float, ...]:
        """Quantiles to forecast, rising, the one that the trigger asks for among them."""
        return tuple(sorted({*QUANTILES, self.spec.quantile}))

    def cutoff(self, now: datetime) -> datetime:
        """The last complete step: steps are multiples of ``step`` since the epoch, whoever asks and whenever."""
        return _EPOCH + (now - _EPOCH) // self.step * self.step

    def history_start(self, cutoff: datetime) -> datetime:
        """First step of the history: as far back as asked for, but no further than a fit looks."""
        season_length = max(2, round(self.spec.season / self.step))
        return cutoff - (min(self.spec.history // self.step, most_steps(season_length)) - 1) * self.step

    def request(self, values: FloatArray, *, start: datetime, made_at: datetime, generated: bool) -> FitRequest:
        """The fit to run on that history."""
        return FitRequest(
            signal=self.signal, values=values, start=start, step=self.step, season=self.spec.season,
            horizon=self.horizon, quantiles=self.levels, model=self.spec.model,
            made_at=made_at, generated=generated,
        )  # fmt: skip


def plans(rules: Iterable[ScalingRule]) -> list[Plan]:
    """One plan for each forecast trigger; rules are checked, so that ``of`` names a query trigger."""
    found = []
    for rule in rules:
        for trigger in rule.spec.triggers:
            if trigger.forecast is None:
                continue
            query = rule.trigger(trigger.forecast.of).query
            if query is not None:
                signal = f"{rule.key}/{trigger.name}"
                found.append(Plan(signal=signal, expr=query.expr, source=query.source, spec=trigger.forecast))
    return found
