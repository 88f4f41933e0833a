"""From recorded columns to what a replay reads: the offered load, what each trigger saw, replicas, missed objective."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

import numpy as np

from app.backtesting import burning, work
from app.backtesting.ahead import known, outlook_of, within_lead
from app.backtesting.assume import METRIC_DELAY_SECONDS, Options, load_trigger
from app.backtesting.recorded import TICK_SECONDS, DataError, Recorded
from controller import core
from controller.ahead import Terms
from controller.simulate import peaks, plans, times
from controller.simulate import rule as replaying
from controller.simulate.loop import Plan
from controller.simulate.rule import Signals
from domain.load_ahead import LoadAhead, Outlook
from domain.series import FloatArray, IntArray
from rules.schema import SLO, Queue, ScalingRule, Trigger

LOAD: Final = ("load", "value")
NOT_TRIGGERS: Final = frozenset({*LOAD, "replicas", "violated", "latency", "latency_ms"})
TICK: Final = timedelta(seconds=TICK_SECONDS)
SEEN: Final = 0.2
"""Share of the time: of less a trigger would only hold what is there, all the time."""
BY_THE_CLOCK: Final = frozenset({"forecast", "schedule"})
"""Triggers that need no column."""
NO_SEASONS: Final[Mapping[str, timedelta]] = {}
LARGEST_FACTOR: Final = 20.0
"""Load per recorded replica over perReplica, either way: beyond it the unit is another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What the columns come to.

    Attributes:
        signals: For replays of the rule, and of what has the same triggers.
        ahead: The forecast of each forecast trigger, by name.
        replicas: As recorded; None where they were not.
        late: 1 where the objective was missed in reality; None where nobody knows.
        notes: What is to be told, each a sentence.
        outlooks: What priced forecasts have said so far, so that variants need not ask again.
        left_out: Triggers of the rule that are not replayed, each with the reason.
        seen: The numbers that triggers saw, of queues and events, too.
    """

    signals: Signals
    ahead: dict[str, LoadAhead]
    replicas: FloatArray | None
    late: FloatArray | None
    notes: tuple[str, ...]
    outlooks: dict[tuple[object, ...], tuple[Outlook | None, int]] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    seen: Mapping[str, FloatArray] = field(default_factory=dict)


def read(
    rule: ScalingRule, recorded: Recorded, options: Options, *, slo: SLO | None = None,
    seasons: Mapping[str, timedelta] = NO_SEASONS, present: ScalingRule | None = None,
) -> Read:  # fmt: skip
    """The columns of a rule.

    Args:
        rule: The rule.
        recorded: What happened.
        options: What the operator said.
        slo: The document that guards the rule, where it is known.
        seasons: Of the ``Forecast`` documents, by their keys.
        present: What runs now, whose metrics may be others than the rule's.

    Raises:
        DataError: A trigger has no column, a column is no trigger's, or a unit is another one.
    """
    values, load, notes = _values_and_load(rule, recorded, options)
    replicas, others = recorded.columns.get("replicas"), _others(rule, present, recorded, options)
    _check(rule, recorded, values, load, replicas, others=set(others))
    ahead = _ahead(rule, values, recorded, seasons)
    left_out = _uncompared(rule, options) | {
        name: f"it was seen for {100 * share:.0f} % of the time only"
        for name, one in values.items() if (share := float(np.isfinite(one).mean())) < SEEN
    }  # fmt: skip
    late, more = _late(rule, recorded, options)
    signals = Signals(
        tick_seconds=TICK_SECONDS, load=load,
        values={name: one for name, one in _as_seen(rule, values | others, recorded).items() if name not in left_out},
        peaks={name: peaks.of(one, quantile_of(rule, name)) for name, one in ahead.items()},
        left_out=frozenset(left_out), slo=None if rule.spec.guard is None else burning.states(slo, recorded),
    )  # fmt: skip
    return Read(
        signals=signals, ahead=ahead, replicas=replicas, late=late, notes=(*recorded.notes, *notes, *more),
        left_out=left_out, seen=values,
    )  # fmt: skip


def _uncompared(rule: ScalingRule, options: Options) -> dict[str, str]:
    """Triggers on a share of a request or limit that nobody said: live they have no say either."""
    found = {}
    for trigger in rule.spec.triggers:
        resource = trigger.resource
        if resource is None or resource.utilization is None:
            continue
        known = options.requests if resource.against == "request" else options.limits
        if not known.get(resource.name):
            found[trigger.name] = (
                f"nobody said what {resource.against} its use is compared with (--{resource.against} {resource.name}=…)"
            )
    return found


def _values_and_load(
    rule: ScalingRule, recorded: Recorded, options: Options
) -> tuple[dict[str, FloatArray], FloatArray, list[str]]:
    """What triggers saw is what was recorded; the load behind it was there one metric delay earlier."""
    columns, notes = recorded.columns, []
    delay = METRIC_DELAY_SECONDS if options.metric_delay_seconds is None else options.metric_delay_seconds
    ticks = round(delay / TICK_SECONDS)
    measuring = [one for one in rule.spec.triggers if one.kind not in BY_THE_CLOCK]
    values = {one.name: columns[one.name] for one in measuring if one.name in columns}
    main, given = load_trigger(rule), next((columns[name] for name in LOAD if name in columns), None)
    if given is not None and main is not None and main.name not in values:
        values[main.name] = _later(given, ticks)
    source = given
    if source is None and main is not None and main.name in values:
        source = _earlier(values[main.name], ticks)
        notes.append(f"the load is what {main.name} saw, {delay:g} s earlier")
    if source is None:
        source = next((_earlier(values[one.name], ticks) for one in measuring if one.name in values), None)
    if source is None:
        names = ", ".join(one.name for one in measuring) or "none"
        raise DataError(f"{recorded.source}:1: expected a column load, or one for a trigger of the rule ({names})")
    missing = [one for one in measuring if one.name not in values and not _is_simulated(one, options)]
    if missing:
        names, what = ", ".join(one.name for one in missing), "columns" if len(missing) > 1 else "a column"
        hint = " or --request and --usage-per-load" if any(one.resource for one in missing) else ""
        raise DataError(f"{recorded.source}:1: expected {what} {names}{hint}; found {', '.join(columns)}")
    return values, known(source), notes


def _others(
    rule: ScalingRule, present: ScalingRule | None, recorded: Recorded, options: Options
) -> dict[str, FloatArray]:
    """The columns of what runs now, where it has triggers that the rule does not have."""
    own = {one.name for one in rule.spec.triggers}
    more = [] if present is None else [one for one in present.spec.triggers if one.name not in own]
    for trigger in more:
        if trigger.kind not in BY_THE_CLOCK and trigger.name not in recorded.columns:
            if not _is_simulated(trigger, options):
                raise DataError(
                    f"{recorded.source}:1: what runs now scales by {trigger.name}: expected a column {trigger.name}"
                )
    return {one.name: recorded.columns[one.name] for one in more if one.name in recorded.columns}


def _is_simulated(trigger: Trigger, options: Options) -> bool:
    name = trigger.resource.name if trigger.resource is not None else ""
    return name in options.usage_per_load and name in options.requests


def _earlier(values: FloatArray, ticks: int) -> FloatArray:
    return np.concatenate([values[ticks:], np.repeat(values[-1:], min(ticks, len(values)))]) if ticks else values


def _later(values: FloatArray, ticks: int) -> FloatArray:
    return np.concatenate([np.repeat(values[:1], min(ticks, len(values))), values[: len(values) - ticks]])


def _check(
    rule: ScalingRule, recorded: Recorded, values: dict[str, FloatArray], load: FloatArray, replicas: FloatArray | None,
    *, others: set[str],
) -> None:  # fmt: skip
    names = {one.name for one in rule.spec.triggers} | {f"ceiling.{one.name}" for one in rule.spec.ceiling} | others
    parts = {f"{one.name}.{part}" for one in rule.spec.triggers if one.queue for part in ("arrivals", "partitions")}
    parts |= set(burning.COLUMNS.values())
    strange = [name for name in recorded.columns if name not in names | parts | NOT_TRIGGERS]
    if strange:
        expected = ", ".join([one.name for one in rule.spec.triggers if one.kind not in BY_THE_CLOCK])
        raise DataError(
            f"{recorded.source}:1: {', '.join(strange)}: no trigger of {rule.key} is called so; expected {expected},"
            " load, replicas, violated or latency"
        )
    negative = [name for name, column in recorded.columns.items() if np.nanmin(column, initial=0.0) < 0]
    if negative:
        raise DataError(f"{recorded.source}: {', '.join(negative)} has values below 0")
    if not np.any(load > 0):
        raise DataError(f"{recorded.source}: the load is 0 all the time; there is nothing to scale")
    main = load_trigger(rule)
    if main is not None and main.name in values and main.query is not None:
        _check_unit(rule, recorded, main, values[main.name], replicas)


def _check_unit(
    rule: ScalingRule, recorded: Recorded, main: Trigger, values: FloatArray, replicas: FloatArray | None
) -> None:
    target = float(main.per_replica or 1)
    if replicas is not None and np.isfinite(replicas * values).any():
        each = float(np.nanmedian(values / np.where(replicas >= 1, replicas, np.nan)))
        if not 1 / LARGEST_FACTOR <= each / target <= LARGEST_FACTOR:
            raise DataError(
                f"{recorded.source}: {main.name} is {each:.3g} per recorded replica and perReplica is {target:g}:"
                " is one of them in another unit (per minute, thousands)?"
            )
        return
    wanted = float(np.nanquantile(values, 0.5)) / target
    if wanted > LARGEST_FACTOR * rule.spec.replicas.max or np.nanmax(values) < target / LARGEST_FACTOR:
        raise DataError(
            f"{recorded.source}: {main.name} ({np.nanmedian(values):.3g} in the middle) ÷ perReplica {target:g} asks"
            f" for {wanted:.3g} replicas and max is {rule.spec.replicas.max}: is one of them in another unit?"
        )


def _as_seen(rule: ScalingRule, values: dict[str, FloatArray], recorded: Recorded) -> dict[str, FloatArray]:
    """What is recorded as something else than the trigger's number becomes replicas."""
    made = dict(values)
    for trigger in rule.spec.triggers:
        replicas = float(trigger.replicas or 0)
        if trigger.schedule is not None:
            made[trigger.name] = times.while_it_lasts(
                trigger.schedule, int(replicas), start=recorded.start, tick=TICK, ticks=recorded.ticks
            )
        elif trigger.event is not None and trigger.name in values:
            fires = values[trigger.name]
            made[trigger.name] = np.where(np.isfinite(fires), np.where(fires > 0, replicas, 0.0), np.nan)
        elif trigger.queue is not None and trigger.name in values:
            made[trigger.name] = _queue(trigger.name, trigger.queue, recorded)
    return made


