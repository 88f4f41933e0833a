"""Room on nodes for what the forecasts need at the time a node takes: asked for beside the way a rule acts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from controller.acting import Deed
from controller.actuation.buffer import BufferOrder
from controller.case import Case
from controller.triggers.forecasts import from_forecast
from domain.scaling import Reason
from rules.schema import ForecastTrigger, Trigger

KeepBuffers = Callable[[Sequence[BufferOrder], Collection[str], datetime], Mapping[str, str]]
"""Given what is ordered and the rules whose buffers stay: by rule, what was done, in a sentence."""

NONE_HERE: Final = "NoCapacityBuffers"
"""How the sentence begins where there is no such API."""

log = logging.getLogger(__name__)


def nowhere(orders: Sequence[BufferOrder], staying: Collection[str], now: datetime) -> Mapping[str, str]:
    """For every cluster but Kubernetes."""
    return {order.rule: f"{NONE_HERE}: they are there with cluster kubernetes only" for order in orders}


def kept(
    cases: Sequence[Case], *, may_act: Callable[[Case], bool], settles: Callable[[Case], bool], keep: KeepBuffers,
    now: datetime,
) -> list[Case]:  # fmt: skip
    """The pass's buffers, done; whatever is wrong with one, its rule goes on, and its decision's trace says so."""
    having = [case for case in cases if case.rule.spec.actuate.buffer is not None]
    orders = [_order(case, now) for case in having if may_act(case)]
    try:
        said = keep(orders, {case.rule.key for case in having if settles(case)}, now)
    except Exception as error:  # the pass has decided already: its rules go on without their buffers, and say so
        log.exception("capacity buffers failed")
        said = {order.rule: f"not looked at, by a mistake of ours: {error!r}" for order in orders}
    return [_told(case, said.get(case.rule.key, "")) for case in cases]


def _told(case: Case, said: str) -> Case:
    return case if not said or case.decision is None else replace(case, decision=Deed(said=said).told(case.decision))


def _order(case: Case, now: datetime) -> BufferOrder:
    rule, decision = case.rule, case.decision
    need, why = _need(case, now)
    current = None if decision is None else decision.current_replicas
    desired = None if decision is None else decision.desired_replicas
    floor = None if decision is None else decision.lower_bound
    beside = None if current is None else max(current, desired or 0, floor or 0)
    buffer = rule.spec.actuate.buffer
    return BufferOrder(
        rule=rule.key, target=rule.target, need=need, why=why, beside=beside, most=0 if buffer is None else buffer.max,
        reason="" if decision is None else decision.reason.value,
    )  # fmt: skip


def _need(case: Case, now: datetime) -> tuple[int | None, str]:
    """The largest need of the rule's forecasts; None where one of them has no say: it may be the one that counts."""
    if case.failure or case.decision is None or case.decision.reason is Reason.PAUSED:
        return None, case.failure or "the rule is paused"
    wants = [_want(case, trigger, trigger.forecast, now) for trigger in case.rule.spec.triggers if trigger.forecast]
    known = [one for one in wants if one is not None]
    silent = [why for asked, why in known if asked is None]
    if silent or not known:
        return None, silent[0] if silent else "no forecast of a quantile"
    need, why = max((asked or 0, why) for asked, why in known)
    return min(need, case.rule.spec.replicas.max), why


def _want(case: Case, trigger: Trigger, wanted: ForecastTrigger, now: datetime) -> tuple[int | None, str] | None:
    """What the trigger would ask for with the buffer's lead and quantile; None of a price, which has no quantile."""
    buffer = case.rule.spec.actuate.buffer
    if buffer is None or wanted.price is not None:
        return None
    ahead = wanted.model_copy(update={"lead": buffer.lead, "quantile": buffer.quantile})
    want = from_forecast(
        case.rule, trigger, ahead, (case.forecasts or {}).get(trigger.name), case.workload, now
    )  # fmt: skip
    return want.asked, want.proposal.reason
