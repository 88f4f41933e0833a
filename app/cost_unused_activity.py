"""What was measured of workloads, claims and autoscalers within a week, hour by hour, from whatever answers queries.

What cannot be asked for silences the rules that stand on it, with a sentence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.cost_unused_week import HOUR, Named, Weeks, whole
from app.fleet import workload_of
from app.queries import Queries
from cost.unused.activity import HOURS, Activity, AtMax, Hours
from cost.unused.belonging import Root, roots
from cost.unused.finding import Kind, Target
from cost.unused.snapshot import Snapshot
from domain.names import USED_CPU
from domain.series import FloatArray

BoolArray = NDArray[np.bool_]

QUARTER: Final = timedelta(minutes=15)
_BY_POD: Final = "sum by (namespace, pod)"
_RECEIVED, _SENT = "container_network_receive_bytes_total", "container_network_transmit_bytes_total"
_FILLED, _DESIRED = "kubelet_volume_stats_used_bytes", "kube_horizontalpodautoscaler_status_desired_replicas"
_CPU_NAMES: Final = f"{USED_CPU} or container_cpu_usage_seconds_total"
TRAFFIC: Final = f'{_BY_POD} (rate({_RECEIVED}{{pod!=""}}[1h])) + {_BY_POD} (rate({_SENT}{{pod!=""}}[1h]))'
CPU: Final = (
    f'{_BY_POD} (avg_over_time({USED_CPU}{{container!=""}}[1h]))',
    f'{_BY_POD} (rate(container_cpu_usage_seconds_total{{container!="",container!="POD"}}[1h]))',
)
"""From metrics.k8s.io, else from cAdvisor."""
_CLAIM, _HPA = "max by (namespace, persistentvolumeclaim)", "max by (namespace, horizontalpodautoscaler)"
FILLED: Final = f"{_CLAIM} (max_over_time({_FILLED}[1h]))"
MOUNTED: Final = f"{_CLAIM} (max_over_time(kube_pod_spec_volumes_persistentvolumeclaims_info[1h]))"
AT_MAX: Final = f"({_HPA} ({_DESIRED})) >= bool ({_HPA} (kube_horizontalpodautoscaler_spec_max_replicas))"
NO_FIGURES: Final = "no figures of the last 7 days are read here: a running Foretide has them (--server)"


def unmeasured() -> Activity:
    """Where nobody can be asked."""
    kinds = (Kind.ABANDONED_WORKLOAD, Kind.HPA_PINNED_AT_MAX, Kind.OVERSIZED_PV)
    return Activity(missing=dict.fromkeys(kinds, NO_FIGURES))


class Figures:
    """Asks for them, and keeps what does not change any more."""

    def __init__(self, queries: Queries) -> None:
        """Nothing is asked yet."""
        self._weeks = Weeks(queries)

    def measured(self, snapshot: Snapshot) -> Activity:
        """All of it, as of the snapshot."""
        weeks, at = self._weeks, snapshot.at
        traffic = weeks.by(TRAFFIC, "pod", at)
        cpu = weeks.by(CPU[0], "pod", at) or weeks.by(CPU[1], "pod", at)
        filled = weeks.by(FILLED, "persistentvolumeclaim", at)
        mounted = weeks.by(MOUNTED, "persistentvolumeclaim", at)
        at_max = weeks.by(AT_MAX, "horizontalpodautoscaler", at, QUARTER)
        needs = {
            Kind.ABANDONED_WORKLOAD: ((_RECEIVED, traffic), (_CPU_NAMES, cpu)),
            Kind.OVERSIZED_PV: ((_FILLED, filled),), Kind.HPA_PINNED_AT_MAX: ((_DESIRED, at_max),),
        }  # fmt: skip
        absent = {kind: _absent(weeks.problems, *series) for kind, series in needs.items()}
        by_workload = _Workloads(roots(snapshot), at)
        return Activity(
            traffic=by_workload.traffic(traffic, cpu), cpu=by_workload.summed(cpu),
            at_max={name: _share(values) for name, values in at_max.items()},
            filled={name: hours for name, values in filled.items() if (hours := hours_of(values)) is not None},
            mounted=_last_seen((filled, mounted), whole(at, HOUR)),
            missing={kind: why for kind, why in absent.items() if why},
        )  # fmt: skip


def _absent(problems: Mapping[str, str], *series: tuple[str, Mapping[Named, FloatArray]]) -> str:
    """Why there is nothing of one of them; empty where there is something of each."""
    for name, found in series:
        if not found:
            refused = next((why for expr, why in problems.items() if name.split(" ")[0] in expr), "")
            return (
                f"cannot be asked for: {refused}"
                if refused
                else f"no series {name} within 7 days, looked at hour by hour (docs/unused.md)"
            )
    return ""


class _Workloads:
    """Pods' figures as their workloads': those that are there by their owners, those that are gone by their names."""

    def __init__(self, known: Iterable[Root], at: datetime) -> None:
        self._roots = tuple(known)
        self._at = at
        self._by_pod = {(pod.about.target.namespace, pod.about.target.name): [root.target]
                        for root in self._roots for pod in root.pods}  # fmt: skip
        self._by_name: dict[Named, list[Target]] = defaultdict(list)
        for root in self._roots:
            self._by_name[root.target.namespace, root.target.name].append(root.target)

    def summed(self, by_pod: Mapping[Named, FloatArray]) -> dict[Target, Hours]:
        """The sum of all pods, where each that is there now has figures of now."""
        sums: dict[Target, FloatArray] = {}
        for pod, values in by_pod.items():
            for target in self._of(pod):
                before = sums.get(target)
                sums[target] = values if before is None else _added(before, values)
        blind = {root.target for root in self._roots if self._is_blind(root, by_pod)}
        known = {target: hours_of(values) for target, values in sums.items() if target not in blind}
        return {target: hours for target, hours in known.items() if hours is not None}

    def traffic(self, traffic: Mapping[Named, FloatArray], cpu: Mapping[Named, FloatArray]) -> dict[Target, Hours]:
        """The same, but an hour in which a pod ran of which no traffic is known is not known either."""
        dark: dict[Target, BoolArray] = {}
        for pod, used in cpu.items():
            unseen = np.isfinite(used) & ~np.isfinite(traffic.get(pod, np.full(len(used), np.nan)))
            for target in self._of(pod):
                dark[target] = dark.get(target, np.zeros(len(used), bool)) | unseen
        found = self.summed(traffic)
        return {
            target: Hours(known=hours.known - int(dark[target].sum()), lowest=hours.lowest, highest=hours.highest)
            if target in dark else hours
            for target, hours in found.items()
        }  # fmt: skip

    def _of(self, pod: Named) -> list[Target]:
        return self._by_pod.get(pod) or self._by_name.get((pod[0], workload_of(pod[1])), [])

    def _is_blind(self, root: Root, by_pod: Mapping[Named, FloatArray]) -> bool:
        """Whether a pod has run for two hours and the last two know nothing of it."""
        for pod in root.pods:
            of = pod.about.target
            values = by_pod.get((of.namespace, of.name))
            if pod.about.is_older_than(2 * HOUR, self._at) and (values is None or np.isnan(values[-2:]).all()):
                return True
        return False


def hours_of(values: FloatArray) -> Hours | None:
    """How many are known, and their bounds; None without any."""
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    return Hours(known=len(known), lowest=float(known.min()), highest=float(known.max()))


def _added(one: FloatArray, other: FloatArray) -> FloatArray:
    """A pod that is not there adds nothing; an hour without any stays unknown."""
    return np.where(np.isnan(one), other, np.where(np.isnan(other), one, one + other))


def _share(values: FloatArray) -> AtMax:
    known = values[np.isfinite(values)]
    return AtMax(share_ratio=float(known.mean()) if len(known) else 0.0, known_ratio=len(known) / len(values))


def _last_seen(histories: Iterable[Mapping[Named, FloatArray]], at: datetime) -> dict[Named, datetime]:
    found: dict[Named, datetime] = {}
    for by_claim in histories:
        for name, values in by_claim.items():
            seen = at - (HOURS - 1 - int(np.flatnonzero(np.isfinite(values))[-1])) * HOUR
            found[name] = max(seen, found.get(name, seen))
    return found
