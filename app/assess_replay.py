"""One autoscaler, judged: is the replay to be believed, what could its own settings do, what would a forecast add.

Chosen on the first half of the period, judged on the second. The advice is the first that fits: what cannot be replayed
or believed gets none; bounds that decide alone are told; then settings, which cost nothing; then the forecast.
"""

from __future__ import annotations

import forecaster.one_thread  # noqa: F401  # isort: skip  # before numpy

import math
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.assess_recording import FloatArray, Recording
from app.assess_world import TICKS, NotReplayableError, Scene, late_minutes, recorded_late, scene, with_noise
from controller.simulate import fidelity, loop, peers, plain_patch, plain_search, plans, protocol, replay
from controller.simulate.fidelity import Fidelity
from controller.simulate.loop import Reactive, Record
from controller.simulate.plain_search import Plain, Score
from forecaster import lead, lead_surge

LEAST_FIDELITY: Final = 0.75
"""Of the minutes. A rule's own backtest asks for 0.9; a recording by the minute hides three decisions of four, and
within the tolerance of 10 % the path is open: generated HPAs whose settings are known come to 0.82 to 1.00, the mean
within 2 %, but to 0.59 where the noise of a minute is 25 %; replicas set by hand to 0.55."""
MEAN_APART: Final = 0.03
CLEARLY: Final = 0.05
"""By which another scale-down window must come nearer to be believed."""
NOISES: Final = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Times what neighbouring minutes differ by; a rate over two minutes hides most of it."""
WINDOWS_SECONDS: Final = (0, 60, 180, 600, 900, 1800)
MINUTELY: Final = slice(TICKS - 1, None, TICKS)
TOLERANCE_SINCE: Final = 33
"""Kubernetes 1.33 takes a tolerance for each HPA (alpha there, beta since 1.35)."""
TOLERANCE_BY_DEFAULT: Final = 35
FREE_SHARE: Final = 0.0005
"""Violated time that counts as none: 43 s a day."""
LEAST_SAVING: Final = 0.03
"""Below it an advice is not worth a change."""
LEAST_FORECAST: Final = 0.05
"""More, because a forecast is one more thing that runs."""
MUCH_MORE: Final = 0.1
"""By which a forecast must beat settings that do it too."""
AT_BOUND: Final = 0.95
HELD_BACK: Final = 0.005
LEVELS: Final = tuple(10.0 * 4**k for k in range(5))
"""Prices of a missed tick in idle replicas, from careless to careful; the budget steers between them."""
BUDGET_RANGE: Final = (0.0005, 0.006)
GAIN: Final = 0.05
HOURS_PER_MONTH: Final = 730.0
CLOCK: Final = lead.Clock(day=protocol.DAY_TICKS, minute=TICKS, delay=protocol.DELAY_SECONDS // protocol.TICK_SECONDS)

PATCH, FORECAST, RAISE_MAX, LEAVE = "patch", "forecast", "raise max", "leave alone"
NOT_CREDIBLE, NO_DATA = "not credible", "cannot tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked about every autoscaler.

    Attributes:
        allowed_share: Of time that may be violated where now it is more.
        kubernetes_minor: Of the cluster; None is unknown, and then no tolerance is proposed.
    """

    allowed_share: float = 0.003
    kubernetes_minor: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """By hour, for the picture: the largest of each hour."""

    start_ms: int
    needed: tuple[float, ...]
    recorded: tuple[float, ...]
    replayed: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessed:
    """What is said about one autoscaler; fields are None where nothing could be replayed.

    Attributes:
        advice: One of ``patch``, ``forecast``, ``raise max``, ``leave alone``, ``not credible``, ``cannot tell``.
        confidence: ``high``, ``medium`` or ``low``.
        mean_replicas: As recorded.
        violated_share: As recorded, over the whole period.
        second_minutes: Length of the half on which ``plain`` and ``forecast`` are judged.
        saved_replicas: What the advice saves, on the mean; negative where it costs more.
    """

    namespace: str
    name: str
    workload: str
    bounds: tuple[int, int]
    advice: str
    reason: str
    confidence: str = "low"
    notes: tuple[str, ...] = ()
    target: str = ""
    load_by: str = ""
    safe_by: str = ""
    startup: str = ""
    cpu_request_cores: float | None = None
    memory_request_bytes: float | None = None
    mean_replicas: float | None = None
    violated_minutes: float | None = None
    violated_share: float | None = None
    fidelity: Fidelity | None = None
    plain: Plain | None = None
    plain_text: str = ""
    patch: str = ""
    forecast: Score | None = None
    saved_replicas: float = 0.0
    second_minutes: float = 0.0
    curve: Curve | None = None

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"

    @property
    def core_hours_per_month(self) -> float | None:
        """Requested now."""
        if self.mean_replicas is None or self.cpu_request_cores is None:
            return None
        return self.mean_replicas * self.cpu_request_cores * HOURS_PER_MONTH


