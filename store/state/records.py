"""Between the domain types and what the tables hold: plain JSON, Decimal and instants as text."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from domain.forecasts import Backtest, Combination, Dependence, Forecast, HorizonAccuracy, Quality
from domain.money import Money
from domain.scaling import Action, ActionResult, Decision, Mode, Outcome, Proposal, Reason, TraceLine, WorkloadRef
from store.state.tables import ActionRow, DecisionRow, ForecastRow

_ACCURACY_FIELDS = ("wape", "mase", "pinball", "coverage_95", "skill_vs_naive", "skill_vs_seasonal_naive")
_PROPOSAL_FIELDS = (
    "trigger", "kind", "replicas", "value", "target", "unit", "reason", "missing", "incomplete", "completeness",
    "active", "invalid", "caution",
)  # fmt: skip


def decision_row(decision: Decision) -> DecisionRow:
    """The row of a decision."""
    cost, change = decision.cost_per_hour, decision.cost_change_per_hour
    return DecisionRow(
        id=decision.id,
        at=decision.at,
        rule=decision.rule,
        target_kind=decision.target.kind,
        target_namespace=decision.target.namespace,
        target_name=decision.target.name,
        mode=decision.mode.value,
        current_replicas=decision.current_replicas,
        ready_replicas=decision.ready_replicas,
        desired_replicas=decision.desired_replicas,
        outcome=decision.outcome.value,
        reason=decision.reason.value,
        message=decision.message,
        cost_per_hour=None if cost is None else str(cost.amount),
        currency=None if cost is None else cost.currency,
        detail={
            "reactive_replicas": decision.reactive_replicas,
            "forecast_replicas": decision.forecast_replicas,
            "hpa_only_replicas": decision.hpa_only_replicas,
            "with_forecast_replicas": decision.with_forecast_replicas,
            "lower_bound": decision.lower_bound,
            "upper_bound": decision.upper_bound,
            "limited_by": list(decision.limited_by),
            "proposals": [_proposal_json(proposal) for proposal in decision.proposals],
            "trace": [[line.stage, line.replicas, line.message] for line in decision.trace],
            "cost_change": None if change is None else str(change.amount),
        },
    )


def decision_of(row: DecisionRow) -> Decision:
    """The decision of a row."""
    detail = row.detail
    return Decision(
        id=row.id,
        rule=row.rule,
        target=WorkloadRef(kind=row.target_kind, namespace=row.target_namespace, name=row.target_name),
        mode=Mode(row.mode),
        at=row.at,
        current_replicas=row.current_replicas,
        ready_replicas=row.ready_replicas,
        desired_replicas=row.desired_replicas,
        reactive_replicas=detail["reactive_replicas"],
        forecast_replicas=detail["forecast_replicas"],
        outcome=Outcome(row.outcome),
        reason=Reason(row.reason),
        message=row.message,
        limited_by=tuple(detail["limited_by"]),
        proposals=tuple(_proposal_of(item) for item in detail["proposals"]),
        trace=tuple(TraceLine(stage=stage, replicas=count, message=words) for stage, count, words in detail["trace"]),
        cost_per_hour=_money(row.cost_per_hour, row.currency),
        cost_change_per_hour=_money(detail["cost_change"], row.currency),
        hpa_only_replicas=detail.get("hpa_only_replicas"),  # older rows have neither
        with_forecast_replicas=detail.get("with_forecast_replicas"),
        lower_bound=detail.get("lower_bound"),
        upper_bound=detail.get("upper_bound"),
    )


def action_row(action: Action) -> ActionRow:
    """The row of an action."""
    return ActionRow(
        id=action.id,
        decision_id=action.decision_id,
        at=action.at,
        actor=action.actor,
        cluster=action.cluster,
        target=str(action.target),
        from_replicas=action.from_replicas,
        to_replicas=action.to_replicas,
        result=action.result.value,
        error=action.error,
    )


def action_of(row: ActionRow) -> Action:
    """The action of a row."""
    kind, _, name = row.target.partition(" ")
    namespace, _, name = name.partition("/")
    return Action(
        id=row.id,
        decision_id=row.decision_id,
        at=row.at,
        actor=row.actor,
        cluster=row.cluster,
        target=WorkloadRef(kind=kind, namespace=namespace, name=name),
        from_replicas=row.from_replicas,
        to_replicas=row.to_replicas,
        result=ActionResult(row.result),
        error=row.error,
    )


def forecast_row(forecast: Forecast) -> ForecastRow:
    """The row of a forecast."""
    backtest = forecast.backtest
    return ForecastRow(
        signal=forecast.signal,
        made_at=forecast.made_at,
        cutoff=forecast.cutoff,
        model=forecast.model,
        backtest_wape=None if backtest is None else float(backtest.wape),
        body={
            "step_seconds": forecast.step.total_seconds(),
            "season_seconds": None if forecast.season is None else forecast.season.total_seconds(),
            "mean": forecast.mean.tolist(),
            "quantiles": list(forecast.quantiles),
            "values": forecast.values.tolist(),
            "reference": None if forecast.reference is None else forecast.reference.tolist(),
            "backtest": None if backtest is None else _backtest_json(backtest),
            "history_start": forecast.history_start.isoformat(),
            "fallback_reason": forecast.fallback_reason,
            "generated": forecast.generated,
            "labels": dict(forecast.labels),
            "unit": forecast.unit,
            "events": list(forecast.events),
            "fitted_at": None if forecast.fitted_at is None else forecast.fitted_at.isoformat(),
            "model_version": forecast.model_version,
            "quality": None if forecast.quality is None else _quality_json(forecast.quality),
            "combination": [
                {"until_seconds": one.until_seconds, "members": list(one.members), "weights": dict(one.weights)}
                for one in forecast.combination
            ],
            "dependence": _dependence_json(forecast.dependence),
            "served_wapes": [[over.total_seconds(), wape] for over, wape in forecast.served_wapes.items()],
        },
    )


def forecast_of(row: ForecastRow) -> Forecast:
    """The forecast of a row."""
    body = row.body
    season, reference = body["season_seconds"], body["reference"]
    return Forecast(
        signal=row.signal,
        model=row.model,
        made_at=row.made_at,
        cutoff=row.cutoff,
        step=timedelta(seconds=body["step_seconds"]),
        season=None if season is None else timedelta(seconds=season),
        mean=np.asarray(body["mean"], dtype=np.float64),
        quantiles=tuple(body["quantiles"]),
        values=np.asarray(body["values"], dtype=np.float64).reshape(len(body["mean"]), len(body["quantiles"])),
        reference=None if reference is None else np.asarray(reference, dtype=np.float64),
        backtest=None if body["backtest"] is None else _backtest_of(body["backtest"]),
        history_start=datetime.fromisoformat(body["history_start"]),
        fallback_reason=body["fallback_reason"],
        generated=body["generated"],
        labels=body.get("labels", {}),  # rows of before there were documents have none
        unit=body.get("unit", ""),
        events=tuple(body.get("events", ())),
        **_told_since(body),
    )


def _told_since(body: dict[str, Any]) -> dict[str, Any]:
    """Fields that rows of before they were told do not have."""
    fitted_at, quality = body.get("fitted_at"), body.get("quality")
    return {
        "fitted_at": None if fitted_at is None else datetime.fromisoformat(fitted_at),
        "model_version": body.get("model_version", ""),
        "quality": None if quality is None else _quality_of(quality),
        "combination": tuple(
            Combination(
                until=timedelta(seconds=one["until_seconds"]), members=tuple(one["members"]), weights=one["weights"]
            )
            for one in body.get("combination", ())
        ),
        "dependence": _dependence_of(body.get("dependence")),
        "served_wapes": {timedelta(seconds=over): wape for over, wape in body.get("served_wapes", ())},
    }


def _quality_json(quality: Quality) -> dict[str, Any]:
    return {
        "history_steps": quality.history_steps, "missing_ratio": quality.missing_ratio,
        "cold_start": quality.cold_start,
        "level_shift": None if quality.level_shift is None else quality.level_shift.isoformat(),
    }  # fmt: skip


def _quality_of(item: dict[str, Any]) -> Quality:
    shift = item["level_shift"]
    return Quality(**{**item, "level_shift": None if shift is None else datetime.fromisoformat(shift)})


def _dependence_json(dependence: Dependence | None) -> list[float] | None:
    return None if dependence is None else [float(dependence.lasting), float(dependence.echo)]


def _dependence_of(item: list[float] | None) -> Dependence | None:
    return None if item is None else Dependence(lasting=item[0], echo=item[1])


def _proposal_json(proposal: Proposal) -> dict[str, Any]:
    as_of = None if proposal.as_of is None else proposal.as_of.isoformat()
    return {name: getattr(proposal, name) for name in _PROPOSAL_FIELDS} | {"as_of": as_of}


def _proposal_of(item: dict[str, Any]) -> Proposal:
    as_of = item["as_of"]
    return Proposal(**{**item, "as_of": None if as_of is None else datetime.fromisoformat(as_of)})


def _backtest_json(backtest: Backtest) -> dict[str, Any]:
    return {
        "wape": float(backtest.wape),
        "coverage": [[level, float(share)] for level, share in backtest.coverage.items()],
        "origins": backtest.origins,
        "wape_by_model": {model: float(error) for model, error in backtest.wape_by_model.items()},
        "by_horizon": [_accuracy_json(one) for one in backtest.by_horizon],
        "sum_coverage": [[level, float(share)] for level, share in backtest.sum_coverage.items()],
        "sum_steps": backtest.sum_steps,
    }


def _accuracy_json(one: HorizonAccuracy) -> dict[str, float | None]:
    return {"until_seconds": one.until_seconds, **{name: getattr(one, name) for name in _ACCURACY_FIELDS}}


def _backtest_of(item: dict[str, Any]) -> Backtest:
    rows = item.get("by_horizon", ())  # rows of before it was counted have none
    by_horizon = tuple(
        HorizonAccuracy(until=timedelta(seconds=row["until_seconds"]), **{name: row[name] for name in _ACCURACY_FIELDS})
        for row in rows
    )
    coverage = {level: share for level, share in item["coverage"]}
    sums = {level: share for level, share in item.get("sum_coverage", ())}
    return Backtest(**{**item, "coverage": coverage, "by_horizon": by_horizon, "sum_coverage": sums})


def _money(amount: str | None, currency: str | None) -> Money | None:
    return None if amount is None or currency is None else Money(amount=Decimal(amount), currency=currency)
