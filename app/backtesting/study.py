"""The backtest of one rule: what runs now is replayed first, then the rule, its variants, and perfect foresight.

Everything is a function of the case, so that it may run in a process of its own; nothing here reads a clock but to
tell how long it took.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import numpy as np

from app.backtesting import signals as reading
from app.backtesting import variants
from app.backtesting.assume import Assumed, Options, assumptions, calibrated
from app.backtesting.left_out import left_out, left_out_words
from app.backtesting.plain_hpa import best_plain
from app.backtesting.recorded import TICK_SECONDS, Recorded
from app.backtesting.report import Contender, Lines, Point, Report, cells
from app.backtesting.signals import Read
from app.backtesting.tables import changes_words
from app.rule_digest import digest_of
from controller import combine
from controller.combine import Program
from controller.simulate import fidelity, figures, oracle, peaks, verdict
from controller.simulate import rule as replaying
from controller.simulate.fidelity import Fidelity
from controller.simulate.loop import FloatArray, World
from controller.simulate.rule import Assumptions
from controller.simulate.rule_loop import Record
from cost.prices import cost_per_hour
from rules.combine import parse
from rules.schema import SLO, PriceSheet, ScalingRule, ScalingRuleSpec

WARM_UP_DAYS: Final = 10
SETTLE_TICKS: Final = 40
"""Ten minutes in which a replay that begins in the middle of a day finds its feet."""
WHOLE_CELLS: Final = 900
DAY_CELLS: Final = 720
SWEEP_THREADS: Final = 2
MISSED_SHARE: Final = 1.25
"""A missed minute is worth so many minutes of the 99.9th percentile of needed replicas (docs/elasticity.md)."""

PLAIN: Final = "plain HPA at its best"
STRICT_PCT: Final = 0.3
"""Two hours in 30 days: an objective of 99.7 % of the time."""

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is to be backtested; picklable.

    Attributes:
        rule: The rule.
        recorded: What happened.
        options: What the operator said.
        present: What runs now, where somebody said so.
        present_name: Its name, for the reader.
        present_told: Whether it is only what the cluster tells: then what comes nearest to the replicas counts.
        notes: What is to be told of how it was recorded.
        price: For costs; None: replica-hours only.
        sweep: Whether variants are replayed, too.
        slo: The document that guards the rule, where it is known.
        seasons: Of the ``Forecast`` documents, by their keys.
    """

    rule: ScalingRule
    recorded: Recorded
    options: Options = field(default_factory=Options)
    present: ScalingRule | None = None
    present_name: str = ""
    present_told: bool = False
    notes: tuple[str, ...] = ()
    price: PriceSheet | None = None
    sweep: bool = False
    slo: SLO | None = None
    seasons: Mapping[str, timedelta] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    """The world in which everybody plays."""

    read: Read
    given: Assumptions
    world: World
    stretch: slice

    @property
    def ticks(self) -> int:
        return self.read.signals.ticks


