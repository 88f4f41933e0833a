"""``/prometheus/api/v1/rules`` and ``/alerts``, in the words of Prometheus 3."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response

from alerts.evaluation.active import ActiveAlert
from alerts.evaluation.group import GroupRun, RuleRun
from alerts.rule_file.model import AlertingRule
from app.alerting.rule_files import Broken
from store.promql.answers import failure, success
from store.promql.numerals import in_json
from store.promql.printed import printed

_NEVER: Final = "0001-01-01T00:00:00Z"
_TYPES: Final = {"": ("alerting", "recording"), "alert": ("alerting",), "record": ("recording",)}
_TRUE: Final = {"1", "t", "T", "TRUE", "true", "True"}
_FALSE: Final = {"", "0", "f", "F", "FALSE", "false", "False"}

_printed = lru_cache(maxsize=16_384)(printed)


def add(
    routes: APIRouter, groups: Callable[[], Sequence[GroupRun]], broken: Callable[[], Sequence[Broken]]
) -> APIRouter:
    """Put both addresses among those of Prometheus' API."""

    @routes.get("/rules")
    def rules(
        rule_name: Annotated[list[str] | None, Query(alias="rule_name[]")] = None,
        rule_group: Annotated[list[str] | None, Query(alias="rule_group[]")] = None,
        file: Annotated[list[str] | None, Query(alias="file[]")] = None,
        type: str = "",  # Prometheus' own name
        exclude_alerts: str = "",
    ) -> Response:
        """Every group with its rules, as far as they are asked for."""
        if type.lower() not in _TYPES:
            return failure("bad_data", f'invalid parameter "type": not supported value "{type.lower()}"', status=400)
        if exclude_alerts not in _TRUE | _FALSE:
            said = f'error converting exclude_alerts: strconv.ParseBool: parsing "{exclude_alerts}": invalid syntax'
            return failure("bad_data", f'invalid parameter "exclude_alerts": {said}', status=400)
        chosen = [
            view
            for group in _all(groups(), broken(), with_alerts=exclude_alerts in _FALSE)
            if (not rule_group or group["name"] in rule_group) and (not file or group["file"] in file)
            for view in [_only(group, _TYPES[type.lower()], rule_name)]
            if view["rules"]
        ]
        return success({"groups": chosen})

    @routes.get("/alerts")
    def alerts() -> Response:
        """Every alert that is pending or firing."""
        active = (alert for group in groups() for run in group.alerting() for alert in _alerts(run))
        return success({"alerts": list(active)})

    return routes


def _only(group: dict[str, Any], types: Sequence[str], names: Sequence[str] | None) -> dict[str, Any]:
    rules = [rule for rule in group["rules"] if rule["type"] in types and (not names or rule["name"] in names)]
    return {**group, "rules": rules}


def _all(groups: Sequence[GroupRun], broken: Sequence[Broken], *, with_alerts: bool) -> list[dict[str, Any]]:
    """The groups in order of file, with rules that do not run as rules that fail."""
    views = [_group(group, with_alerts=with_alerts) for group in groups]
    known = {(view["file"], view["name"]): view for view in views}
    for one in broken:
        key = (one.file, one.group)
        if key not in known:
            known[key] = _head(one.group, one.file)
            views.append(known[key])
        known[key]["rules"].append(_broken(one))
    return sorted(views, key=lambda view: str(view["file"]))


def _head(name: str, file: str) -> dict[str, Any]:
    return {
        "name": name, "file": file, "rules": list[Any](), "interval": 0, "limit": 0, "evaluationTime": 0,
        "lastEvaluation": _NEVER,
    }  # fmt: skip


def _group(group: GroupRun, *, with_alerts: bool) -> dict[str, Any]:
    return {
        **_head(group.group.name, group.file),
        "rules": [_rule(run, with_alerts=with_alerts) for run in group.rules],
        "interval": _seconds(group.interval),
        "limit": group.group.limit,
        "evaluationTime": group.seconds,
        "lastEvaluation": _time(group.evaluated_at),
    }


def _rule(run: RuleRun, *, with_alerts: bool) -> dict[str, Any]:
    rule = run.rule
    went = {
        "health": run.health, **({"lastError": run.error} if run.error else {}), "evaluationTime": run.seconds,
        "lastEvaluation": _time(run.evaluated_at),
    }  # fmt: skip
    said = {"name": rule.name, "query": _printed(rule.expr)}
    if not isinstance(rule, AlertingRule) or run.alerting is None:
        return {**said, "labels": dict(rule.labels), **went, "type": "recording"}
    return {
        "state": str(run.alerting.state) if run.evaluated_at is not None else "unknown",
        **said,
        "duration": _seconds(rule.for_),
        "keepFiringFor": _seconds(rule.keep_firing_for),
        "labels": dict(rule.labels),
        "annotations": dict(rule.annotations),
        "alerts": _alerts(run) if with_alerts else [],
        **went,
        "type": "alerting",
    }


def _broken(one: Broken) -> dict[str, Any]:
    common = {
        "name": one.name, "query": one.expr, "labels": {}, "health": "err", "lastError": one.error,
        "evaluationTime": 0, "lastEvaluation": _NEVER,
    }  # fmt: skip
    if one.records:
        return {**common, "type": "recording"}
    alerting = {"state": "unknown", "duration": 0, "keepFiringFor": 0, "annotations": {}, "alerts": []}
    return {**common, **alerting, "type": "alerting"}


def _alerts(run: RuleRun) -> list[dict[str, Any]]:
    return [] if run.alerting is None else [_alert(one) for one in run.alerting.current()]


def _alert(alert: ActiveAlert) -> dict[str, Any]:
    kept = {} if alert.keep_firing_since is None else {"keepFiringSince": _time(alert.keep_firing_since)}
    return {
        "labels": dict(alert.labels), "annotations": dict(alert.annotations), "state": str(alert.state),
        "activeAt": _time(alert.active_at), **kept, "value": _float(alert.value),
    }  # fmt: skip


def _float(value: float) -> str:
    """Go's ``strconv.FormatFloat(value, 'e', -1, 64)``: the shortest digits that read back, one before the point."""
    if value != value or value in (float("inf"), float("-inf")):
        return in_json(value)
    digits = min((f"{value:.{places}e}" for places in range(17) if float(f"{value:.{places}e}") == value), key=len)
    return digits


def _seconds(duration: timedelta) -> float:
    seconds = duration.total_seconds()
    return int(seconds) if seconds.is_integer() else seconds


def _time(at: datetime | None) -> str:
    """RFC 3339 as Go writes it: no zeros at the end of the fraction."""
    if at is None:
        return _NEVER
    whole = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{at.microsecond:06d}".rstrip("0")
    return f"{whole}.{fraction}Z" if fraction else f"{whole}Z"
