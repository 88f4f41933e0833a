"""A cluster of generated workloads with their autoscalers, as kube-state-metrics, cAdvisor and a mesh would record it.

The HPA of each is replayed by 15 s on its own load; what Prometheus would have scraped every minute is written down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cramjam
import httpx
import numpy as np
from numpy.typing import NDArray

from controller.simulate import loop, peers, plans, protocol, replay
from controller.simulate.service import Service
from domain.labels import Labels
from domain.series import Series

FloatArray = NDArray[np.float64]
MINUTE_MS = 60_000
LETTERS = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One workload: offered load in cores (what serving it all would take), and what its owners have set."""

    name: str
    cores: FloatArray
    """By 15 s."""
    target: float = 60.0
    request: float | None = 0.5
    limit: float | None = None
    low: int = 2
    high: int = 60
    startup_seconds: tuple[float, float] = (40.0, 100.0)
    mesh: bool = False
    unseen: float = 0.0
    """Share of pods whose CPU is not scraped."""
    silent: tuple[int, int] | None = None
    """First and last minute without CPU."""
    own_reading: bool = True
    """Whether kube-state-metrics tells what the HPA sees (kube_horizontalpodautoscaler_status_target_metric)."""
    hands: bool = False
    """Whether somebody sets the replicas by hand at night."""
    more_targets: tuple[tuple[str, str, float], ...] = ()
    only: tuple[tuple[str, str, float], ...] | None = field(default=None)


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """By minute."""

    kind: Kind
    current: FloatArray
    ready: FloatArray
    cpu: FloatArray
    percent: FloatArray
    requests_per_second: FloatArray


