"""A small shop for these tests: rules, decisions, a forecast, series."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

from domain.clock import to_ms
from domain.forecasts import Backtest, Forecast, HorizonAccuracy, Quality
from domain.labels import METRIC_NAME, Labels
from domain.money import Money
from domain.scaling import Decision, Mode, Outcome, Proposal, Reason, TraceLine, WorkloadRef
from domain.series import Series
from rules import RuleSet, load_paths
from store.promql import check

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SHOP = WorkloadRef(kind="Deployment", namespace="demo", name="shop")
RULE = """
apiVersion: foretide.dev/v1alpha1
kind: ScalingRule
metadata: {name: NAME, namespace: NAMESPACE}
spec:
  target: {kind: Deployment, name: NAME}
  replicas: {min: 2, max: 8}
  triggers:
  - {name: rps, query: 'sum(rate(http_requests_total[1m]))', perReplica: 10}
  - name: soon
    forecast: {of: rps, season: 1d, horizon: 1h, step: 5m}
"""
BUDGET = """
apiVersion: foretide.dev/v1alpha1
kind: Budget
metadata: {name: shop, namespace: demo}
spec:
  limit: {amount: 10, currency: USD, per: day}
  scope: {namespace: demo}
"""


def rule_text(name: str = "shop", namespace: str = "demo") -> str:
    return RULE.replace("NAMESPACE", namespace).replace("NAME", name)


def rule_set(folder: Path, *documents: str) -> RuleSet:
    path = folder / "rules.yaml"
    path.write_text("---".join(documents or (rule_text(), BUDGET)))
    return load_paths([path], check_query=check)


def decision(number: int, *, at: datetime = NOW, **changes: Any) -> Decision:
    values: dict[str, Any] = {
        "id": str(UUID(int=number)),
        "rule": "demo/shop",
        "target": SHOP,
        "mode": Mode.OBSERVE,
        "at": at,
        "current_replicas": 2,
        "ready_replicas": 2,
        "desired_replicas": 3,
        "reactive_replicas": 3,
        "forecast_replicas": None,
        "outcome": Outcome.SCALE_UP,
        "reason": Reason.DESIRED_WITHIN_RANGE,
        "message": "rps 22/s ÷ 10/s per replica → 3",
        "limited_by": (),
        "proposals": (
            Proposal(
                trigger="rps", kind="query", replicas=3, value=22.0, target=10.0, unit="/s", reason="22 ÷ 10", as_of=at
            ),
        ),
        "trace": (TraceLine(stage="triggers", replicas=3, message="rps asks for 3"),),
        "cost_per_hour": Money(amount=Decimal("0.30"), currency="USD"),
        "cost_change_per_hour": Money(amount=Decimal("0.10"), currency="USD"),
    }
    return Decision(**(values | changes))


def hold(number: int, *, at: datetime = NOW, **changes: Any) -> Decision:
    values = {"current_replicas": 3, "ready_replicas": 3, "outcome": Outcome.HOLD}
    return decision(number, at=at, **(values | changes))


def forecast(*, made_at: datetime = NOW, signal: str = "demo/shop/soon", generated: bool = False) -> Forecast:
    levels = (0.05, 0.25, 0.5, 0.75, 0.9, 0.95)
    mean = np.linspace(20.0, 40.0, 12)
    return Forecast(
        signal=signal,
        model="fourier_ar",
        made_at=made_at,
        cutoff=made_at,
        step=timedelta(minutes=5),
        season=timedelta(days=1),
        mean=mean,
        quantiles=levels,
        values=np.stack([mean * (0.5 + level) for level in levels], axis=1),
        reference=None,
        backtest=Backtest(
            wape=0.1,
            coverage={0.5: 0.48},
            origins=5,
            wape_by_model={"fourier_ar": 0.1},
            by_horizon=(
                HorizonAccuracy(
                    until=timedelta(minutes=15),
                    wape=0.08,
                    mase=None,
                    pinball=0.5,
                    coverage_95=0.94,
                    skill_vs_naive=0.3,
                    skill_vs_seasonal_naive=0.2,
                ),
            ),
        ),
        history_start=made_at - timedelta(days=21),
        generated=generated,
        fitted_at=made_at - timedelta(hours=5),
        model_version="1",
        quality=Quality(history_steps=6048, missing_ratio=0.02, cold_start=False),
    )


def rising(name: str, *, per_second: float, end: datetime = NOW, minutes: int = 70, **labels: str) -> Series:
    """A counter that rises evenly, a sample each 15 s, the last one at ``end``."""
    steps = minutes * 4
    times = to_ms(end) - 15_000 * np.arange(steps, -1, -1, dtype=np.int64)
    return Series(
        labels=Labels.of({METRIC_NAME: name, **labels}),
        timestamps_ms=times,
        values=per_second * 15.0 * np.arange(steps + 1, dtype=np.float64),
    )


def flat(name: str, values: Sequence[float], *, end: datetime = NOW, **labels: str) -> Series:
    """A gauge, a sample each 15 s, the last one at ``end``."""
    times = to_ms(end) - 15_000 * np.arange(len(values) - 1, -1, -1, dtype=np.int64)
    return Series(labels=Labels.of({METRIC_NAME: name, **labels}), timestamps_ms=times, values=np.array(values))