def _queue(name: str, queue: Queue, recorded: Recorded) -> FloatArray:
    """Replicas that work off what was recorded; that they would have shortened the queue is not simulated."""
    columns = recorded.columns
    arrivals = columns.get(f"{name}.arrivals", np.zeros(recorded.ticks)) if queue.arrivals is not None else 0.0
    work = np.maximum(columns[name], 0.0) / queue.drain_time.total_seconds() + arrivals
    replicas = np.ceil(work / float(queue.per_replica_rate))
    if isinstance(queue.partitions, int):
        return np.asarray(np.minimum(replicas, queue.partitions))
    return np.asarray(np.fmin(replicas, columns.get(f"{name}.partitions", np.full(recorded.ticks, np.inf))))


def around(
    rule: ScalingRule, signals: Signals, recorded: Recorded, *, seen: Mapping[str, FloatArray] | None = None
) -> Signals:
    """With what belongs to this rule alone: its schedules, its ceilings, and when its triggers tell of work."""
    spec = rule.spec
    low, high = times.bounds(spec.schedule, spec.replicas.min, start=recorded.start, tick=TICK, ticks=recorded.ticks)
    active = work.told(rule, signals.values if seen is None else seen, signals.peaks, recorded)
    return replace(signals, schedule_min=low, schedule_max=high, ceiling=_ceiling(rule, recorded), active=active)


