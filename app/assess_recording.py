"""What happened to one autoscaler, minute by minute, as a server recorded it; read by namespace and day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.fleet import POD_NAME, Hpa, Requests
from app.fleet_source import GentleSource, joined
from app.offered_load import Offered
from domain.labels import Labels
from store.promql.results import Matrix

FloatArray = NDArray[np.float64]

STEP_SECONDS: Final = 60
DAY_MS: Final = 86_400_000
WINDOWS: Final = ((20.0, "1m"), (35.0, "90s"), (65.0, "150s"))
"""Window of a rate by the longest scrape interval that it fits: two samples and a late one; else five minutes."""
LONGEST_SELECTOR: Final = 4_000
_STATUS: Final = "kube_horizontalpodautoscaler_status_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One HPA over the period; every array by minute from ``start_ms``, NaN where the server has nothing.

    Attributes:
        current: Replicas that there were.
        desired: Replicas that the HPA wanted.
        ready: Replicas that were ready.
        cpu_cores: Used by all of them.
        metric: What the HPA itself saw of the target that is replayed: percent, a mean per replica, or a value.
        offered: Load by a mesh, an ingress, a library.
        pods_seen: Share of the replicas whose use of CPU was seen, 0 to 1; NaN where nobody knows.
    """

    hpa: Hpa
    requests: Requests
    start_ms: int
    current: FloatArray
    desired: FloatArray
    ready: FloatArray
    cpu_cores: FloatArray
    metric: FloatArray | None = None
    offered: FloatArray | None = None
    offered_by: str = ""
    offered_caution: str = ""
    pods_seen: float = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """The period, in whole minutes."""

    start_ms: int
    end_ms: int

    @property
    def minutes(self) -> int:
        """How many values a series has."""
        return (self.end_ms - self.start_ms) // (1000 * STEP_SECONDS)

    def days(self) -> Iterator[tuple[int, int]]:
        """First and last minute of each UTC day, so that a later run asks for the same days again."""
        begin = self.start_ms
        while begin < self.end_ms:
            end = min((begin // DAY_MS + 1) * DAY_MS, self.end_ms)
            yield begin, end - 1000 * STEP_SECONDS
            begin = end


def rate_window(source: GentleSource, namespace: str, *, at_ms: int) -> str:
    """By how often CPU is scraped."""
    metric = f'container_cpu_usage_seconds_total{{namespace="{namespace}",container!=""}}'
    found = source.instant(f"600 / quantile(0.5, count_over_time({metric}[10m]))", at_ms=at_ms)
    interval = float(found.values[0]) if len(found.values) else 30.0
    return next((text for longest, text in WINDOWS if interval <= longest), "5m")


def namespace_queries(
    namespace: str, hpas: Sequence[Hpa], offered: Sequence[Offered], *, window: str
) -> dict[str, str]:
    """What is asked of each day, by what it is."""
    pods = _any_of([one.workload for one in hpas], "-.+")
    cpu = f'container_cpu_usage_seconds_total{{namespace="{namespace}",container!="",container!="POD"{pods}}}'
    by_pod = f"sum by (pod) (max by (pod, container) (rate({cpu}[{window}])))"
    names = _any_of([one.workload for one in hpas], "", label="{kind}")
    made = {
        "current": f'max by (horizontalpodautoscaler) ({_STATUS}current_replicas{{namespace="{namespace}"}})',
        "desired": f'max by (horizontalpodautoscaler) ({_STATUS}desired_replicas{{namespace="{namespace}"}})',
        "cpu": f'sum by (workload) (label_replace({by_pod}, "workload", "$1", "pod", "{POD_NAME}"))',
    }
    for kind in sorted({one.kind.lower() for one in hpas} & {"deployment", "statefulset", "replicaset"}):
        ready = "ready_replicas" if kind == "replicaset" else "status_replicas_ready"
        own = names.replace("{kind}", kind)
        made[f"ready {kind}"] = f'max by ({kind}) (kube_{kind}_{ready}{{namespace="{namespace}"{own}}})'
    made["metric"] = (
        "max by (horizontalpodautoscaler, metric_name, metric_target_type) "
        f'({_STATUS}target_metric{{namespace="{namespace}"}})'
    )
    for one in offered:
        if not one.labeling.composite and any(place[0] == namespace for place in one.workloads):
            made[f"offered {one.family.key}"] = one.by_workload(namespace, window)
    return made


def read(
    source: GentleSource, queries: Mapping[str, str], over: Stretch, *, step_seconds: int = STEP_SECONDS
) -> Iterator[tuple[str, Matrix]]:
    """Each query over the whole period, a day at a time; errors as of the source."""
    for name, query in queries.items():
        whole: Matrix | None = None
        for first, last in over.days():
            day = source.range(query, start_ms=first, end_ms=last, step_ms=1000 * step_seconds)
            whole = day if whole is None else joined(whole, day)
        if whole is not None:
            yield name, whole


def seen_pods_query(namespace: str, hpas: Sequence[Hpa], *, window: str) -> str:
    """How many pods of each workload tell their use of CPU."""
    pods = _any_of([one.workload for one in hpas], "-.+")
    cpu = f'container_cpu_usage_seconds_total{{namespace="{namespace}",container!="",container!="POD"{pods}}}'
    by_pod = f"count by (pod) (count_over_time({cpu}[{window}]))"
    return f'count by (workload) (label_replace({by_pod}, "workload", "$1", "pod", "{POD_NAME}"))'


def recordings(
    hpas: Sequence[Hpa],
    found: Mapping[str, Matrix],
    *,
    requests: Mapping[tuple[str, str], Requests],
    offered: Sequence[Offered],
    over: Stretch,
    seen: Matrix | None = None,
) -> list[Recording]:
    """One for each HPA of a namespace, of what was read."""
    made = []
    for hpa in hpas:
        place = (hpa.namespace, hpa.workload)
        kind, watched = hpa.kind.lower(), _watched(hpa)
        load = next((one for one in offered if place in one.workloads and not one.labeling.composite), None)
        current = _row(found.get("current"), over, horizontalpodautoscaler=hpa.name)
        made.append(
            Recording(
                hpa=hpa,
                requests=requests.get(place, Requests()),
                start_ms=over.start_ms,
                current=current,
                desired=_row(found.get("desired"), over, horizontalpodautoscaler=hpa.name),
                ready=_row(found.get(f"ready {kind}"), over, **{kind: hpa.workload}),
                cpu_cores=_row(found.get("cpu"), over, workload=hpa.workload),
                metric=None
                if watched is None
                else _row(
                    found.get("metric"), over, horizontalpodautoscaler=hpa.name, metric_name=watched[0],
                    metric_target_type=watched[1],
                ),
                offered=None
                if load is None
                else _row(found.get(f"offered {load.family.key}"), over, workload=hpa.workload),
                offered_by="" if load is None else load.family.title,
                offered_caution="" if load is None else load.family.caution,
                pods_seen=_share_seen(seen, hpa, current, over),
            )
        )  # fmt: skip
    return made


def _watched(hpa: Hpa) -> tuple[str, str] | None:
    """Name and kind of the target that is replayed: CPU where there is one, else the first that is no memory."""
    known = sorted((one for one in hpa.targets if one.name != "memory"), key=lambda one: one.name != "cpu")
    return (known[0].name, known[0].kind) if known else None


def _any_of(names: Sequence[str], tail: str, *, label: str = "pod") -> str:
    """A matcher of these names, or none where it would be longer than what it spares."""
    text = "|".join(sorted(set(names)))
    return f',{label}=~"({text}){tail}"' if len(text) < LONGEST_SELECTOR else ""


def _row(found: Matrix | None, over: Stretch, **labels: str) -> FloatArray:
    own = Labels.of(labels)
    if found is None or own not in found.labels:
        return np.full(over.minutes, np.nan)
    at = found.labels.index(own)
    return np.where(found.present[at], found.values[at], np.nan)


def _share_seen(seen: Matrix | None, hpa: Hpa, current: FloatArray, over: Stretch) -> float:
    """The usual share, from a value for each hour."""
    own = Labels.of({"workload": hpa.workload})
    if seen is None or own not in seen.labels:
        return float("nan")
    at = seen.labels.index(own)
    places = (seen.timestamps_ms - over.start_ms) // (1000 * STEP_SECONDS)
    there = current[places]
    good = seen.present[at] & (there > 0)
    if not good.any():
        return float("nan")
    return float(np.median(np.minimum(seen.values[at][good] / there[good], 1.0)))
