"""The best settings of a plain HPA for a workload: target, tolerance, windows, policies; nothing else is needed for it.

Chosen on the first half, judged on the second. Of some two thousand combinations about a hundred are replayed: with
everything else fixed, a higher target is cheaper and misses more, so that each combination is searched from where the
best one so far stands, and left as soon as it cannot be cheaper.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Final

import numpy as np

from controller import core
from controller.simulate import loop, plans, replay
from controller.simulate.loop import Reactive, Record, World
from controller.simulate.pods import IntArray
from controller.simulate.replay import Engine

DOWN_SECONDS: Final = (60, 180, 300, 600, 900)
TOLERANCES: Final = (0.05, 0.02, 0.0)
"""Beside the present one, where the cluster can set it by HPA (Kubernetes 1.33 and later)."""
CLUSTER_TOLERANCE: Final = 0.1
LEAST_TARGET: Final = 0.2
"""Of the safe load of a replica; below it replicas cost five times what they do."""
TARGETS: Final = 64
"""From the least to the whole safe load, 2.6 % apart."""
LEAST_GAIN: Final = 0.005
"""By which another combination must be cheaper to be taken: half a percent is not worth another line in a patch."""
MOST_EVENTS: Final = 2.0
"""Moves, relative to now, above which a combination is not offered; 48 a day are always allowed."""
FREE_EVENTS_PER_DAY: Final = 48.0
MARGIN: Final = 0.02
"""Share of the safe load that a choice leaves: the best of a hundred on one half would else miss more on the other."""
DAY_SECONDS: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One stretch of a replay.

    Attributes:
        mean_replicas: Billed, starting and ending ones included.
        violated_share: Of time that misses the objective, 0 to 1.
        violated_minutes: The same in minutes.
        events_per_day: Moves of the number of replicas.
    """

    mean_replicas: float
    violated_share: float
    violated_minutes: float
    events_per_day: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """How a target stands in the document: ``steps`` between two writable values, ``per_unit`` from it to the loop's.

    Attributes:
        per_unit: Target of the loop (utilisation of capacity, or load per replica) for 1 in the document.
        whole: Whether only whole numbers can be written, as with ``averageUtilization``.
    """

    per_unit: float = 1.0
    whole: bool = False

    def number(self, target: float) -> float:
        """The number in the document for a target, rounded down: a lower target is the safer side."""
        exact = target / self.per_unit * (1 + 1e-9)
        if self.whole:
            return float(max(math.floor(exact), 1))
        digits = 2 - math.floor(math.log10(exact))
        return math.floor(exact * 10.0**digits) / 10.0**digits

    def target(self, target: float) -> float:
        """What is replayed: the target as it can be written."""
        return self.number(target) * self.per_unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """What was found.

    Attributes:
        now: The present settings.
        best: The cheapest that keep the allowance on the first half; the present ones where nothing is cheaper.
        now_first, now_second: How the present settings did on each half.
        best_first, best_second: How the best did.
        allowed_share: Of time that may be violated; None is as much as now, or ``free_share``.
        free_share: Of time that may be violated in any case.
        replays: How many replays it took.
    """

    now: Reactive
    best: Reactive
    now_first: Score
    now_second: Score
    best_first: Score
    best_second: Score
    allowed_share: float | None
    free_share: float
    replays: int

    @property
    def changed(self) -> bool:
        """Whether anything but the present settings was chosen."""
        return self.best is not self.now

    @property
    def saving(self) -> float:
        """Share of the replicas that the best saves on the second half; negative where it costs more."""
        return 1 - self.best_second.mean_replicas / self.now_second.mean_replicas

    @property
    def holds(self) -> bool:
        """Whether the choice did on the second half what it was chosen for."""
        then = self.best_second.violated_share
        if self.allowed_share is not None:
            return then <= self.allowed_share
        return then <= max(self.now_second.violated_share, self.free_share) and self.saving >= 0


def search(
    world: World,
    present: Reactive,
    *,
    written: Written | None = None,
    tolerances: Sequence[float] = TOLERANCES,
    allowed_share: float | None = None,
    free_share: float = 0.0,
    by: Engine | None = None,
) -> Plain:
    """The cheapest plain settings at no more violated time than now, or than ``allowed_share``.

    Args:
        world: The workload, whole.
        present: The HPA as it stands; its metric and its bounds are kept.
        written: How a target stands in the document.
        tolerances: To try beside the present one; empty before Kubernetes 1.33.
        allowed_share: Share of time that may be violated; by default what the present settings violate.
        free_share: Without ``allowed_share``: what may be violated though now it is less; who misses four minutes a
            fortnight may not want to pay a quarter of the replicas for them.
        by: The engine of the replays.

    Returns:
        The choice of the first half with its scores on both. Where nothing keeps the allowance, the present settings.
    """
    form = written or Written()
    half = first_half(world)
    now = _Look(half, by=by)(present)
    allowed = max(now.violated_share, free_share) if allowed_share is None else allowed_share
    look = _Look(half._replace(largest_utilization_ratio=(1 - MARGIN) * half.largest_utilization_ratio), by=by)
    best, score = present, now if now.violated_share <= allowed else None
    most_events = max(MOST_EVENTS * now.events_per_day, FREE_EVENTS_PER_DAY)
    targets = _targets(world, present, form)
    place = int(np.searchsorted(targets, present.target, side="right")) - 1
    for variant in variants(present, tolerances, tick_seconds=world.tick_seconds):
        if score is not None and score.mean_replicas <= present.min_replicas * (1 + LEAST_GAIN):
            break
        found = _along(
            targets, place, partial(_at, look, variant), allowed=allowed,
            below=math.inf if score is None else score.mean_replicas * (1 - LEAST_GAIN),
        )  # fmt: skip
        if found is not None and found[1].events_per_day <= most_events:
            place, score = found
            best = variant._replace(target=targets[place])
    whole = _Look(world, by=by)
    stretch = slice(len(half.load_rps), len(world.load_rps))
    now_second = whole(present, stretch)
    return Plain(
        now=present, best=best, now_first=now, now_second=now_second, best_first=now if best is present else look(best),
        best_second=now_second if best is present else whole(best, stretch), allowed_share=allowed_share,
        free_share=free_share, replays=look.replays + whole.replays,
    )  # fmt: skip


