"""What a forecast floor saves end to end: load curves through kwok's pods, the real HPA controller, and our own loop.

**Time runs 15 times as fast, all of it**: the HPA's sync of 1 s stands for 15 s, pods become ready after 8 s (2 min),
the HPA's windows are 20 s down (300 s) and 1 s for its usual policies (15 s), metrics are 2 s old (30 s), and Foretide
decides each second by a clock that runs as fast, so that its steps of a minute come every 4 s. 11 minutes stand for
2 h 45 min, of which the first 15 minutes do not count.

**Each curve goes through three Deployments at once**, each under an HPA on CPU:

- ``hpa``: target 60 %, alone. What is compared with, as in docs/elasticity.md.
- ``raised``: target 77 %, alone: what the higher target does by itself.
- ``floor``: target 77 %, as docs/elasticity.md has it beneath a floor, and Foretide's rule with ``bounds``: a query of
  the load, and a forecast at a price with 165 s of lead (the pods' start, the metric's age, one pass) and a budget of
  0.05 %: half of what an objective of 99.9 % leaves. The price alone says when something is given back
  (``stabilizationWindowSeconds: 0``, as in the replayed policy); floors fall by a tenth a minute all the same. The rule
  comes with the caution of one that has run for a while (``benchmarks.cluster_ahead_before``).

Foretide is the whole house as ``foretide up`` builds it, with the compressed clock and two weeks of the same workload
in its store; forecaster, decision, ramp and writer are the product's. A pod's request is 100m, and its usage the load
by ready pods, without a limit: an HPA sees overload in full, which flatters it where it is alone. A tick of 15 s is
violated when the load is more than the ready pods carry at 84.75 %; replica-hours are those of ``spec.replicas``, pods
that start included.
"""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.settings import read_settings
from app.wiring import House
from benchmarks.cluster_ahead_before import last_decisions, level
from benchmarks.cluster_ahead_world import (
    AGE_TICKS,
    CARRIES,
    HIGH,
    LEAD_IN,
    LOW,
    TARGETS,
    CompressedClock,
    Seen,
    Watching,
    labels,
    make,
    past,
    usage,
)
from benchmarks.cluster_curves import Curve, curves
from benchmarks.report import NotMeasuredError, Row
from domain.clock import to_ms
from domain.load_ahead import TICK
from store.state import DecisionLedger
from tests.cluster.control_plane import Cluster
from tests.cluster.credentials import CONTEXT
from tests.e2e.program import until

TICKS: Final = 600
"""2 h 30 min."""
LEAD: Final = timedelta(seconds=165)
BUDGET: Final = 0.0005
"""The others of 0.3, 0.1 and 0.05 % were left out by the peak hours of the two weeks before (docs/kubernetes.md)."""
_CONFIG: Final = """
cluster: kubernetes
kubernetes: {{context: {context}, kubeconfig: {kubeconfig}, namespace: {own}, collect: false}}
rules_dir: rules
"""
_RULE: Final = """
apiVersion: foretide.dev/v1alpha1
kind: ScalingRule
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  target: {{kind: Deployment, name: {name}}}
  replicas: {{min: {low}, max: {high}}}
  mode: enforce
  backtestOverride: {{reason: measured on a cluster of its own}}
  actuate: {{with: bounds, hpa: {name}}}
  triggers:
  - {{name: load, query: 'sum(offered_load{{service="{name}"}})', perReplica: {carries}m}}
  - name: ahead
    forecast: {{of: load, lead: {lead:.0f}s, price: {{violatedMinute: auto, budget: {budget:.4%}}}}}
  behavior: {{scaleDown: {{stabilizationWindowSeconds: 0}}}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One arm: violated minutes and replica-hours, by curve."""

    minutes: NDArray[np.float64]
    hours: NDArray[np.float64]


def ahead_rows(cluster: Cluster, *, data: Path | None) -> list[Row]:
    """Sums over all curves."""
    found = outcomes(cluster, curves(data, ticks=TICKS), ticks=TICKS)
    minutes = {arm: float(one.minutes.sum()) for arm, one in found.items()}
    hours = {arm: float(one.hours.sum()) for arm, one in found.items()}
    if not minutes["hpa"]:
        raise NotMeasuredError("the HPA alone violated nothing, so there is nothing to compare with")
    return [
        _row("slo_minutes_vs_hpa", minutes, "hpa", unit="min", must=0.5, goal=0.2),
        _row("replica_hours_vs_hpa", hours, "hpa", unit="h", must=1.0, goal=0.95),
        _row("slo_minutes_vs_raised", minutes, "raised", unit="min"),
        _row("replica_hours_vs_raised", hours, "raised", unit="h"),
    ]


def _row(
    metric: str, of: dict[str, float], peer: str, *, unit: str, must: float | None = None, goal: float | None = None
) -> Row:
    ratio = of["floor"] / of[peer] if of[peer] else math.nan
    return Row(
        metric=metric, ours=round(of["floor"], 2), unit=unit, direction="<=", must=must, goal=goal,
        peer=f"HPA {TARGETS[peer]} %", peer_value=round(of[peer], 2), ratio=round(ratio, 4),
    )  # fmt: skip