def assess(of: Recording, question: Question) -> Assessed:
    """Judge one autoscaler."""
    try:
        made = scene(of)
    except NotReplayableError as error:
        return _blank(of, NO_DATA, str(error))
    seen, late = of.current[made.minutes], recorded_late(of, made)
    bound = _bound(of, made, seen, late)
    made = made if bound is not None else inferred(made, seen)
    record = replay.replay(made.world, made.present, plans.no_plan())
    replayed = record.desired[MINUTELY].copy()
    faith = _faith(made, record, seen, late)
    basis = _basis(of, made, seen, late, faith, replayed)
    if bound is not None and (faith.is_credible or bound[0] == RAISE_MAX):
        return _told(of, basis, *bound)
    if (doubt := _doubt(faith, float(np.nanmean(seen)))) is not None:
        return _told(of, basis, NOT_CREDIBLE, doubt)
    plain = _plain(made, question)
    ahead = _ahead(made, plain)
    return _judged(of, made, basis, plain, ahead, question)


def inferred(made: Scene, seen: FloatArray) -> Scene:
    """With what Prometheus does not know, as the first half of the recording has it: noise, and a scale-down window."""
    return _with_window(_with_noise(made, seen), seen)


def _with_noise(made: Scene, seen: FloatArray) -> Scene:
    """An HPA follows the largest of its readings: with noise that brings its mean replicas to the recorded."""
    half = len(seen) // 2
    recorded = float(np.nanmean(seen[:half]))
    best, nearest = made, math.inf
    for share in NOISES:
        tried = with_noise(made, share) if share else made
        record = replay.replay(plain_search.first_half(tried.world), made.present, plans.no_plan())
        replayed = float(record.desired[MINUTELY][:half][~np.isnan(seen[:half])].mean())
        if abs(replayed - recorded) < nearest:
            best, nearest = tried, abs(replayed - recorded)
        if replayed >= recorded:
            break
    return best