def first_half(world: World) -> World:
    """The workload up to its middle, which is all that a choice may see."""
    middle = len(world.load_rps) // 2
    return world._replace(load_rps=world.load_rps[:middle], load_before=world.load_before[: middle + 1])


def variants(present: Reactive, tolerances: Sequence[float], *, tick_seconds: float) -> list[Reactive]:
    """The present settings first, then all others but for the target; what differs least comes first."""
    minute = round(60 / tick_seconds)
    slow = np.array([(core.PERCENT, 10, max(minute, 1))], dtype=np.int64)
    usual = np.array([(core.PERCENT, 100, max(round(15 / tick_seconds), 1))], dtype=np.int64)
    downs: list[IntArray] = [present.down_policies]
    downs += [rows for rows in (usual, slow) if not np.array_equal(rows, present.down_policies)]
    windows = dict.fromkeys([present.down_ticks, *(round(seconds / tick_seconds) for seconds in DOWN_SECONDS)])
    ups = dict.fromkeys([present.up_ticks, 0 if present.up_ticks > 1 else present.up_ticks])
    tolerated = dict.fromkeys([(present.tolerance_down, present.tolerance_up), *((one, one) for one in tolerances)])
    made = [
        present._replace(
            tolerance_down=tolerance[0], tolerance_up=tolerance[1], down_ticks=window, up_ticks=up, down_policies=down,
            down_select=present.down_select if down is present.down_policies else core.SELECT_MAX,
        )
        for down, up, tolerance, window in product(downs, ups, tolerated, windows)
    ]  # fmt: skip
    return sorted(made, key=lambda one: changes(present, one))


def changes(now: Reactive, then: Reactive) -> int:
    """How many settings differ, the target aside."""
    return sum(
        not np.array_equal(getattr(now, name), getattr(then, name))
        for name in ("tolerance_up", "down_ticks", "up_ticks", "down_policies")
    )


def scored(record: Record, stretch: slice, *, tick_seconds: float) -> Score:
    """One stretch of a replay."""
    late = record.late[stretch]
    seconds = len(late) * tick_seconds
    moves = int(np.count_nonzero(np.diff(record.desired[stretch])))
    return Score(
        mean_replicas=float(record.billed[stretch].mean()),
        violated_share=float(late.mean()),
        violated_minutes=int(late.sum()) * tick_seconds / 60,
        events_per_day=moves * DAY_SECONDS / seconds,
    )


class _Look:
    """Replays of one workload into one record, counted."""

    def __init__(self, world: World, *, by: Engine | None) -> None:
        self._world, self._by = world, by
        self._record = loop.blank_record(len(world.load_rps))
        self.replays = 0

    def __call__(self, reactive: Reactive, stretch: slice | None = None) -> Score:
        self.replays += 1
        replay.replay(self._world, reactive, plans.no_plan(), record=self._record, by=self._by)
        return scored(self._record, stretch or slice(None), tick_seconds=self._world.tick_seconds)


def _at(look: _Look, variant: Reactive, target: float) -> Score:
    return look(variant._replace(target=target))


def _targets(world: World, present: Reactive, form: Written) -> list[float]:
    """Rising targets that can be written, the present one included."""
    safe = world.largest_utilization_ratio * (world.capacity_rps if present.metric == loop.RPS else 1.0)
    raw = np.geomspace(LEAST_TARGET * safe, safe, TARGETS)
    return sorted({*(form.target(float(one)) for one in raw if one >= form.per_unit or not form.whole), present.target})


def _along(
    targets: Sequence[float], start: int, score_at: Callable[[float], Score], *, allowed: float, below: float
) -> tuple[int, Score] | None:
    """The highest target that keeps the allowance, if it costs less than ``below``; from ``start`` in doubling steps.

    Cost falls and misses rise with the target, up to the noise of a replay, which may cost a step of the optimum.
    """
    first = score_at(targets[start])
    good: tuple[int, Score] | None = None
    low, high = -1, len(targets)
    place, score, step = start, first, 1
    while True:
        if score.violated_share <= allowed:
            good, low = (place, score), place
        else:
            high = place
            if score.mean_replicas >= below:
                break
        if high - low <= 1:
            break
        if high == len(targets):
            place = min(place + step, high - 1)
        elif low < 0:
            place = max(place - step, 0)
        else:
            place = (low + high) // 2
        step *= 2
        score = score_at(targets[place])
    return good if good is not None and good[1].mean_replicas < below else None
