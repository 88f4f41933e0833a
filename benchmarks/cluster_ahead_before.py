"""How careful the rules of ``benchmarks.cluster_ahead`` are when its stretch begins: the days before it, replayed.

A rule that has run for a while is as careful as its own misses made it (docs/price-policy.md): its budget is spent, not
begun. So the days before each stretch go through the product's own replay, an HPA at 77 % beneath the price, and the
level at its end is left where a restart finds it: in the ledger, as of the last decision. The stretch is not seen.

``python -m benchmarks.cluster_ahead_before DIR`` tells what budgets come to in the peak hours of those days.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.cluster_ahead_world import AGE_TICKS, CARRIES, LEAD_IN, TARGETS
from benchmarks.cluster_curves import DAY, SERVICE, Curve, curves, peak_end
from controller.ahead import Terms
from controller.simulate import peers, plans, protocol, replay
from controller.simulate.loop import Record, World
from domain.load_ahead import TICK, Outlook, longest, windows
from domain.scaling import Decision, Mode, Outcome, Proposal, Reason, WorkloadRef
from forecaster import lead_outlook
from forecaster.lead import Clock

BUDGETS: Final = (0.003, 0.001, 0.0005)
DAYS: Final = 28
"""Two weeks are the forecast's history, two more it decides on; fewer where the recording has no more."""
START_SECONDS: Final = (119.0, 120.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """The days before a stretch: their world, and what a decision knows of what lies ahead."""

    world: World
    outlook: Outlook

    @classmethod
    def of(cls, curve: Curve, *, lead: timedelta) -> Before:
        """Up to the lead-in."""
        end = curve.begin - LEAD_IN - AGE_TICKS
        load = curve.load[max(end - DAYS * DAY, 0) : end]
        # A decision reads a load that is ``AGE_TICKS`` old.
        seen = np.concatenate([np.repeat(load[:1], AGE_TICKS), load[:-AGE_TICKS]])
        outlook = lead_outlook.over(
            seen, windows=windows(lead), surge_last=longest(lead), clock=Clock(day=DAY, minute=4, delay=0),
            unit=CARRIES,
        )  # fmt: skip
        world = protocol.world(load * SERVICE.capacity_rps, service=SERVICE, startup_seconds=START_SECONDS)
        return cls(world=world, outlook=outlook)

    def with_floor(self, *, budget: float) -> Record:
        """An HPA at 77 % beneath the price."""
        engine = replay.engine()
        plan = plans.priced(self.outlook, capacity=CARRIES, terms=Terms.of(None, budget), by=engine.price)
        return replay.replay(self.world, peers.hpa_cpu(TARGETS["floor"] / 100), plan)

    def alone(self) -> Record:
        """An HPA at 60 %."""
        return replay.replay(self.world, peers.hpa_cpu(TARGETS["hpa"] / 100), plans.no_plan())

    def at_peaks(self, record: Record, *, ticks: int) -> tuple[float, float]:
        """Violated minutes and replica-hours of the later half's days, around the peak of each as in a stretch."""
        load = self.world.load_rps / SERVICE.capacity_rps
        days = len(load) // DAY
        first, shown = len(load) - days * DAY, np.zeros(len(load), dtype=bool)
        for begin in range(first + max(days // 2, days - DAYS // 2) * DAY, len(load), DAY):
            end = peak_end(load[begin : begin + DAY]) + begin
            shown[max(end - ticks, 0) : end] = True
        hours = TICK / timedelta(hours=1)
        violated = (load > record.ready * CARRIES)[shown].sum()
        return float(violated) * hours * 60, float(record.desired[shown].sum()) * hours


def level(of: Curve, *, lead: timedelta, budget: float) -> float:
    """The caution with which it comes to its stretch."""
    return float(Before.of(of, lead=lead).with_floor(budget=budget).level[-1])


def main(data: Path, *, ticks: int = 600, lead: timedelta = timedelta(seconds=165)) -> None:
    """Sums over all curves, the HPA alone first."""
    days = [Before.of(one, lead=lead) for one in curves(data, ticks=ticks)]
    runs = {"HPA 60 %": [one.at_peaks(one.alone(), ticks=ticks) for one in days]}
    for budget in BUDGETS:
        runs[f"{budget:.2%}"] = [one.at_peaks(one.with_floor(budget=budget), ticks=ticks) for one in days]
    for name, found in runs.items():
        minutes, hours = np.sum(found, axis=0)
        print(f"{name}: {minutes:.2f} violated minutes, {hours:.0f} replica-hours")


def last_decisions(levels: Mapping[str, float], *, namespace: str, trigger: str, at: datetime) -> list[Decision]:
    """As the rules of this namespace left them, each with nothing but its level."""
    return [_decision(name, namespace, trigger, found, at - TICK) for name, found in levels.items()]


def _decision(name: str, namespace: str, trigger: str, caution: float, at: datetime) -> Decision:
    proposal = Proposal(
        trigger=trigger, kind="forecast", replicas=None, value=None, target=None, unit="", reason="replayed",
        as_of=None, caution=caution,
    )  # fmt: skip
    return Decision(
        id=str(uuid.uuid4()), rule=f"{namespace}/{name}",
        target=WorkloadRef(kind="Deployment", namespace=namespace, name=name), mode=Mode.ENFORCE, at=at,
        current_replicas=None, ready_replicas=None, desired_replicas=None, reactive_replicas=None,
        forecast_replicas=None, outcome=Outcome.HOLD, reason=Reason.FORECAST_FLOOR, message="replayed",
        limited_by=(), proposals=(proposal,), trace=(),
    )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]))
