"""Where a Budget of the cluster stands, as its status and in events: written when a state changes, its numbers hourly.

Spend moves every minute and would be a write a minute for each budget; what somebody has to know is in the states.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from app.budget_loop import Held
from app.budget_seen import Sight
from app.budget_views import forecast_of
from app.readiness import News
from controller.budgets.deeds import DeedState
from rules.crd_status import LONGEST_MESSAGE
from rules.schema import Budget

Status = dict[str, Any]
NUMBERS_EVERY: Final = timedelta(hours=1)
"""As often as the forecast is fitted anew."""
FIELDS: Final = ("period", "spent", "limit", "currency", "forecast", "exhaustsAt", "thresholds", "actions", "countedAt")
_FIRING: Final = "Firing"
_TOLD: Final = {
    DeedState.AWAITING_APPROVAL.value: True, DeedState.HELD.value: False, DeedState.FAILED.value: True,
    DeedState.REVERTING.value: False, DeedState.EXPIRED.value: False,
}  # fmt: skip
"""States of an action that are told, and whether as a warning."""


class BudgetStatuses:
    """Makes them; ``look`` is for budgets that no tick looks at, so it is asked once an hour."""

    def __init__(
        self, budget: Callable[[str], Budget | None], held: Callable[[str], Held],
        look: Callable[[Budget, datetime], Sight],
    ) -> None:  # fmt: skip
        """Nothing is asked yet."""
        self._budget, self._held, self._look = budget, held, look

    def of(self, key: str, before: Mapping[str, Any], now: datetime) -> Status:
        """The fields of a budget; those of before where nothing newer is known."""
        budget = self._budget(key)
        kept = {name: before[name] for name in FIELDS if name in before}
        if budget is None:
            return {}
        held = self._held(key)
        seen = held.sight
        if not budget.spec.thresholds:
            seen = self._look(budget, now) if is_old(before, now) else None
        return kept if seen is None else _status(budget, seen, held, now)


def says(status: Mapping[str, Any]) -> Status:
    """What is a reason to write: states, not sentences and numbers."""
    return {
        "period": status.get("period"),
        **{name: [(one["id"], one["state"]) for one in status.get(name) or ()] for name in ("thresholds", "actions")},
    }


def is_old(status: Mapping[str, Any], now: datetime) -> bool:
    """Whether its numbers are to be brought up to date."""
    told = status.get("countedAt")
    return told is None or now - datetime.fromisoformat(told) >= NUMBERS_EVERY


def news(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[News]:
    """Thresholds that fire or have cleared, and what their actions have come to; a new period clears in silence."""
    told = []
    was = {one["id"]: one["state"] for one in before.get("thresholds") or ()}
    for one in after.get("thresholds") or ():
        message = f"threshold {one['id']}: {one.get('reason', '')}"
        if one["state"] == _FIRING and was.get(one["id"]) != _FIRING:
            told.append(News(reason="BudgetThresholdFiring", message=message, is_warning=True))
        elif one["state"] == "Ok" and was.get(one["id"]) == _FIRING and before.get("period") == after.get("period"):
            told.append(News(reason="BudgetThresholdCleared", message=message))
    stood = {one["id"]: one["state"] for one in before.get("actions") or ()}
    for one in after.get("actions") or ():
        if one["state"] in _TOLD and stood.get(one["id"]) != one["state"]:
            said = f"action {one['id']}: {one.get('reason', '')}"
            told.append(News(reason=f"BudgetAction{one['state']}", message=said, is_warning=_TOLD[one["state"]]))
    return told


def _status(budget: Budget, seen: Sight, held: Held, now: datetime) -> Status:
    forecast, known = forecast_of(seen, now), {one.threshold: one for one in held.standings}
    status: Status = {
        "period": seen.span.id, "spent": _amount(seen.status.spent.amount), "limit": _amount(seen.status.limit.amount),
        "currency": seen.status.limit.currency, "countedAt": _instant(seen.at), "thresholds": [], "actions": [],
    }  # fmt: skip
    if forecast is not None:
        status["forecast"] = {
            **{name: _amount(getattr(forecast, name).amount) for name in ("p10", "p50", "p90")},
            "probOver": round(forecast.probability_over, 3), "method": "sampled-paths",
            "fittedAt": _instant(forecast.fitted_at),
        }  # fmt: skip
        if forecast.backtest_coverage80 is not None:
            status["forecast"]["backtestCoverage80"] = round(forecast.backtest_coverage80, 3)
        dates = {"p50": forecast.exhausted_p50, "p90": forecast.exhausted_p10}
        status["exhaustsAt"] = {name: _instant(date) for name, date in dates.items() if date is not None}
    for threshold in budget.spec.thresholds:
        standing = known.get(threshold.id)
        alert = None if standing is None else standing.alert
        status["thresholds"].append(_line(threshold.id, "Ok" if alert is None else alert.state.value,
                                          "" if alert is None else alert.reason))  # fmt: skip
        for name, deed in ({} if standing is None else standing.deeds).items():
            status["actions"].append(_line(f"{threshold.id}/{name}", deed.state.value, deed.reason))
    return status


def _line(id_: str, state: str, reason: str) -> Status:
    return {"id": id_, "state": state, "reason": reason[:LONGEST_MESSAGE]}


def _amount(amount: Decimal | str) -> str:
    """Cents, of less than one unit hundredths of them: as ``foretide budget`` prints it."""
    given = Decimal(amount)
    return f"{given:.{2 if abs(given) >= 1 or not given else 4}f}"


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