def _with_window(made: Scene, seen: FloatArray) -> Scene:
    world = plain_search.first_half(made.world)
    minutes = len(world.load_rps) // TICKS
    world = world._replace(load_rps=world.load_rps[: minutes * TICKS])
    record = loop.blank_record(len(world.load_rps))

    def within(present: Reactive) -> float:
        replay.replay(world, present, plans.no_plan(), record=record)
        return _faith(made, record, seen[:minutes], None).within or 0.0

    usual = within(made.present)
    if usual >= fidelity.THRESHOLD:
        return made
    tried = [made.present._replace(down_ticks=seconds // protocol.TICK_SECONDS) for seconds in WINDOWS_SECONDS]
    best, present = max(((within(one), one) for one in tried), key=lambda pair: pair[0])
    if best < usual + CLEARLY:
        return made
    seconds = present.down_ticks * protocol.TICK_SECONDS
    note = f"its scale-down window looks like {seconds} s (Prometheus does not know it; 300 is the default)"
    return replace(made, present=present, notes=(*made.notes, note))


def _faith(made: Scene, record: Record, seen: FloatArray, late: FloatArray | None) -> Fidelity:
    minutes = len(seen)
    desired, ready = record.desired[MINUTELY][:minutes], record.ready[MINUTELY][:minutes]
    replayed = late_minutes(replace(made, load=made.load[:minutes]), ready.astype(np.float64))
    return fidelity.measure(
        seen, desired, tick_seconds=60.0, replayed_late=replayed.astype(np.int64), recorded_late=late,
        threshold=LEAST_FIDELITY,
    )  # fmt: skip


def _blank(of: Recording, advice: str, reason: str) -> Assessed:
    known = of.current[~np.isnan(of.current)]
    return Assessed(
        namespace=of.hpa.namespace, name=of.hpa.name, workload=f"{of.hpa.kind}/{of.hpa.workload}",
        bounds=(of.hpa.min_replicas, of.hpa.max_replicas), advice=advice, reason=reason,
        cpu_request_cores=of.requests.cpu_cores, memory_request_bytes=of.requests.memory_bytes,
        mean_replicas=float(known.mean()) if len(known) else None,
    )  # fmt: skip


def _basis(
    of: Recording, made: Scene, seen: FloatArray, late: FloatArray, faith: Fidelity, replayed: NDArray[np.int64]
) -> dict[str, Any]:
    """What is known before anything is proposed."""
    known = ~np.isnan(late)
    share = float(late[known].mean()) if known.any() else 0.0
    limit = "" if made.target.kind != "utilization" else " % of request"
    return {
        "notes": made.notes, "target": f"{made.target.name} {made.target.number:g}{limit}",
        "load_by": made.load_by, "safe_by": made.safe_by,
        "startup": f"{made.startup_seconds:.0f} s {'measured' if made.startup_is_measured else 'assumed'}",
        "confidence": _confidence(made, faith),
        "mean_replicas": float(np.nanmean(seen)), "violated_share": share,
        "violated_minutes": float(late[known].sum()), "fidelity": faith,
        "second_minutes": (len(seen) - len(seen) // 2) * 1.0,
        "curve": _curve(of, made, seen, replayed),
    }  # fmt: skip


def _confidence(made: Scene, faith: Fidelity) -> str:
    if not faith.is_credible:
        return "low"
    exact = (faith.within or 0.0) >= fidelity.THRESHOLD
    return "high" if exact and made.high and made.startup_is_measured else "medium" if exact or made.high else "low"


def _told(of: Recording, basis: dict[str, Any], advice: str, reason: str, **more: Any) -> Assessed:
    base = _blank(of, advice, reason)
    known = {name: getattr(base, name) for name in (
        "namespace", "name", "workload", "bounds", "advice", "reason", "cpu_request_cores",
        "memory_request_bytes")}  # fmt: skip
    return Assessed(**{**known, **basis, **more})


def _doubt(faith: Fidelity, mean: float) -> str | None:
    """Why the replay is not to be believed; None where it is."""
    within = 100 * (faith.within or 0.0)
    said = f"the replay has the recorded replicas in {within:.0f} % of the minutes ({100 * faith.threshold:.0f} needed)"
    if not faith.misses_agree and faith.recorded_violated_minutes is not None:
        said += (
            f", and {faith.replayed_violated_minutes:.0f} violated minutes instead of "
            f"{faith.recorded_violated_minutes:.0f}"
        )
    elif abs(faith.mean_difference) > MEAN_APART * mean:
        said += f", on average {faith.mean_difference:+.1f}"
    elif faith.is_credible:
        return None
    return f"{said}: its behavior, another metric, a schedule or hands must have decided; nothing is proposed"


def _bound(of: Recording, made: Scene, seen: FloatArray, late: FloatArray) -> tuple[str, str] | None:
    """Where a bound decides and not the HPA; None elsewhere."""
    low, high = of.hpa.min_replicas, of.hpa.max_replicas
    known = ~np.isnan(seen)
    held = float((late[known] > 0)[seen[known] >= high].sum() / known.sum())
    if held > HELD_BACK:
        minutes = held * known.sum()
        return RAISE_MAX, (
            f"it stands at maxReplicas {high} in {minutes:.0f} of its violated minutes: no setting but a higher "
            f"maxReplicas helps (the load then asks for up to {_most(made)} replicas)"
        )
    at_low = float((seen[known] <= low).mean())
    if low == high:
        return LEAVE, f"minReplicas and maxReplicas are both {low}: there is nothing to decide"
    if at_low >= AT_BOUND:
        need = _most(made)
        less = (
            f"; its load never asked for more than {need}, so that minReplicas is the setting to look at"
            if need < low
            else ""
        )
        return LEAVE, f"it stands at minReplicas {low} {100 * at_low:.0f} % of the time{less}"
    return None


def _most(made: Scene) -> int:
    """Replicas that all but a thousandth of the minutes need."""
    return max(math.ceil(float(np.percentile(made.load, 99.9)) / made.safe), 1)


def _plain(made: Scene, question: Question) -> Plain:
    """The best settings; both scores of the second half by minute, as the recording is judged."""
    minor = question.kubernetes_minor
    tolerances = plain_search.TOLERANCES if minor is not None and minor >= TOLERANCE_SINCE else ()
    before = replay.replay(made.world, made.present, plans.no_plan())
    late = late_minutes(made, before.ready[MINUTELY].astype(np.float64))
    share = float(late[: len(late) // 2].mean())
    allowed = question.allowed_share if share > question.allowed_share else None
    found = plain_search.search(
        made.world, made.present, written=made.written, tolerances=tolerances, allowed_share=allowed,
        free_share=FREE_SHARE,
    )  # fmt: skip
    now, best = (_second(made, replay.replay(made.world, one, plans.no_plan())) for one in (found.now, found.best))
    return replace(found, now_second=now, best_second=best)


def _second(made: Scene, record: Record) -> Score:
    """The second half by minute."""
    half = len(made.load) // 2
    late = late_minutes(made, record.ready[MINUTELY].astype(np.float64))[half:]
    whole = plain_search.scored(record, slice(half * TICKS, None), tick_seconds=made.world.tick_seconds)
    return replace(whole, violated_share=float(late.mean()), violated_minutes=float(late.sum()))


def _ahead(made: Scene, plain: Plain) -> Score:
    """The forecast policy on the second half: steered by the budget that the settings had."""
    world, safe = made.world, made.world.capacity_rps * made.world.largest_utilization_ratio
    ticks = world.startup_ticks
    first, last = int(ticks.min()), int(ticks.max())
    middle = max(round((first + last) / 2), 2)
    add, keep = lead.forecast(
        world.load_rps,
        windows=((middle - 1, middle + 1), (1, last + 120 // protocol.TICK_SECONDS)),
        clock=CLOCK,
        unit=safe,
    )
    surge = lead_surge.floor(world.load_rps, last=last, day=CLOCK.day, minute=CLOCK.minute, delay=CLOCK.delay)
    allowed = plain.now_first.violated_share if plain.allowed_share is None else plain.allowed_share
    plan = plans.following(
        add, keep, safe_rps=safe, missed=LEVELS, surge_rps=surge, violated_budget=min(max(allowed, BUDGET_RANGE[0]),
        BUDGET_RANGE[1]), gain=GAIN, by=replay.engine().price,
    )  # fmt: skip
    return _second(made, replay.replay(world, _guard(made.present, world.capacity_rps), plan))


def _guard(present: Reactive, capacity: float) -> Reactive:
    """What stands under the forecast: never below the need of the last 30 s."""
    return peers.reactive(
        metric=loop.RPS, target=0.83 * capacity, window_seconds=30, tolerance=0.0, down_seconds=15,
        min_replicas=present.min_replicas, max_replicas=present.max_replicas,
    )  # fmt: skip


def _judged(
    of: Recording, made: Scene, basis: dict[str, Any], plain: Plain, ahead: Score, question: Question
) -> Assessed:
    """The advice: settings where they hold, the forecast where it adds to them, else nothing."""
    now, mean = plain.now_second, float(basis["mean_replicas"])
    fixes = plain.allowed_share is not None
    good = plain.changed and plain.holds and (fixes or plain.saving >= LEAST_SAVING)
    against = plain.best_second if good else now
    more = {
        "plain": plain, "forecast": ahead, "plain_text": settings_text(made, plain),
        "patch": _patch(of, made, plain, question) if plain.changed else "",
    }  # fmt: skip
    gain = 1 - ahead.mean_replicas / against.mean_replicas
    limit = plain.allowed_share if fixes else max(now.violated_share, FREE_SHARE)
    keeps = limit is not None and ahead.violated_share <= limit
    extra = f"a forecast would save {100 * gain:.0f} % more" if gain > 0 else "a forecast would save nothing more"
    if good and not (keeps and gain >= MUCH_MORE):
        said = (
            f"its own settings alone: {_change(plain.saving)} replicas, violated minutes "
            f"{now.violated_minutes:.0f} → {plain.best_second.violated_minutes:.0f} in the half that had no say; "
            f"{extra if keeps else 'a forecast would not keep that'}"
        )
        steps = _beyond(made, plain)
        return _told(of, {**basis, "notes": (*basis["notes"], *steps)}, PATCH, said,
                     saved_replicas=plain.saving * mean, **more)  # fmt: skip
    whole = 1 - ahead.mean_replicas / now.mean_replicas
    if keeps and (good or gain >= LEAST_FORECAST or fixes):
        alone = f"settings alone {_change(plain.saving)}" if good else "no plain settings do it"
        said = (
            f"with a forecast {_change(whole)} replicas, violated minutes {now.violated_minutes:.0f} → "
            f"{ahead.violated_minutes:.0f}; {alone}"
        )
        return _told(of, basis, FORECAST, said, saved_replicas=whole * mean, **more)
    return _told(of, basis, LEAVE, _left(plain, gain, keeps, question), **more)


def _beyond(made: Scene, plain: Plain) -> tuple[str, ...]:
    """What must be said of a target that no replica has been seen to carry."""
    ahead = plain.best.target * (made.world.capacity_rps if plain.best.metric == loop.CPU else 1.0)
    if ahead <= made.carried:
        return ()
    return (
        f"the new target lets a replica carry {ahead:.3g} {made.unit} on the mean; it has carried {made.carried:.3g} "
        "(99th percentile): go there in steps and watch latency",
    )


def _left(plain: Plain, gain: float, keeps: bool, question: Question) -> str:
    if plain.changed and not plain.holds:
        return (
            f"settings that did well in the first half violated {plain.best_second.violated_minutes:.0f} instead of "
            f"{plain.now_second.violated_minutes:.0f} minutes in the second"
        )
    if plain.now_second.violated_share > question.allowed_share:
        return (
            "neither other settings nor a forecast keep the allowance: look at its start-up and at what a pod may carry"
        )
    plainly = f"other settings save {100 * max(plain.saving, 0.0):.0f} %"
    return f"it is well set: {plainly}, a forecast {100 * max(gain, 0.0) if keeps else 0.0:.0f} %"


def settings_text(made: Scene, plain: Plain) -> str:
    """The best settings in a few words, as in ``target 50 → 63, tolerance 0.1 → 0.02``."""
    now, best, seconds = plain.now, plain.best, made.world.tick_seconds
    parts = []
    if best.target != now.target:
        parts.append(f"target {made.target.number:g} → {made.written.number(best.target):g}")
    if best.tolerance_up != now.tolerance_up:
        parts.append(f"tolerance {now.tolerance_up:g} → {best.tolerance_up:g}")
    if best.down_ticks != now.down_ticks:
        parts.append(f"scale-down window {now.down_ticks * seconds:.0f} → {best.down_ticks * seconds:.0f} s")
    if not np.array_equal(best.down_policies, now.down_policies):
        rows = ", ".join(f"{value} {'%' if kind else 'pods'} per {ticks * seconds:.0f} s"
                         for kind, value, ticks in best.down_policies.tolist())  # fmt: skip
        parts.append(f"scale-down {rows}")
    return ", ".join(parts)


def _patch(of: Recording, made: Scene, plain: Plain, question: Question) -> str:
    number, cpu = made.written.number(plain.best.target), made.target.name == "cpu"
    alone = len(of.hpa.targets) == 1 and cpu
    metric = None
    if alone and made.target.kind == "utilization":
        metric = plain_patch.resource("cpu", number)
    elif alone:
        value = {"type": "AverageValue", "averageValue": f"{math.floor(1000 * number)}m"}
        metric = {"type": "Resource", "resource": {"name": "cpu", "target": value}}
    notes = ["behavior that is set now is not known to Prometheus: look at it before you apply this"]
    minor = question.kubernetes_minor or 0
    if plain.best.tolerance_up != plain.now.tolerance_up and minor < TOLERANCE_BY_DEFAULT:
        notes.append("before Kubernetes 1.35 tolerance needs the feature gate HPAConfigurableTolerance, and is dropped "
                     "without a word where it is off")  # fmt: skip
    if metric is None and plain.best.target != plain.now.target:
        notes.append(f"and set the target of {made.target.name} to {number:g}: a patch must hold the whole list of "
                     "spec.metrics, which Prometheus does not know")  # fmt: skip
    spec = plain_patch.fields(plain.now, plain.best, tick_seconds=made.world.tick_seconds, metric=metric)
    return plain_patch.text(spec, namespace=of.hpa.namespace, name=of.hpa.name, notes=tuple(notes))


def _change(saving: float) -> str:
    return f"{'-' if saving >= 0 else '+'}{100 * abs(saving):.0f} %"


def _curve(of: Recording, made: Scene, seen: FloatArray, replayed: NDArray[np.int64]) -> Curve:
    def hourly(values: FloatArray) -> tuple[float, ...]:
        size = len(values) // 60 * 60
        return tuple(np.fmax.reduce(values[:size].reshape(-1, 60), axis=1).round(2).tolist())

    return Curve(
        start_ms=of.start_ms + made.minutes.start * 60_000, needed=hourly(made.load / made.safe),
        recorded=hourly(seen), replayed=hourly(replayed.astype(np.float64)),
    )  # fmt: skip
