"""What rules needed in the last weeks, before ``min`` and ``max`` limited it: by the hour, the most of four looks.

Spend tells no need below ``min``, and that is what a lower ``min`` is about. The ledger's trace does: its line
``forecast`` is the number that the bounds are laid on. Read once, then carried on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from app.budget_outlook import HOUR, History
from controller.decide import STOOD_ON_NOTHING
from controller.guardrails import FORECAST_STAGE
from domain.scaling import Decision
from domain.series import FloatArray

Look = Callable[[str, datetime, datetime], Sequence[Decision]]
"""A rule's decisions between two times, the newest of every ``NEEDS_EVERY``."""
NEEDS_EVERY: Final = timedelta(minutes=15)
"""A decision is made every 15 s; of four weeks of them 2,688 are read, once."""
_REACHES: Final = timedelta(days=28)
_AT_ONCE: Final = timedelta(days=1)


def need_of(decision: Decision) -> int | None:
    """What was needed before the bounds; None where it stood on no data."""
    if decision.reason in STOOD_ON_NOTHING:
        return None
    return next((line.replicas for line in decision.trace if line.stage == FORECAST_STAGE), None)


class Needs:
    """Of all rules that an action asks about; thread-safe."""

    def __init__(self, look: Look) -> None:
        """``look`` reads the ledger."""
        self._look, self._lock = look, threading.Lock()
        self._kept: dict[str, dict[datetime, float]] = {}

    def history(self, rule: str, *, now: datetime) -> History:
        """Whole hours; NaN where nobody knew."""
        end = now.replace(minute=0, second=0, microsecond=0)
        start = end - _REACHES
        hours = [start + place * HOUR for place in range(int(_REACHES / HOUR))]
        with self._lock:
            kept = self._carried_on(rule, start, end)
        need = np.array([kept[hour] for hour in hours])
        there = np.flatnonzero(np.isfinite(need))
        if not len(there):
            return History(start=end, cost=np.zeros(0), newest=None, known=0.0)
        first, last = int(there[0]), int(there[-1])
        return History(
            start=hours[first], cost=need[first:], newest=hours[last] + HOUR, known=float(np.isfinite(need).mean())
        )

    def _carried_on(self, rule: str, start: datetime, end: datetime) -> dict[datetime, float]:
        before = self._kept.get(rule, {})
        kept = {hour: need for hour, need in before.items() if hour >= start}
        cursor = max(before) + HOUR if before else start
        while cursor < end:
            until = min(cursor + _AT_ONCE, end)
            kept |= dict.fromkeys(
                (cursor + place * HOUR for place in range(int((until - cursor) / HOUR))), float("nan")
            )
            for decision in self._look(rule, cursor, until):
                if (need := need_of(decision)) is not None:
                    hour = decision.at.replace(minute=0, second=0, microsecond=0)
                    kept[hour] = float(np.fmax(kept[hour], need))
            cursor = until
        self._kept[rule] = kept
        return kept


def nobody_knows(namespace: str, name: str, now: datetime) -> float | None:
    """Without series of HPAs."""
    return None


_WEEK: Final = timedelta(days=7)
_HPA_NEED: Final = """
max(
  kube_horizontalpodautoscaler_status_target_metric{%(hpa)s}
  / on(metric_name, metric_target_type) kube_horizontalpodautoscaler_spec_target_metric{%(hpa)s}
)
* max(kube_horizontalpodautoscaler_status_current_replicas{%(hpa)s})
"""


class HpaNeeds:
    """What HPAs without a rule needed in the last week, by what they themselves measured: collected series.

    Below its ``minReplicas`` an HPA wants no fewer; how far its metrics are from their targets tells what it would.
    """

    def __init__(self, history: Callable[[str, datetime, datetime, timedelta], tuple[FloatArray, bool]]) -> None:
        """``history`` evaluates PromQL at steps."""
        self._history = history

    def __call__(self, namespace: str, name: str, now: datetime) -> float | None:
        """The 95th percentile; None where less than half of the week is known."""
        values, generated = self._history(
            _HPA_NEED % {"hpa": f'namespace="{namespace}",horizontalpodautoscaler="{name}"'},
            now - _WEEK,
            now,
            NEEDS_EVERY,
        )
        known = values[np.isfinite(values)]
        return None if generated or len(known) < len(values) / 2 else float(np.quantile(known, 0.95))