def _ceiling(rule: ScalingRule, recorded: Recorded) -> IntArray:
    """The lowest; one that asks a query and was not recorded is left out (``notes``)."""
    made = np.full(recorded.ticks, float(core.MAX_INT32))
    for one in rule.spec.ceiling:
        limit = recorded.columns.get(f"ceiling.{one.name}") if one.limit is None else float(one.limit)
        if limit is not None:
            made = np.fmin(made, np.floor(limit / float(one.per_replica)))
    return made.astype(np.int64)


def priced(rule: ScalingRule, read: Read) -> tuple[Plan | None, int]:
    """The plan of the rule's priced forecast, and the first tick at which it speaks."""
    values = read.signals.values
    for trigger in rule.spec.triggers:
        wanted = trigger.forecast
        if wanted is None or wanted.price is None or wanted.of is None or wanted.of not in values:
            continue
        price, capacity = wanted.price, float(rule.trigger(wanted.of).per_replica or 1)
        key = (wanted.of, capacity, str(wanted.lead), wanted.season)  # variants of the price look ahead alike
        if key not in read.outlooks:
            read.outlooks[key] = outlook_of(wanted, values[wanted.of], unit=capacity)
        outlook, first = read.outlooks[key]
        if outlook is None:
            return None, 0
        terms = Terms.of(None if price.fixed is None else float(price.fixed), price.budget)
        return plans.priced(outlook, capacity=capacity, terms=terms, by=replaying.prices()), first
    return None, 0


