"""What a threshold's standing is in JSON, and back: money as text, instants with their offset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from controller.budgets.alerts import Alert, AlertState
from controller.budgets.deeds import Approval, Change, Deed, DeedState

_TIMES = (
    "at", "since", "clearing_since", "proposed_at", "waiting_since", "acted_at", "expires_at", "awake_until",
)  # fmt: skip
_MONEY = ("told", "promised", "realised", "realised_low", "realised_high")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One threshold of one budget: where it stands, and its deeds by the action's name."""

    budget: str
    threshold: str
    alert: Alert | None = None
    deeds: Mapping[str, Deed] = field(default_factory=dict)


def to_json(standing: Standing) -> dict[str, Any]:
    """All but the names."""
    alert = None if standing.alert is None else _plain(asdict(standing.alert))
    return {"alert": alert, "deeds": {name: _plain(asdict(deed)) for name, deed in standing.deeds.items()}}


def from_json(budget: str, threshold: str, body: Mapping[str, Any]) -> Standing:
    """The same as was kept."""
    alert = body.get("alert")
    return Standing(
        budget=budget, threshold=threshold, alert=None if alert is None else _alert(alert),
        deeds={name: _deed(one) for name, one in body.get("deeds", {}).items()},
    )  # fmt: skip


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value


def _typed(body: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(body)
    for name in found.keys() & set(_TIMES):
        found[name] = None if found[name] is None else datetime.fromisoformat(found[name])
    for name in found.keys() & set(_MONEY):
        found[name] = None if found[name] is None else Decimal(found[name])
    return found


def _alert(body: Mapping[str, Any]) -> Alert:
    found = _typed(body)
    return Alert(**{**found, "state": AlertState(found["state"])})


def _deed(body: Mapping[str, Any]) -> Deed:
    found = _typed(body)
    approval = found["approval"]
    found |= {
        "state": DeedState(found["state"]), "changes": tuple(Change(**one) for one in found["changes"]),
        "approval": None if approval is None else Approval(**_typed(approval)),
        "yeses": tuple(Approval(**_typed(one)) for one in found.get("yeses", ())),
        "expected": tuple((mean, low, high) for mean, low, high in found["expected"]),
    }  # fmt: skip
    return Deed(**found)