def day_shape(days: int, *, low: float, high: float, seed: int, noise: float = 0.05, sharp: float = 2.0) -> FloatArray:
    """A wave of a day by 15 s with noise by tick and by some minutes."""
    ticks = np.arange(days * protocol.DAY_TICKS)
    wave = (0.5 - 0.5 * np.cos(2 * np.pi * ticks / protocol.DAY_TICKS)) ** sharp
    dice = np.random.default_rng(seed)
    slow = np.repeat(dice.normal(1, noise, len(ticks) // 20 + 1), 20)[: len(ticks)]
    return np.maximum((low + (high - low) * wave) * slow * dice.normal(1, noise, len(ticks)), 1e-4)


def record(kind: Kind, *, namespace: str = "shop") -> Recorded:
    """Run the HPA on it."""
    able = kind.limit or 4 * (kind.request or 0.5)
    service = Service(capacity_rps=able, largest_utilization_ratio=0.85)
    world = protocol.world(kind.cores, service=service, startup_seconds=kind.startup_seconds)
    per_percent = (kind.request or 0.5) / able / 100
    hpa = peers.reactive(
        metric=loop.CPU,
        target=kind.target * per_percent,
        window_seconds=30,
        min_replicas=kind.low,
        max_replicas=kind.high,
    )
    made = replay.replay(world, hpa, plans.no_plan())
    used = np.diff(made.utilization_before) * made.ready * able
    minutes = len(kind.cores) // 4
    current = made.desired[3::4].astype(np.float64)
    if kind.hands:
        night = (np.arange(minutes) % 1440) < 540
        current[night] = np.maximum(current[night], kind.high * 0.8).round()
    cpu = used.reshape(-1, 4).mean(axis=1)
    if kind.silent is not None:
        cpu[kind.silent[0] : kind.silent[1]] = np.nan
    newest = np.maximum(np.arange(3, len(kind.cores), 4) + 1 - world.delay_ticks, 2)
    mean = (made.utilization_before[newest] - made.utilization_before[newest - 2]) / 2
    return Recorded(
        kind=kind,
        percent=np.floor(100 * mean * able / (kind.request or 0.5)),
        current=current,
        ready=made.ready[3::4].astype(np.float64),
        cpu=cpu,
        requests_per_second=kind.cores.reshape(-1, 4).mean(axis=1) * 100,
    )


def series(
    found: Sequence[Recorded], *, namespace: str, start_ms: int, version: str | None = "v1.34.1"
) -> list[Series]:
    """What the server would hold: a pod for each replica, all with the same share of the work."""
    made = (
        [] if version is None else [_flat("kube_node_info", found[0], start_ms, 1.0, node="a", kubelet_version=version)]
    )
    for one in found:
        made += _of(one, namespace, start_ms)
    return made


def _of(one: Recorded, namespace: str, start_ms: int) -> list[Series]:
    kind, here = one.kind, {"namespace": namespace, "horizontalpodautoscaler": one.kind.name}
    flat = [
        _flat(
            "kube_horizontalpodautoscaler_info",
            one,
            start_ms,
            1.0,
            scaletargetref_kind="Deployment",
            scaletargetref_name=kind.name,
            **here,
        ),
        _flat("kube_horizontalpodautoscaler_spec_min_replicas", one, start_ms, kind.low, **here),
        _flat("kube_horizontalpodautoscaler_spec_max_replicas", one, start_ms, kind.high, **here),
    ]
    targets = kind.only if kind.only is not None else (("cpu", "utilization", kind.target), *kind.more_targets)
    flat += [
        _flat(
            "kube_horizontalpodautoscaler_spec_target_metric",
            one,
            start_ms,
            number,
            metric_name=name,
            metric_target_type=type_,
            **here,
        )
        for name, type_, number in targets
    ]
    most = int(np.nanmax(one.current))
    pods = [f"{kind.name}-5d9c7f6b8-{LETTERS[k // 27]}{LETTERS[k % 27]}v4k" for k in range(most)]
    for resource, amount in (("requests", kind.request), ("limits", kind.limit)):
        if amount is not None:
            flat += [
                _flat(
                    f"kube_pod_container_resource_{resource}",
                    one,
                    start_ms,
                    amount,
                    namespace=namespace,
                    pod=pod,
                    container="app",
                    resource="cpu",
                    unit="core",
                )
                for pod in pods[:2]
            ]
    rows = []
    for k, pod in enumerate(pods):
        if k % 10 >= round(10 * (1 - kind.unseen)):
            continue
        there = (one.current > k) & ~np.isnan(one.cpu)
        counter = 60 * np.cumsum(np.where(there, np.nan_to_num(one.cpu) / one.current, 0.0))
        rows.append(
            _varying(
                "container_cpu_usage_seconds_total",
                np.where(there, counter, np.nan),
                start_ms,
                namespace=namespace,
                pod=pod,
                container="app",
                image="x",
            )
        )
    made = [
        *flat,
        *rows,
        _varying("kube_horizontalpodautoscaler_status_current_replicas", one.current, start_ms, **here),
        _varying("kube_horizontalpodautoscaler_status_desired_replicas", one.current, start_ms, **here),
        _varying(
            "kube_deployment_status_replicas_ready", one.ready, start_ms, namespace=namespace, deployment=kind.name
        ),
    ]
    if kind.own_reading and kind.request is not None and targets[0][0] == "cpu":
        made.append(
            _varying(
                "kube_horizontalpodautoscaler_status_target_metric",
                one.percent,
                start_ms,
                metric_name="cpu",
                metric_target_type="utilization",
                **here,
            )
        )
    if kind.mesh:
        made.append(
            _varying(
                "istio_requests_total",
                np.cumsum(one.requests_per_second * 60),
                start_ms,
                reporter="destination",
                destination_workload=kind.name,
                destination_workload_namespace=namespace,
            )
        )
    return made  # fmt: skip


def _flat(name: str, of: Recorded, start_ms: int, value: float, **labels: str) -> Series:
    return _varying(name, np.full(len(of.current), float(value)), start_ms, **labels)


def _varying(name: str, values: FloatArray, start_ms: int, **labels: str) -> Series:
    times = start_ms + MINUTE_MS * np.arange(len(values), dtype=np.int64)
    good = ~np.isnan(values)
    return Series(
        labels=Labels.of({"__name__": name, **labels}),
        timestamps_ms=times[good],
        values=values[good].astype(np.float64),
    )


def write(url: str, found: Sequence[Series], *, minutes: int = 30) -> None:
    """Fill a Prometheus by remote write, in the order of time; promtool reads its page anew for every two hours of it.

    An empty head takes what is at most an hour older than its newest sample, hence batches of half an hour.
    """
    first = min(int(one.timestamps_ms[0]) for one in found if len(one.timestamps_ms))
    last = max(int(one.timestamps_ms[-1]) for one in found if len(one.timestamps_ms))
    names = [b"".join(_field(1, _field(1, k.encode()) + _field(2, v.encode())) for k, v in one.labels) for one in found]
    with httpx.Client(trust_env=False, timeout=60) as client:
        for begin in range(first, last + 1, minutes * MINUTE_MS):
            body = []
            for name, one in zip(names, found, strict=True):
                low, high = np.searchsorted(one.timestamps_ms, [begin, begin + minutes * MINUTE_MS])
                if high > low:
                    points = _points(one.timestamps_ms[low:high], one.values[low:high])
                    body.append(_field(1, name + points))
            answer = client.post(
                f"{url}/api/v1/write",
                content=bytes(cramjam.snappy.compress_raw(b"".join(body))),
                headers={
                    "content-encoding": "snappy",
                    "content-type": "application/x-protobuf",
                    "x-prometheus-remote-write-version": "0.1.0",
                },
            )
            assert answer.is_success, answer.text  # fmt: skip


def _points(times: NDArray[np.int64], values: FloatArray) -> bytes:
    """Samples of today's epoch: their milliseconds take six bytes as a varint."""
    made = np.zeros((len(times), 18), dtype=np.uint8)
    made[:, 0], made[:, 1], made[:, 2] = 0x12, 16, 0x09
    made[:, 3:11] = values.astype("<f8").view(np.uint8).reshape(-1, 8)
    made[:, 11] = 0x10
    for k in range(6):
        made[:, 12 + k] = (times >> (7 * k)) & 0x7F
    made[:, 12:17] |= 0x80
    return made.tobytes()


def _field(number: int, content: bytes) -> bytes:
    size, length = bytearray(), len(content)
    while length > 0x7F:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    size.append(length)
    return bytes((number << 3 | 2,)) + bytes(size) + content