def quantile_of(rule: ScalingRule, name: str) -> float:
    """Of a forecast trigger."""
    wanted = rule.trigger(name).forecast
    return 0.9 if wanted is None else wanted.quantile


def _ahead(
    rule: ScalingRule, values: dict[str, FloatArray], recorded: Recorded, seasons: Mapping[str, timedelta]
) -> dict[str, LoadAhead]:
    """Of a document's series the column is called as the trigger is."""
    made: dict[str, LoadAhead] = {}
    for trigger in rule.spec.triggers:
        wanted = trigger.forecast
        if wanted is None or wanted.price is not None:
            continue
        series = recorded.columns.get(trigger.name) if wanted.of is None else values.get(wanted.of)
        if series is None:
            continue
        if wanted.document is not None:
            season = seasons.get(rule.qualified(wanted.document), wanted.season)
            wanted = wanted.model_copy(update={"season": season})
        unit = float((trigger if wanted.of is None else rule.trigger(wanted.of)).per_replica or 1)
        made[trigger.name] = within_lead(wanted, series, tick_seconds=TICK_SECONDS, unit=unit)
    return made


def _late(rule: ScalingRule, recorded: Recorded, options: Options) -> tuple[FloatArray | None, list[str]]:
    columns = recorded.columns
    if "violated" in columns:
        column = columns["violated"]
        if np.nanmax(column, initial=0.0) > 1:
            raise DataError(f"{recorded.source}: violated has values above 1; expected 0 or 1, or a share of the time")
        return column, []
    triggers = {one.name for one in rule.spec.triggers}
    name = next((one for one in ("latency", "latency_ms") if one in columns), None)
    if name is None or (name in triggers and options.slo_seconds is None):  # a trigger that is called so
        return None, ["whether the objective was missed was not recorded: columns violated or latency would tell"]
    if options.slo_seconds is None:
        raise DataError(f"{recorded.source}:1: {name} needs --slo, the latency that is still good")
    seconds = columns[name] / (1000.0 if name == "latency_ms" else 1.0)
    if name == "latency" and np.nanmedian(seconds) > 100 * options.slo_seconds:
        raise DataError(
            f"{recorded.source}: latency is {np.nanmedian(seconds):g} in the middle and --slo {options.slo_seconds:g}"
            " s; call the column latency_ms if it is in milliseconds"
        )
    return np.where(np.isfinite(seconds), (seconds > options.slo_seconds).astype(np.float64), np.nan), []