def study(case: Case, progress: Progress = lambda words, share: None) -> Report:
    """The whole backtest.

    Raises:
        DataError: The recorded data do not fit the rule.
    """
    began = time.perf_counter()
    progress("reading what was recorded", 0.05)
    stage, assumed = _staged(case)
    progress("replaying what runs now", 0.2)
    present, name = _present(case, stage)
    stage, assumed = _calibrated(stage, assumed, play(present, stage, case.recorded))
    record_before = play(present, stage, case.recorded)
    before = _fidelity(stage, record_before)
    progress("replaying the rule", 0.4)
    record = play(case.rule, stage, case.recorded)
    own = _figures(case.rule, stage, record)
    old = _figures(present, stage, record_before)
    minute, budget = _terms(case, stage)
    missing = left_out(case.rule, case.recorded, stage.read)
    word = verdict.of(own, old, before, violated_minute=minute, budget_pct=budget, left_out=tuple(missing))
    bill = oracle.bill(stage.world, min_replicas=case.rule.spec.replicas.min, by=replaying.oracles())
    best = figures.of_oracle(stage.world, bill, stage.stretch)
    progress("searching the best plain HPA", 0.6)

    def figures_of(one: ScalingRule) -> figures.Figures:
        return _figures(one, stage, play(one, stage, case.recorded))

    plain, plain_figures = best_plain(present, stage.read.signals, stage.given, rule=own, figures_of=figures_of)
    progress("replaying variants", 0.7)
    points = _sweep(case, stage) if case.sweep else ()
    contenders = [
        Contender(role="rule", name="this rule", figures=own),
        Contender(role="present", name=name, figures=old),
        *([] if plain_figures is None else [Contender(role="plain", name=PLAIN, figures=plain_figures)]),
        Contender(role="oracle", name="perfect foresight", figures=best),
    ]  # fmt: skip
    records = {"rule": record, "present": record_before}
    return Report(
        rule=case.rule.key, digest=digest_of(case.rule), source=case.recorded.source,
        start=_at(case, stage.stretch.start), end=_at(case, stage.ticks),
        warm_up_hours=stage.stretch.start * TICK_SECONDS / 3600, verdict=word, fidelity=before, present=name,
        contenders=tuple(_priced(one, case) for one in contenders), plain=plain, sweep=tuple(points),
        violated_minute=minute, safe_per_replica=stage.given.safe_per_replica, assumed=tuple(assumed),
        notes=(*stage.read.notes, *case.notes, *_notes(case), *left_out_words(missing)),
        whole=_lines(case, stage, records, stage.stretch, WHOLE_CELLS),
        worst_day=_worst_day(case, stage, records), currency=_currency(case),
        advice=_advice(points, old), seconds=time.perf_counter() - began,
    )  # fmt: skip


def play(rule: ScalingRule, stage: _Stage, recorded: Recorded) -> Record:
    """One rule on the recorded signals, with its own quantiles and prices of the same forecasts."""
    read = stage.read
    levels = {one.name: one.forecast.quantile for one in rule.spec.triggers if one.forecast is not None}
    seen = {name: peaks.of(read.ahead[name], level) for name, level in levels.items() if name in read.ahead}
    plan, first = reading.priced(rule, read)
    signals = replace(read.signals, peaks=seen, plan=plan, plan_from=first if plan is not None else stage.ticks)
    signals = reading.around(rule, signals, recorded, seen=read.seen)
    return replaying.replay(rule, signals, stage.given, first=_first(stage), program=program_of(rule))


def program_of(rule: ScalingRule) -> Program | None:
    """Of ``combine``; None: the largest proposal counts."""
    if rule.spec.combine is None:
        return None
    names = [one.name for one in rule.spec.triggers]
    return combine.compiled(parse(rule.spec.combine, triggers=names), triggers=names)


def plain_of(rule: ScalingRule) -> ScalingRule:
    """A plain HPA with the rule's metrics: no forecast, combine, schedule, ceiling or step, and never at 0."""
    measuring = tuple(
        one.model_copy(update={"fallback": None})
        for one in rule.spec.triggers
        if one.kind in ("query", "resource", "pods", "trace")
    )
    bounds = rule.spec.replicas.model_copy(update={"min": max(rule.spec.replicas.min, 1), "idle_after": None})
    spec = ScalingRuleSpec.model_construct(
        target=rule.spec.target, replicas=bounds, behavior=rule.spec.behavior, triggers=measuring
    )
    return rule.model_copy(update={"spec": spec})


def _staged(case: Case) -> tuple[_Stage, list[Assumed]]:
    read = reading.read(
        case.rule, case.recorded, case.options, slo=case.slo, seasons=case.seasons, present=case.present
    )
    given, assumed = assumptions(case.rule, case.options)
    ticks = read.signals.ticks
    part = slice(_warm_up(case, ticks), ticks)
    return _Stage(read=read, given=given, world=replaying.world(read.signals, given), stretch=part), assumed


def _calibrated(stage: _Stage, assumed: list[Assumed], record: Record) -> tuple[_Stage, list[Assumed]]:
    """With what a replica carries from the recorded misses."""
    load, ready = stage.read.signals.load, record.ready.astype(np.float64)
    given, told = calibrated(stage.given, assumed, load=load, ready=ready, late=stage.read.late)
    return replace(stage, given=given, world=replaying.world(stage.read.signals, given)), told