def outcomes(cluster: Cluster, shown: Sequence[Curve], *, ticks: int) -> dict[str, Outcome]:
    """Every arm's; what each curve came to is told on stderr.

    Raises:
        NotMeasuredError: A forecast did not begin, or too few ticks could be looked at.
    """
    namespaces = {arm: cluster.namespace(arm) for arm in TARGETS}
    with TemporaryDirectory(prefix="foretide-ahead-") as name:
        folder = Path(name)
        _configured(cluster, namespaces["floor"], folder, shown)
        levels = {one.name: level(one, lead=LEAD, budget=BUDGET) for one in shown}
        settings = read_settings(config=None, environment={"FORETIDE_PORT": "0"}, working_dir=folder)
        settings.data_dir.mkdir()
        make(cluster, namespaces, shown)
        clock = CompressedClock()
        house = House(settings, clock=clock, version="0", base_url="http://127.0.0.1:1", environment={})
        told = ", ".join(f"{name} {found:.2f}" for name, found in levels.items())
        print(f"benchmarks.cluster: caution before the stretch: {told}", file=sys.stderr)
        with house.state.transaction() as session:
            made = last_decisions(levels, namespace=namespaces["floor"], trigger="ahead", at=clock.now())
            DecisionLedger(session).append_all([(one, None) for one in made])
        try:
            seen = _followed(cluster, namespaces, house, clock, shown, ticks)
        finally:
            house.close()
    found = {arm: outcome(seen[arm], shown) for arm in TARGETS}
    for k, curve in enumerate(shown):
        told = ", ".join(f"{arm} {one.minutes[k]:.2f} min {one.hours[k]:.1f} h" for arm, one in found.items())
        print(f"benchmarks.cluster: {curve.name}: {told}", file=sys.stderr)
    return found


def outcome(seen: Seen, shown: Sequence[Curve]) -> Outcome:
    """What one arm came to; ticks that nobody looked at are taken to be as the others."""
    load = np.array([[curve.at(tick) for tick in range(seen.ready.shape[1])] for curve in shown])
    looked = np.isfinite(seen.ready)
    if looked.mean() < 0.9:
        raise NotMeasuredError(f"only {looked.mean():.0%} of the ticks could be looked at")
    violated = np.where(looked, load > seen.ready * CARRIES, False)
    scale = 1 / looked.mean(axis=1)
    hours = TICK / timedelta(hours=1)
    return Outcome(
        minutes=violated.sum(axis=1) * scale * hours * 60, hours=np.nansum(seen.wanted, axis=1) * scale * hours
    )


def _configured(cluster: Cluster, namespace: str, folder: Path, shown: Sequence[Curve]) -> None:
    own = cluster.namespace("foretide")
    config = _CONFIG.format(context=CONTEXT, kubeconfig=cluster.kubeconfig(), own=own)
    (folder / "foretide.yaml").write_text(config)
    (folder / "rules").mkdir()
    for one in shown:
        rule = _RULE.format(
            name=one.name, namespace=namespace, low=LOW, high=HIGH, carries=round(1000 * CARRIES), budget=BUDGET,
            lead=LEAD.total_seconds(),
        )  # fmt: skip
        (folder / "rules" / f"{one.name}.yaml").write_text(rule)


def _followed(
    cluster: Cluster, namespaces: dict[str, str], house: House, clock: CompressedClock, shown: Sequence[Curve],
    ticks: int,
) -> dict[str, Seen]:  # fmt: skip
    _begun(cluster, house, clock, shown)
    clock.start()
    for namespace in namespaces.values():
        for one in shown:
            cluster.metrics.set_load(namespace, one.name + "-", cpu_millicores=usage(one, clock))
    over = threading.Event()
    watching = Watching(cluster, {space: arm for arm, space in namespaces.items()}, [one.name for one in shown], ticks)
    watcher = threading.Thread(target=watching.run, args=(clock, over), name="watching", daemon=True)
    watcher.start()
    passes = 0
    try:
        for tick in range(1 - LEAD_IN, ticks):
            clock.wait(tick)
            if clock.tick() == tick:  # one that is late is left out, as the program does
                _passed(house, clock, shown, tick)
                passes += 1
    finally:
        over.set()
        watcher.join()
    print(f"benchmarks.cluster: {passes} of {ticks + LEAD_IN - 1} passes", file=sys.stderr)
    return watching.seen


def _begun(cluster: Cluster, house: House, clock: CompressedClock, shown: Sequence[Curve]) -> None:
    """It leads, and every forecast stands, as in a program that has run for a while."""
    house.metrics.load([past(one, clock) for one in shown])
    house.prepare()
    assert house._kubernetes is not None
    cluster.api.until("it leads", house._kubernetes.elector.leading, seconds=60)
    house._leads.tick(clock.now())
    house.decide(clock.now())  # tells them how far ahead to look

    def ahead() -> bool:
        house._leads.tick(clock.now())
        return house.registry.get_sample_value("foretide_lead_signals", {"state": "ahead"}) == len(shown)

    until("every forecast has begun", ahead, seconds=120)


def _passed(house: House, clock: CompressedClock, shown: Sequence[Curve], tick: int) -> None:
    """What the program's loops do in 15 s: take samples, decide, begin forecasts."""
    values = np.array([one.at(tick - AGE_TICKS) for one in shown])
    house.metrics.append([labels(one) for one in shown], to_ms(clock.at(tick)), values)
    house.decide(clock.now())
    house._leads.tick(clock.now())
