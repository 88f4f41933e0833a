"""Which series the ``Forecast`` documents have now, and their histories: one query for all series of a document.

A series joins when it has a value, and ends when it had none for an hour (ten steps, where those are longer). Beyond
``maxSeries`` the largest are forecast and the document's status tells how many there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

import numpy as np

from domain.errors import NoDataError
from domain.series import FloatArray
from forecaster.plan import NOTHING_ASKED, Asked, Plan, asked_of_documents, plan_of
from rules import RuleSet
from rules.forecast import Forecast

LABELS_AT_MOST: Final = 400
"""Characters of a signal's name; the state database keeps no longer one."""
ENDS_AFTER: Final = timedelta(hours=1)
ENDS_AFTER_STEPS: Final = 10

LabelPairs = tuple[tuple[str, str], ...]


class RangeSeries(Protocol):
    """Evaluates a query on a grid, both ends included, for every series: one value per step, NaN where there is none.

    The second value tells whether part of it was generated and not measured.
    """

    def __call__(
        self, expr: str, start: datetime, end: datetime, step: timedelta, *, source: str | None = None
    ) -> tuple[Mapping[LabelPairs, FloatArray], bool]:
        """Raise an error of the ForetideError tree when the query has no answer."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is wrong with a document as a whole, and when it is read again at the latest."""

    said: str
    next_due: datetime
    step: timedelta


@dataclass(slots=True, kw_only=True)
class _Found:
    """What one document yielded last.

    Attributes:
        at: The cutoff of that.
        plans: Of the series that live.
        trouble: What is wrong with it; empty when nothing is.
    """

    document: Forecast
    asked: Mapping[str, Asked]
    at: datetime
    plans: list[Plan] = field(default_factory=list)
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """One answer, for all series of a document."""

    start: datetime
    end: datetime
    rows: Mapping[LabelPairs, FloatArray]
    generated: bool


class DocumentSeries:
    """Reads the documents' queries."""

    def __init__(self, range_series: RangeSeries) -> None:
        """Ask ``range_series``; nothing is read before the first ``plans``."""
        self._range_series = range_series
        self._found: dict[str, _Found] = {}
        self._reads: dict[str, _Read] = {}

    def plans(self, rules: RuleSet, now: datetime) -> list[Plan]:
        """One plan per living series of every document, as of the newest complete step of each."""
        asked = asked_of_documents(rules.rules)
        self._found = {one.key: self._look(one, asked, now) for one in rules.forecasts}
        return [plan for found in self._found.values() for plan in found.plans]

    def forget_answers(self) -> None:
        """Let go of the histories that were read: a tick is over."""
        self._reads = {}

    def troubles(self) -> dict[str, Trouble]:
        """What is wrong with documents as a whole, by key."""
        return {
            key: Trouble(said=one.trouble, next_due=one.at + step, step=step)
            for key, one in self._found.items()
            if one.trouble and (step := one.document.spec.effective_step)
        }

    def history(self, plan: Plan, start: datetime, end: datetime) -> tuple[FloatArray, bool]:
        """One value per step of one series, NaN where there is none; asked again at one tick it reads no more."""
        read = self._reads.get(plan.document)
        if read is None or read.end != end or start < read.start:
            rows, generated = self._range_series(plan.expr, start, end, plan.step, source=plan.source)
            read = self._reads[plan.document] = _Read(start=start, end=end, rows=rows, generated=generated)
        skipped = (start - read.start) // plan.step
        values = read.rows.get(tuple(sorted(plan.labels.items())))
        if values is None:
            return np.full((end - start) // plan.step + 1, np.nan), False
        return values[skipped:], read.generated

    def _look(self, document: Forecast, asked: Mapping[str, Asked], now: datetime) -> _Found:
        """The document's series; looked for again when a step is complete, or when it says something else."""
        whole = plan_of(document, {})
        end = whole.cutoff(now)
        mine = {signal: levels for signal, levels in asked.items() if signal.startswith(document.key)}
        before = self._found.get(document.key)
        known = before is not None and (before.document, before.asked) == (document, mine)
        if before is not None and known and before.at == end and before.plans:
            return before
        found = _Found(document=document, asked=mine, at=end)
        try:
            self._list(found, whole, end)
        except Exception as error:  # one document must never stop the others
            found.plans = before.plans if before is not None and known else []
            found.trouble = str(error) or type(error).__name__
        return found

    def _list(self, found: _Found, whole: Plan, end: datetime) -> None:
        steps = max(ENDS_AFTER_STEPS, ENDS_AFTER // whole.step)
        start = end - (steps - 1) * whole.step
        rows, _ = self._range_series(whole.expr, start, end, whole.step, source=whole.source)
        living = [(labels, values) for labels, values in rows.items() if not np.isnan(values).all()]
        if not living:
            raise NoDataError(f"query yields no series in the last {steps} steps")
        most = found.document.spec.max_series
        if len(living) > most:
            found.trouble = f"query yields {len(living)} series; the {most} largest are forecast (maxSeries)"
            living = sorted(living, key=lambda pair: (-float(np.nanmean(pair[1])), pair[0]))[:most]
        named = [plan_of(found.document, dict(labels)) for labels, _ in sorted(living, key=lambda pair: pair[0])]
        found.plans = [_with(found, plan) for plan in named if len(plan.signal) <= LABELS_AT_MOST]
        if too_long := len(named) - len(found.plans):
            found.trouble = f"{too_long} series have labels too long for a name; aggregate them"


def _with(found: _Found, plan: Plan) -> Plan:
    """The plan with what rules want."""
    return plan_of(found.document, plan.labels, found.asked.get(plan.signal, NOTHING_ASKED))