def _warm_up(case: Case, ticks: int) -> int:
    """A forecast learns first: ten days, or a third of a short record; whatever runs settles for ten minutes."""
    if any(one.forecast is not None for one in case.rule.spec.triggers):
        return min(round(WARM_UP_DAYS * 86_400 / TICK_SECONDS), ticks // 3)
    return min(SETTLE_TICKS, ticks // 3)


def _present(case: Case, stage: _Stage) -> tuple[ScalingRule, str]:
    """What runs now: what was named; else the rule itself or an HPA, whichever comes nearer to what was."""
    told = None if case.present is None else (case.present, case.present_name or "what runs now")
    if told is not None and not case.present_told:
        return told
    plain, itself = plain_of(case.rule), (case.rule, "this rule, as it runs")
    if not plain.spec.triggers:
        return told or itself
    named = told or (plain, "plain HPA with the rule's metrics")
    if stage.read.replicas is None:
        return named

    def nearness(one: tuple[ScalingRule, str]) -> float:
        return _fidelity(stage, play(one[0], stage, case.recorded)).within or 0.0

    return max(named, itself, key=nearness)


def _fidelity(stage: _Stage, record: Record) -> Fidelity:
    """On all but the first minutes; misses on the second half, since the first may have been learned from."""
    part, read = slice(min(SETTLE_TICKS, stage.ticks // 3), stage.ticks), stage.read
    late = None
    if read.late is not None:
        late = np.where(np.arange(stage.ticks) >= stage.ticks // 2, read.late, np.nan)[part]
    return fidelity.measure(
        None if read.replicas is None else read.replicas[part], record.current[part], tick_seconds=TICK_SECONDS,
        replayed_late=record.late[part], recorded_late=late,
    )  # fmt: skip


def _first(stage: _Stage) -> int | None:
    """As many replicas as there were."""
    replicas = stage.read.replicas
    known = None if replicas is None else replicas[np.isfinite(replicas)]
    return None if known is None or not len(known) else max(int(known[0]), 1)


def _figures(rule: ScalingRule, stage: _Stage, record: Record) -> figures.Figures:
    return figures.of(
        stage.world, record, stage.stretch, min_replicas=rule.spec.replicas.min,
        with_nodes=stage.given.pools is not None,
    )  # fmt: skip


def _currency(case: Case) -> str:
    return case.price.spec.currency if case.price is not None and case.options.requests else ""


def _terms(case: Case, stage: _Stage) -> tuple[float, float | None]:
    """What a missed minute is worth, and the budget in percent: as said, as the document has it, or by the peak."""
    prices = [one.forecast.price for one in case.rule.spec.triggers if one.forecast and one.forecast.price]
    fixed = next((float(one.fixed) for one in prices if one.fixed is not None), None)
    budget = next((100 * one.budget for one in prices if one.budget is not None), None)
    return case.options.violated_minute or fixed or _violated_minute(stage), budget


def _violated_minute(stage: _Stage) -> float:
    needed = np.ceil(stage.read.signals.load[stage.stretch] / stage.given.safe_per_replica)
    return max(MISSED_SHARE * float(np.percentile(needed, 99.9)), 1.0)


def _priced(one: Contender, case: Case) -> Contender:
    """With the price of its replica-hours, where there is a sheet and the requests are known."""
    if case.price is None or not case.options.requests:
        return one
    each = cost_per_hour(case.options.requests, 1, case.price)
    if each is None:
        return one
    return replace(
        one, cost=(each.amount * Decimal(repr(round(one.figures.replica_hours, 6)))).quantize(Decimal("0.01"))
    )


def _sweep(case: Case, stage: _Stage) -> Sequence[Point]:
    """Every variant in the same world; the best are those that none beats in cost and in misses."""
    made = variants.around(case.rule, few=not replaying.is_compiled())

    def one(variant: variants.Variant) -> Point:
        changes, rule = variant
        record = play(rule, stage, case.recorded)
        found = _figures(rule, stage, record)
        return Point(
            changes=changes, replica_hours=found.replica_hours, violated_pct=found.violated_pct,
            violated_minutes=found.violated_minutes, events_per_day=found.events_per_day or 0.0,
        )  # fmt: skip

    with ThreadPoolExecutor(SWEEP_THREADS) as pool:
        points = list(pool.map(one, made))
    least = np.inf
    best: set[int] = set()
    for place in sorted(range(len(points)), key=lambda k: (points[k].replica_hours, points[k].violated_pct)):
        if points[place].violated_pct < least:
            least = points[place].violated_pct
            best.add(place)
    return [replace(point, best=place in best) for place, point in enumerate(points)]


def _advice(points: Sequence[Point], now: figures.Figures) -> str:
    """The cheapest variant that misses no more than now, and the cheapest of a strict class."""
    said = []
    for most, words in (
        (now.violated_pct, "no more misses than now"),
        (STRICT_PCT, f"at most {STRICT_PCT:g} % missed"),
    ):
        good = [one for one in points if one.violated_pct <= most]
        if good:
            best = min(good, key=lambda one: one.replica_hours)
            change = f"{best.replica_hours / max(now.replica_hours, 1e-9) - 1:+.1%}".replace("%", " %")
            said.append(
                f"With {words}, the cheapest is {changes_words(best.changes)}: {change} cost against now,"
                f" {best.violated_pct:.2f} % missed."
            )
    return " ".join(said)


def _lines(case: Case, stage: _Stage, records: dict[str, Record], part: slice, most: int) -> Lines:
    """The pictures' series over a part: means of the load, extremes of replicas, shares of missed ticks."""
    load, size = cells(stage.read.signals.load[part], most)
    safe = np.ceil(stage.read.signals.load[part] / stage.given.safe_per_replica)
    rows: dict[str, FloatArray] = {name: record.desired[part].astype(np.float64) for name, record in records.items()}
    rows["needed"] = np.maximum(safe, case.rule.spec.replicas.min)
    if stage.read.replicas is not None:
        rows["recorded"] = stage.read.replicas[part]
    by_cell = {name: cells(values, most)[0] for name, values in rows.items()}
    missed = {name: cells(record.late[part], most)[0].mean(axis=1) for name, record in records.items()}
    return Lines(
        start=_at(case, part.start), seconds=size * TICK_SECONDS, load=_numbers(load.mean(axis=1)),
        low={name: _or_none(values.min(axis=1)) for name, values in by_cell.items()},
        high={name: _or_none(values.max(axis=1)) for name, values in by_cell.items()},
        mean={name: _or_none(values.mean(axis=1)) for name, values in by_cell.items()},
        missed={name: _numbers(values) for name, values in missed.items()},
    )  # fmt: skip


def _worst_day(case: Case, stage: _Stage, records: dict[str, Record]) -> Lines | None:
    """The day on which the rule and what runs now missed most, or else differed most."""
    day = round(86_400 / TICK_SECONDS)
    first, last = stage.stretch.start, stage.ticks
    if last - first < 2 * day:
        return None
    starts = range(first, last - day + 1, day)
    rule, present = records["rule"], records["present"]

    def weight(start: int) -> tuple[int, int]:
        part = slice(start, start + day)
        late = int(rule.late[part].sum() + present.late[part].sum())
        return late, int(np.abs(rule.desired[part] - present.desired[part]).sum())

    worst = max(starts, key=weight)
    return _lines(case, stage, records, slice(worst, worst + day), DAY_CELLS)


def _numbers(values: FloatArray) -> tuple[float, ...]:
    return tuple(float(f"{value:.6g}") for value in values)


def _or_none(values: FloatArray) -> tuple[float | None, ...]:
    return tuple(float(f"{value:.6g}") if np.isfinite(value) else None for value in values)


def _at(case: Case, tick: int) -> datetime:
    return case.recorded.start + timedelta(seconds=tick * TICK_SECONDS)


def _notes(case: Case) -> list[str]:
    """What is replayed otherwise than it is live."""
    triggers, notes = case.rule.spec.triggers, []
    if any(one.forecast is not None and one.forecast.price is None for one in triggers):
        notes.append("forecasts are made walk-forward by the lead model, which stands in for the model of the document")
    if any(one.queue is not None for one in triggers):
        notes.append("queues are as recorded: that other replicas would have shortened them is not simulated")
    return notes
