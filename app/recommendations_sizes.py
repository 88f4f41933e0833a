"""Items from what workloads used: other requests, with their HPA's target, and nights in which nobody needs them.

Only sizes that may be tried now are items; what has to wait, and why, is in ``foretide cost sizing``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import numpy as np

from app.cost_sizing import DEFAULT_DAYS, SizingView, WorkloadSizing, sizing_of
from app.cost_sizing_read import STEP, Place, Scaler, Seen, read, scalers
from app.queries import Queries
from cost.recommendations.effects import Candidate, Resize, SwitchOff
from cost.recommendations.nights import Nights, nights
from cost.recommendations.present import Load, Present
from cost.sizing.observed import Observed, Resource
from cost.sizing.patches import quantity
from cost.sizing.rollout import Verdict
from domain.errors import QueryError
from domain.recommendations import Change, Patch, Recommendation, RecommendationKind, Saving, Target
from domain.series import FloatArray
from rules import RuleSet

MOST_WORKLOADS: Final = 200
"""Of those that request most: each is four queries over eight days and a forecast."""
SUCCESS: Final = {"none": 1.0, "low": 0.9, "medium": 0.6, "high": 0.3, "unknown": 0.5}
"""That it stays as applied, by risk: guesses, until what was verified says better."""
_WORST: Final = ("unknown", "high", "medium", "low", "none")
_SIZED: Final = ("Deployment", "StatefulSet")
_VPAS: Final = (
    "max by (namespace, target_kind, target_name, verticalpodautoscaler) "
    "(kube_verticalpodautoscaler_spec_updatepolicy_updatemode == 1)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """Items, workloads that could not be read, and sentences about them."""

    found: tuple[Candidate, ...] = ()
    unread: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


def candidates(queries: Queries, present: Present, running: RuleSet, now: datetime) -> Looked:
    """Look at every workload of the present; raises ``QueryError`` where the source does not answer at all."""
    found: list[Candidate] = []
    notes: list[str] = []
    unread: set[str] = set()
    wanted = _workloads(present.loads)
    if len(wanted) > MOST_WORKLOADS:
        notes.append(f"the {MOST_WORKLOADS} workloads that request most were looked at, of {len(wanted)}")
    hpas = scalers(queries, now, None) if wanted else {}
    conflicts = _conflicts(queries, running, now) if wanted else {}
    for place in wanted[:MOST_WORKLOADS]:
        try:
            seen = read(queries, place, now=now, window=timedelta(days=DEFAULT_DAYS))
        except QueryError as error:
            notes.append(f"{place.key}: {error}")
            unread.add(place.key)
            continue
        if not seen.containers:  # nobody measures it at the moment: that is no reason to take anything back
            unread.add(place.key)
        hpa = hpas.get(place.key)
        sizing = sizing_of(place, seen, hpa, engine="forecast", now=now, in_place=False)
        found += _sizes(place, sizing, hpa, conflicts.get(place.key, ()), present.currency)
        found += _nights(place, seen, hpa, conflicts.get(place.key, ()), present)
    unread |= {one.key for one in wanted[MOST_WORKLOADS:]}
    return Looked(found=tuple(found), unread=frozenset(unread), notes=tuple(notes))


def _workloads(loads: Sequence[Load]) -> list[Place]:
    """That can be sized, those that request most first."""
    asked: dict[str, int] = defaultdict(int)
    for load in loads:
        asked[load.workload] += load.pods * load.cpu_millicores
    keys = sorted(asked, key=lambda key: (-asked[key], key))
    parts = (key.split("/", 2) for key in keys)
    return [Place(namespace=namespace, kind=kind, name=name) for namespace, kind, name in parts if kind in _SIZED]


def _conflicts(queries: Queries, running: RuleSet, now: datetime) -> dict[str, list[str]]:
    """Who else sets requests or replicas, as far as series and our rules tell."""
    found: dict[str, list[str]] = defaultdict(list)
    for pairs in queries.instant(_VPAS, now):
        of = dict(pairs)
        key = f"{of.get('namespace', '')}/{of.get('target_kind', '')}/{of.get('target_name', '')}"
        found[key].append(f"VerticalPodAutoscaler {of.get('verticalpodautoscaler', '')} sets requests of its pods")
    for rule in running.rules:
        key = f"{rule.target.namespace}/{rule.target.kind}/{rule.target.name}"
        found[key].append(f"rule {rule.key} of ours decides its replicas")
    return found


def _sizes(
    place: Place, sizing: WorkloadSizing, hpa: Scaler | None, conflicts: Sequence[str], currency: str
) -> Iterator[Candidate]:
    ready = [one for one in sizing.sizings if one.verdict is Verdict.GO and one.wanted not in (None, one.current)]
    changes = [change for one in ready for change in _changes(one)]
    if not changes:
        return
    targets = list(_targets(ready, hpa))
    risk = min((one.risk.value for one in ready), key=_WORST.index)
    kind = RecommendationKind.RIGHT_SIZE_HPA if targets else RecommendationKind.RIGHT_SIZE_REQUESTS
    deltas = {resource: sum(_delta(one) for one in ready if one.resource is resource) for resource in Resource}
    together = " with its HPA's target" if targets else ""
    yield Candidate(
        advice=Recommendation(
            kind=kind, target=_target(place), changes=(*changes, *targets),
            patches=tuple(Patch(object=one.object, command=one.command, patch=one.patch) for one in sizing.patches),
            saving=Saving(monthly=Decimal(0), currency=currency),
            advice=f"Ask for what {place.name} needs{together}: pods carry what they carry now.",
            evidence=_evidence(ready), risk=risk, conflicts=tuple(conflicts),
            confidence=round(SUCCESS[risk] * min(one.confidence for one in ready), 4),
            undo="the values before, written back where they still stand as applied",
        ),
        effect=Resize(
            workload=place.key, cpu_millicores=deltas[Resource.CPU], memory_bytes=deltas[Resource.MEMORY]
        ),
    )  # fmt: skip


def _changes(one: SizingView) -> Iterator[Change]:
    wanted = one.wanted
    for part in ("request", "limit"):
        before, after = getattr(one.current, part), getattr(wanted, part)
        if before != after and after is not None:
            yield Change(
                path=f"containers[{one.container}].{part}s.{one.resource}",
                before=None if before is None else quantity(before, one.resource),
                after=quantity(after, one.resource),
            )  # fmt: skip


def _targets(ready: Sequence[SizingView], hpa: Scaler | None) -> Iterator[Change]:
    if hpa is None:
        return
    moved = {one.resource: one.hpa_target_percent for one in ready}
    for resource, percent in sorted(moved.items()):
        now = hpa.percent.get(resource)
        if percent is not None and now is not None and percent != now:
            yield Change(path=f"hpa[{hpa.name}].target.{resource}", before=str(now), after=str(percent))


def _delta(one: SizingView) -> int:
    wanted = one.wanted.request if one.wanted is not None else None
    return 0 if wanted is None else wanted - (one.current.request or 0)


def _evidence(ready: Sequence[SizingView]) -> tuple[tuple[str, str], ...]:
    days = min(one.window_seconds for one in ready) / 86_400
    lines = [("window", f"{days:.1f} d"), ("samples", str(sum(one.samples for one in ready))), ("engine", "forecast"),
             ("oom", str(max(one.ooms for one in ready)))]  # fmt: skip
    for one in ready:
        seen = [f"{name} {quantity(value, one.resource)}" for name, value in (("p95", one.p95), ("peak", one.peak))
                if value is not None]  # fmt: skip
        lines.append((f"{one.container} {one.resource}", ", ".join(seen) or "no samples"))
    return tuple(lines)


def _nights(
    place: Place, seen: Seen, hpa: Scaler | None, conflicts: Sequence[str], present: Present
) -> Iterator[Candidate]:
    hourly, start = _hourly(seen.containers)
    found = nights(hourly, start) if len(hourly) else None
    if found is None:
        return
    stretch = f"{found.first:02d}:00-{found.until:02d}:00 UTC"
    patch = f"kubectl -n {place.namespace} scale {place.kind.lower()} {place.name} --replicas 0"
    also = ("an HPA stays and idles at 0 replicas; whoever raises them again wakes it",) if hpa is not None else ()
    yield Candidate(
        advice=Recommendation(
            kind=RecommendationKind.OFF_HOURS_SCHEDULE, target=_target(place),
            changes=(Change(path="schedule.off", before=None, after=stretch),),
            patches=(Patch(object=f"{place.kind}/{place.name}", command=patch),),
            saving=Saving(monthly=Decimal(0), currency=present.currency),
            advice=f"Switch {place.name} off at {stretch}, where nobody used it for {found.days} days.",
            evidence=_idle(found), risk="medium", confidence=SUCCESS["medium"], effort=2,
            conflicts=(*conflicts, *also), undo="the replicas before, at the end of the stretch or at once",
        ),
        effect=SwitchOff(workload=place.key, hours=found.hours),
    )  # fmt: skip


def _idle(found: Nights) -> tuple[tuple[str, str], ...]:
    return (
        ("days", str(found.days)), ("most in these hours", f"{found.most_cores:.3f} cores"),
        ("busy hour", f"{found.busy_cores:.3f} cores"), ("judged by", "CPU alone, five minutes at a time"),
    )  # fmt: skip


def _hourly(containers: Sequence[Observed]) -> tuple[FloatArray, datetime]:
    """The highest five minutes of each hour, all pods together; NaN where nothing is known."""
    tracks = [track for one in containers for track in one.tracks(Resource.CPU)]
    if not tracks:
        return np.zeros(0), datetime.fromtimestamp(0, UTC)
    per_hour, step = 12, STEP.total_seconds()
    times = np.floor(np.concatenate([one.times for one in tracks]) / step).astype(np.int64)
    first = int(times.min()) // per_hour * per_hour
    sums = np.zeros(-(-(int(times.max()) + 1 - first) // per_hour) * per_hour)
    seen = np.zeros(len(sums), dtype=bool)
    np.add.at(sums, times - first, np.concatenate([one.values for one in tracks]))
    seen[times - first] = True
    hourly = np.where(seen, sums, -np.inf).reshape(-1, per_hour).max(axis=1)
    return np.where(np.isneginf(hourly), np.nan, hourly), datetime.fromtimestamp(first * step, UTC)


def _target(place: Place) -> Target:
    return Target(namespace=place.namespace, kind=place.kind, name=place.name)
