"""Where cost is heading, by any grouping: a period's end from joint sampled paths, and when a limit is passed.

Made in a thread of its own: hours are read, each of the dearest groups, the rest of them and the total get a forecast
in a worker process, then one more task there draws the paths. What was made is kept for an hour. With too little
history there is no distribution, but a sentence, and what the last day's rate would come to.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYetError
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import numpy as np

from app.cost_hours import KEPT, HourlyCosts
from app.cost_past import DAY, HOUR, WEEK, Past, past_of
from cost.allocation.ledger import exact_sum
from cost.allocation.rollup import OTHERS, Grouping, Key
from cost.allocation.subject import Condition
from domain.errors import ForetideError
from domain.forecasts import Forecast
from domain.series import FloatArray
from forecaster.capacity import Reach, reach
from forecaster.fit import LONGEST_HORIZON, FitRequest
from forecaster.together import Drawn, Task

Fit = Callable[[FitRequest], Forecast]
Draw = Callable[[Task], Drawn]
LEVELS: Final = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
ASKED: Final = (0.1, 0.5, 0.9)
TOP: Final = 12
"""Groups with a forecast of their own, some 0.3 s of CPU each; the others are one."""
LEAST: Final = timedelta(days=7)
"""Of history, for a distribution of a week or less. On a quarter of M4's hourly series a week of history held 81 % of
the next week's sums within the 80 % band."""
LEAST_FAR: Final = timedelta(days=14)
"""For one of more than a week: how far levels wander in a week is known from two on."""
FEWEST: Final = 0.8
"""Of the history's hours, that must be known."""
KEEP: Final = timedelta(hours=1)
MOST_KEPT: Final = 16
PATIENCE: Final = timedelta(seconds=1)
_STEADY: Final = 1e-6
"""Of the mean: hours that differ by less have no band to be held against."""
_DIGITS: Final = Decimal("0.000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: a grouping, conditions, and a period."""

    by: tuple[str, ...]
    only: tuple[Condition, ...] = ()
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOutlook:
    """One group, or the total.

    Attributes:
        spent: Seen so far in the period.
        hourly: In the last day.
        rest: What is to come until the period's end, sampled, rising; None where there is no distribution.
    """

    key: Key
    spent: Decimal
    hourly: float
    rest: FloatArray | None

    def at(self, level: float) -> Decimal | None:
        """A quantile of the period's end."""
        return None if self.rest is None else exact_sum((self.spent, money(float(np.quantile(self.rest, level)))))

    @property
    def mean_rest(self) -> Decimal | None:
        """Of what is to come."""
        return None if self.rest is None else money(float(self.rest.mean()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Of one question.

    Attributes:
        past: What it stands on; None where no hour is known.
        why: Why there is no distribution; empty where there is one.
        groups: Dearest first; ``__others__`` stands for what has no forecast of its own.
        total: Their sum; None where no hour is known.
        course: What the total comes to by each hour after the cutoff, ``spent`` not in it; None without paths.
        judged: Share of the back-test's sums of ``judged_hours`` inside the total's 80 % band; None where unknown.
        notes: What is not known, in sentences.
    """

    question: Question
    made_at: datetime
    past: Past | None
    why: str
    groups: tuple[GroupOutlook, ...] = ()
    total: GroupOutlook | None = None
    course: FloatArray | None = None
    judged: float | None = None
    judged_hours: int = 0
    notes: tuple[str, ...] = ()

    def reached(self, limit: Decimal) -> Reach | None:
        """When the total first reaches an amount, and how likely that is by the period's end; None without paths."""
        if self.course is None or self.past is None or self.total is None:
            return None
        spent = float(self.total.spent)
        times = [min(self.past.cutoff + (at + 1) * HOUR, self.question.end) for at in range(self.course.shape[1])]
        return reach(spent + self.course, times, float(limit), now=spent, levels=ASKED)


class CostOutlooks:
    """Makes them one after the other, and keeps them for an hour; thread-safe."""

    def __init__(self, hours: HourlyCosts, *, fit: Fit, draw: Draw) -> None:
        """``fit`` and ``draw`` run wherever there is room for seconds of CPU."""
        self._hours, self._fit, self._draw = hours, fit, draw
        self._lock = threading.Lock()
        self._made: dict[Question, tuple[datetime, Future[Outlook]]] = {}
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="cost-outlook")

    def of(self, question: Question, now: datetime, *, patience: timedelta = PATIENCE) -> Outlook | None:
        """The outlook, or None while it is being made; ask again.

        Raises:
            ValueError: The grouping is not kept.
            ForetideError: It could not be made; the next question tries again.
        """
        grouping = Grouping(question.by, question.only)
        with self._lock:
            self._made = {asked: one for asked, one in self._made.items() if now - one[0] < KEEP}
            if question not in self._made:
                while len(self._made) >= MOST_KEPT:
                    self._made.pop(next(iter(self._made)))[1].cancel()
                self._made[question] = now, self._pool.submit(self._make, question, grouping, now)
            future = self._made[question][1]
        try:
            return future.result(patience.total_seconds())
        except (NotYetError, CancelledError):
            return None
        except Exception:
            with self._lock:
                self._made.pop(question, None)
            raise

    def close(self) -> None:
        """Make nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _make(self, question: Question, grouping: Grouping, now: datetime) -> Outlook:
        past = past_of(self._hours.since(now - KEPT), grouping, start=question.start, end=question.end)
        if past is None or not past.costs:
            return Outlook(question=question, made_at=now, past=None, why=_nothing(past))
        ranked = sorted(past.costs, key=lambda key: (-float(np.nansum(past.costs[key][-WEEK:])), key))
        alone = [key for key in ranked if np.nansum(past.costs[key][-WEEK:]) > 0][:TOP]
        rest = [key for key in ranked if key not in alone]
        why = _too_little(past, question)
        groups = (*(_group(key, past, [key]) for key in alone), *_others(past, rest))
        rates = Outlook(
            question=question, made_at=now, past=past, why=why, total=_group(("total",), past, ranked), groups=groups,
            notes=_notes(past, question, now),
        )  # fmt: skip
        return rates if why else self._sampled(rates, past, alone, rest)

    def _sampled(self, rates: Outlook, past: Past, alone: list[Key], rest: list[Key]) -> Outlook:
        """With distributions; a group that cannot be forecast by itself is forecast with the others."""
        horizon = -(-(rates.question.end - past.cutoff) // HOUR)
        forecasts: dict[Key, Forecast] = {}
        for key in alone:
            try:
                forecasts[key] = self._fitted(past, key, past.costs[key], horizon, rates.made_at)
            except ForetideError:
                rest = [*rest, key]
        kept = [key for key in alone if key in forecasts]
        histories = [past.costs[key] for key in kept]
        left = np.sum([past.costs[key] for key in rest], axis=0) if rest else np.zeros(past.hours)
        if np.nansum(left[-WEEK:]) > 0:  # what has cost nothing for a week is gone
            forecasts[(OTHERS,)] = self._fitted(past, (OTHERS,), left, horizon, rates.made_at)
            histories.append(left)
        total = self._fitted(past, ("",), past.total, horizon, rates.made_at)
        weights = _weights(past.cutoff, rates.question, horizon)
        several = len(forecasts) > 1
        drawn = self._draw(Task(
            forecasts=tuple(forecasts.values()), total=total if several else None, histories=np.stack(histories),
            weights=weights,
        ))  # fmt: skip
        sums = dict(zip(forecasts, np.sort(drawn.sums, axis=1), strict=True))
        groups = [replace(_group(key, past, [key]), rest=sums[key]) for key in kept]
        groups += [replace(one, rest=sums.get((OTHERS,), np.zeros(len(drawn.course)))) for one in _others(past, rest)]
        judged = total.backtest
        steady = float(np.nanstd(past.total)) <= _STEADY * float(np.nanmean(past.total))
        held = {} if judged is None or steady else judged.sum_coverage
        return replace(
            rates, groups=tuple(groups), course=drawn.course,
            total=replace(_group(("total",), past, list(past.costs)), rest=np.sort(drawn.course[:, -1])),
            judged=held[0.9] - held[0.1] if 0.9 in held and 0.1 in held else None,
            judged_hours=0 if judged is None else judged.sum_steps,
        )  # fmt: skip

    def _fitted(self, past: Past, key: Key, costs: FloatArray, horizon: int, now: datetime) -> Forecast:
        """Of the hours since it first cost something; days are the season, of which every model knows the week, too."""
        first = int(np.argmax(np.nan_to_num(costs) > 0))
        return self._fit(FitRequest(
            signal="cost/" + "/".join(key), values=costs[first:], start=past.start + (first + 1) * HOUR, step=HOUR,
            season=DAY * HOUR, horizon=horizon, quantiles=LEVELS, made_at=now, judge_sums=key == ("",),
        ))  # fmt: skip


def money(amount: float) -> Decimal:
    """A sampled amount, to a millionth: it is known to a hundredth at best."""
    return Decimal(repr(amount)).quantize(_DIGITS)


def _group(key: Key, past: Past, of: list[Key]) -> GroupOutlook:
    hourly = np.sum([past.costs[one] for one in of], axis=0)[-DAY:]
    return GroupOutlook(key=key, spent=exact_sum(past.spent[one] for one in of), hourly=float(np.nanmean(hourly)),
                        rest=None)  # fmt: skip


def _others(past: Past, rest: list[Key]) -> tuple[GroupOutlook, ...]:
    return (_group((OTHERS,), past, rest),) if rest else ()


def _nothing(past: Past | None) -> str:
    if past is None:
        return "no hour of cost is known yet: each is reckoned five minutes after its end"
    return "no cost is known of what the filter asks for"


def _too_little(past: Past, question: Question) -> str:
    """Why there is no distribution; empty where there may be one."""
    ahead = question.end - past.cutoff
    needed = LEAST if ahead <= WEEK * HOUR else LEAST_FAR
    if ahead <= timedelta():
        return "the period is over: what was spent is all there is"
    if ahead > LONGEST_HORIZON * HOUR:
        return f"the period ends in {ahead.days} days, too far to forecast"
    if past.hours * HOUR < needed:
        days = past.hours / DAY
        return f"{days:.1f} days of cost are known; a distribution until then needs {needed.days}"
    known = float(np.isfinite(past.total[-max(needed // HOUR, 1) :]).mean())
    if known < FEWEST:
        return (
            f"only {100 * known:.0f}% of the last {needed.days} days' hours are known; {100 * FEWEST:.0f}% are needed"
        )
    return "" if np.nansum(past.total[-WEEK:]) > 0 else "nothing was spent in the last week"


def _notes(past: Past, question: Question, now: datetime) -> tuple[str, ...]:
    notes = []
    passed = max(min(past.cutoff, question.end) - question.start, timedelta()) / HOUR
    if (unseen := passed - past.seen_hours) >= 1:
        notes.append(f"{unseen:.0f} of the {passed:.0f} h from the period's start were not seen: they are in no figure")
    if now - past.cutoff > 3 * HOUR:
        notes.append(f"the newest known hour ended at {past.cutoff.isoformat()}: what came since is forecast, too")
    if past.foreign:
        notes.append(f"{past.foreign} h are known in another currency than {past.currency}: they are in no figure")
    return tuple(notes)


def _weights(cutoff: datetime, question: Question, horizon: int) -> FloatArray:
    """The part of each hour after the cutoff that lies in the period."""
    starts = [cutoff + at * HOUR for at in range(horizon)]
    parts = [(min(one + HOUR, question.end) - max(one, question.start)) / HOUR for one in starts]
    weights: FloatArray = np.clip(np.array(parts), 0.0, 1.0)
    return weights
