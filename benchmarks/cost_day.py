"""A made day of a large cluster, and the process that allocates it: ``python -m benchmarks.cost_day FOLDER``.

30,000 pods on 1,000 nodes: nine in ten run all day, the others begin and end at any second. Usage wanders around what
is requested, from a tenth to twice as much, so that some nodes are contended for some of the time.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

import numpy as np

from cost.allocation import nodes
from cost.allocation.ledger import Idle, Item, exact_sum, ledger
from cost.allocation.nodes import Amounts, NodeInterval, PodInterval, Window
from cost.allocation.report import Asked, report
from cost.allocation.subject import Subject

NODES: Final = 1_000
PODS: Final = 30_000
STEPS: Final = 1_440
SEED: Final = 20_261_122
_START: Final = datetime(2026, 11, 2, tzinfo=UTC)
_WINDOW: Final = Window(start=_START, steps=STEPS)
_CORES, _GIB = 16.0, 64.0
_ON_EACH: Final = PODS // NODES
_HOURLY: Final = (Decimal("0.505776"), Decimal("0.271168"), Decimal(0))


def write(folder: Path) -> None:
    """The day's arrays: requests, seconds of start and end, usage of CPU and memory at every minute."""
    rng = np.random.default_rng(SEED)
    requests = np.stack([rng.choice([0.1, 0.25, 0.5, 1.0], PODS), rng.choice([0.25, 0.5, 1.0, 4.0], PODS)], axis=1)
    spans = np.stack([rng.uniform(-3600, 86_400, PODS), rng.uniform(0, 90_000, PODS)], axis=1)
    spans[rng.random(PODS) < 0.9] = (-3600.0, 90_000.0)
    spans.sort(axis=1)
    np.save(folder / "requests.npy", requests)
    np.save(folder / "spans.npy", spans.astype(np.int64))
    usage = np.lib.format.open_memmap(folder / "usage.npy", mode="w+", dtype=np.float32, shape=(PODS, 2, STEPS))
    for first in range(0, PODS, _ON_EACH):
        level = rng.uniform(0.1, 2.0, (_ON_EACH, 2, 1))
        noise = np.exp(0.3 * rng.standard_normal((_ON_EACH, 2, STEPS)))
        usage[first : first + _ON_EACH] = requests[first : first + _ON_EACH, :, None] * level * noise
    usage.flush()


def allocate(folder: Path) -> dict[str, float]:
    """Read, allocate, report; figures of this process."""
    began = time.process_time()
    requests, spans = np.load(folder / "requests.npy"), np.load(folder / "spans.npy")
    items: list[Item] = []
    idle: list[Idle] = []
    for number in range(NODES):
        usage = _usage_of(folder, number)
        pods = [_pod(pod, number, requests, spans, usage) for pod in range(number * _ON_EACH, (number + 1) * _ON_EACH)]
        share = nodes.share(_node(number), pods, _WINDOW)
        items += share.items
        idle += [share.idle] if share.idle is not None else []
    books = ledger("USD", items=items, idle=idle)
    paid = exact_sum(_HOURLY) * 24 * NODES
    error = Decimal(0)
    for by in ("namespace", "owner", "pod"):
        made = report(books, Asked(by=(by,), share_idle="weighted"))
        said = exact_sum([*(row.cost for row in made.rows), *made.idle.values(), made.filtered])
        error = max(error, abs(said - paid) / paid)
    return {
        "cpu_s": time.process_time() - began, "error": float(error),
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }  # fmt: skip


def _usage_of(folder: Path, number: int) -> np.ndarray:
    """One node's usage, read into memory of its own, so that pages of the file do not count as ours for good."""
    mapped = np.load(folder / "usage.npy", mmap_mode="r")
    return np.array(mapped[number * _ON_EACH : (number + 1) * _ON_EACH])


def _node(number: int) -> NodeInterval:
    return NodeInterval(
        subject=Subject(cluster="made", node=f"node-{number:04}", node_pool=f"pool-{number % 5}"),
        start=_START - timedelta(days=1), end=None, hourly_costs=_HOURLY,
        capacity=Amounts(cpu_cores=_CORES, memory_bytes=_GIB * 2**30),
        allocatable=Amounts(cpu_cores=_CORES - 0.1, memory_bytes=(_GIB - 2) * 2**30),
    )  # fmt: skip


def _pod(pod: int, node: int, requests: np.ndarray, spans: np.ndarray, usage: np.ndarray) -> PodInterval:
    app = pod % 997
    return PodInterval(
        subject=Subject(
            cluster="made", node=f"node-{node:04}", node_pool=f"pool-{node % 5}", namespace=f"team-{app % 60}",
            owner_kind="Deployment", owner=f"app-{app}", pod=f"app-{app}-{pod}", labels={"app": f"app-{app}"},
        ),
        start=_START + timedelta(seconds=int(spans[pod, 0])), end=_START + timedelta(seconds=int(spans[pod, 1])),
        requests=Amounts(cpu_cores=float(requests[pod, 0]), memory_bytes=float(requests[pod, 1]) * 2**30),
        cpu_usage=usage[pod % _ON_EACH, 0], memory_usage=usage[pod % _ON_EACH, 1] * 2**30,
    )  # fmt: skip


if __name__ == "__main__":
    json.dump(allocate(Path(sys.argv[1])), sys.stdout)
