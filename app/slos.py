"""How SLOs stand now: burn rates over the windows of their alerts, and what is left of their budgets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from app.memo import Memo
from app.queries import Queries
from domain.clock import Clock
from domain.errors import ForetideError, NoNumberError
from rules.burn_rates import Pair, pairs_of
from rules.schema import SLO

KEEP_SECONDS: Final = 60.0
"""As old as a guard's own look may be."""
OK: Final = "ok"
UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class SloStanding:
    """One SLO.

    Attributes:
        at: When it was looked at.
        rates: Burn rate by window; None where there are no data.
        error_ratio: Share of the bad over the objective's window.
        budget_left: Share of the budget that is left of it; below 0 it is overdrawn.
        state: The severity of the first pair that burns, ``ok``, or ``unknown``.
        why: What a query said that gave no number.
    """

    at: datetime
    pairs: tuple[Pair, ...]
    rates: Mapping[timedelta, float | None]
    error_ratio: float | None
    budget_left: float | None
    state: str
    why: str


class SloDesk:
    """Looks at SLOs when somebody asks; thread-safe."""

    def __init__(self, queries: Queries, *, clock: Clock) -> None:
        """Ask ``queries``, of each document at most every ``KEEP_SECONDS``."""
        self._queries, self._clock = queries, clock
        self._memo = Memo(clock=clock, keep_seconds=KEEP_SECONDS)

    def look(self, slo: SLO) -> SloStanding:
        """Where it stands; never an error."""
        return self._memo.get((slo.key, slo.model_dump_json()), lambda: self._looked(slo, self._clock.now()))

    def _looked(self, slo: SLO, now: datetime) -> SloStanding:
        found = pairs_of(slo)
        said: list[str] = []
        windows = sorted({window for pair in found for window in (pair.long, pair.short)})
        ratios = {window: self._ratio(slo, window, now, said) for window in windows}
        rates = {window: None if ratio is None else ratio / slo.budget for window, ratio in ratios.items()}
        whole = self._ratio(slo, slo.spec.window, now, said)
        return SloStanding(
            at=now, pairs=found, rates=rates, error_ratio=whole, state=_state(found, rates),
            budget_left=None if whole is None else 1 - whole / slo.budget, why=said[0] if said else "",
        )  # fmt: skip

    def _ratio(self, slo: SLO, window: timedelta, now: datetime, said: list[str]) -> float | None:
        query = slo.error_ratio_query(window)
        try:
            return self._queries.number(query.expr, now, query.source).value
        except NoNumberError as error:  # no requests at all are no bad ones: 0 / 0
            if error.is_nan:
                return 0.0
            said.append(str(error))
        except ForetideError as error:
            said.append(str(error))
        return None


def _state(found: tuple[Pair, ...], rates: Mapping[timedelta, float | None]) -> str:
    judged = [pair.reached(rates) for pair in found]
    for pair, burns in zip(found, judged, strict=True):
        if burns:
            return pair.severity.value
    return UNKNOWN if None in judged else OK
