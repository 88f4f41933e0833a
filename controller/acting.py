"""The deed: what a decision of an enforced rule asks for, done to the cluster; a target that refuses is left alone.

``scale`` acts where the number of replicas shall change. ``bounds`` is looked at on every pass: the autoscaler may be
on its way to bounds that were decided long ago, and what we wrote there has to be renewed before it expires. ``hpa`` is
``bounds`` on an HPA of our own.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import uuid4

from controller.actuation.limits import Limits
from controller.actuation.rollback import Watch
from controller.actuation.shares import Granted
from controller.cluster import Cluster, ReplicasOrder
from controller.metrics import ControllerMetrics
from controller.orders import autoscaler_of, bounds_order, burns, order_of, replicas_order, wakes_or_sleeps, within
from controller.slo import Burn
from controller.throttle import Throttles
from domain.errors import ActuationError, ConflictError, RefusedError
from domain.scaling import Action, ActionResult, Decision, Mode, Outcome, Reason, TraceLine
from rules.schema import ScalingRule

log = logging.getLogger(__name__)

ACTOR: Final = "controller"
ACTUATE_STAGE: Final = "actuate"
REFUSED: Final = "nothing was written"
"""How the sentence of a refusal begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What was done, if anything was tried, and the sentence for the decision's trace; empty: the action says all."""

    action: Action | None = None
    said: str = ""

    def told(self, decision: Decision) -> Decision:
        """The decision with the sentence as its last line."""
        if not self.said:
            return decision
        line = TraceLine(stage=ACTUATE_STAGE, replicas=decision.desired_replicas, message=self.said)
        return replace(decision, trace=(*decision.trace, line))


_NOTHING: Final = Deed()


class Actor:
    """Scales and sets bounds; remembers which targets do not take it."""

    def __init__(self, cluster: Cluster, metrics: ControllerMetrics) -> None:
        """Act on ``cluster``."""
        self._cluster, self._metrics, self._throttles = cluster, metrics, Throttles()
        self._claimed: Counter[tuple[str, str, str]] = Counter()
        self._refusals: dict[str, str] = {}
        self._watches: dict[str, Watch] = {}
        self._room: Mapping[str, Granted] = {}

    def acts(self, rule: ScalingRule) -> bool:
        """Whether the rule's decisions are carried out, if its gate is open."""
        wanted = rule.spec.actuate.with_
        return rule.spec.mode is Mode.ENFORCE and wanted != "none" and wanted in self._cluster.actuations

    def possible(self, rule: ScalingRule, decision: Decision) -> Decision:
        """Held, with the reason, where the cluster cannot do what the rule would have it do, or two rules would."""
        wanted = rule.spec.actuate.with_
        if rule.spec.mode is not Mode.ENFORCE or wanted == "none":
            return decision
        why = ""
        if wanted not in self._cluster.actuations:
            why = f"cluster {self._cluster.name} cannot do actuate {wanted}, so nothing is done"
        elif self._claimed[autoscaler_of(rule)] > 1:
            kind, namespace, name = autoscaler_of(rule)
            why = f"two rules set the bounds of {kind} {namespace}/{name}, so nothing is done"
        if not why:
            return decision
        return replace(
            decision, outcome=Outcome.HOLD, desired_replicas=decision.current_replicas, reason=Reason.INACTIVE,
            message=f"{why}; decided was {decision.desired_replicas}: {decision.message}",
        )  # fmt: skip

    def act(self, rule: ScalingRule, decision: Decision, *, now: datetime) -> Deed:
        """Does it; nothing where there is nothing to do, or the target is left alone for a while."""
        if not self.acts(rule) or self._claimed[autoscaler_of(rule)] > 1:
            return _NOTHING
        if rule.spec.actuate.with_ == "scale" or wakes_or_sleeps(rule, decision):
            return self._replicas(rule, decision, now)
        return self._bounds(rule, decision, now)

    def keep(self, rules: Sequence[ScalingRule]) -> None:
        """These are all rules of the pass; what is remembered of others is forgotten."""
        self._throttles.keep({rule.target for rule in rules})
        self._claimed = Counter(autoscaler_of(rule) for rule in rules if self.acts(rule) and autoscaler_of(rule)[2])
        keys = {rule.key for rule in rules}
        self._refusals = {key: why for key, why in self._refusals.items() if key in keys}
        self._watches = {key: watch for key, watch in self._watches.items() if key in keys}

    def begin(self, decided: Iterable[tuple[ScalingRule, Decision, Burn | None]], *, now: datetime) -> None:
        """The beginning of the deeds: which SLOs burn, and all floors and replicas that will be asked for."""
        orders = []
        for rule, decision, burn in decided:
            watch = self._watches[rule.key] = self._watch(rule).seen(burns(rule, burn), now)
            if self._claimed[autoscaler_of(rule)] <= 1:
                orders.append(order_of(rule, decision, watch))
        self._room = self._cluster.begin([one for one in orders if one is not None], now)

    def settle(self, acting: Collection[str], *, now: datetime) -> None:
        """The end of a pass: what rules that act no more left behind returns."""
        self._cluster.settle(acting, now)

    def _replicas(self, rule: ScalingRule, decision: Decision, now: datetime) -> Deed:
        order, current = replicas_order(rule, decision, self._watch(rule)), decision.current_replicas or 0
        if order is None:
            return _NOTHING
        order, less = within(order, self._room.get(rule.key), current=current)
        said = "; ".join(one for one in (order.because, less) if one)
        if order.replicas == current:
            return Deed(said=said)
        if why := self._throttles.closed(order.target, now=now):
            return Deed(said=why)
        try:
            error = self._scaled(order, now)
        except RefusedError as refused:
            self._refused(rule, str(refused), decision)
            return Deed(said=f"{REFUSED}: {refused}")
        self._refused(rule, "", decision)
        before, after = (Limits(low=count, high=count) for count in (current, order.replicas))
        if not error:
            self._watches[rule.key] = self._watch(rule).changed(before, after, now)
        return Deed(action=self._action(decision, before, order.replicas, error, now), said=said)

    def _bounds(self, rule: ScalingRule, decision: Decision, now: datetime) -> Deed:
        order = bounds_order(rule, decision, self._watch(rule))
        if order is None:
            return Deed(said="nothing was decided, so the bounds stay until they expire")
        if why := self._throttles.closed(rule.target, now=now):
            return Deed(said=why)
        try:
            done = self._cluster.set_bounds(order, now)
        except ConflictError as error:  # somebody was faster, the next pass sees what they did
            self._refused(rule, str(error), decision)
            return Deed(said=f"left to the next pass: {error}")
        except RefusedError as error:  # nothing was written: no action, and news only once
            self._refused(rule, str(error), decision)
            return Deed(said=f"{REFUSED}: {error}")
        except ActuationError as error:
            self._throttles.failed(rule.target, error, now=now)
            self._refused(rule, str(error), decision)
            return Deed(action=self._action(decision, order.limits, order.limits.low, str(error), now))
        self._throttles.succeeded(rule.target)
        self._refused(rule, "", decision)
        said = f"{done.said}; {order.because}" if order.because else done.said
        if done.before == done.after:
            return Deed(said=said)
        self._watches[rule.key] = self._watch(rule).changed(done.before, done.after, now)
        return Deed(action=self._action(decision, done.before, done.after.low, "", now), said=said)

    def _watch(self, rule: ScalingRule) -> Watch:
        return self._watches.get(rule.key, Watch())

    def _refused(self, rule: ScalingRule, why: str, decision: Decision) -> None:
        """A refusal is news when it begins, changes or ends."""
        if self._refusals.get(rule.key, "") == why:
            return
        self._refusals[rule.key] = why
        log.warning(
            "nothing was written" if why else "it can be written again", extra={**fields_of(decision), "error": why}
        )

    def _action(self, decision: Decision, before: Limits, after: int, error: str, now: datetime) -> Action:
        result = ActionResult.FAILED if error else ActionResult.DONE
        self._metrics.actions.labels(result=result.value).inc()
        if error:
            log.warning("action failed", extra={**fields_of(decision), "error": error})
        return Action(
            id=str(uuid4()), decision_id=decision.id, at=now, actor=ACTOR, cluster=self._cluster.name,
            target=decision.target, from_replicas=before.low, to_replicas=after, result=result, error=error,
        )  # fmt: skip

    def _scaled(self, order: ReplicasOrder, now: datetime) -> str:
        """The error as a sentence, or nothing; raises what was refused before anything was tried."""
        ref = order.target
        try:
            self._cluster.scale(ref, order.replicas, because=order.because)
        except RefusedError:
            raise
        except ActuationError as error:
            self._throttles.failed(ref, error, now=now)
            return str(error)
        except Exception as error:
            log.exception("scaling failed")
            return f"{type(error).__name__}: {error}"
        self._throttles.succeeded(ref)
        return ""


def fields_of(decision: Decision) -> dict[str, str | int | None]:
    """A decision in the fields of a log line."""
    return {
        "decision_id": decision.id,
        "rule": decision.rule,
        "k8s.namespace.name": decision.target.namespace,
        "outcome": decision.outcome.value,
        "reason": decision.reason.value,
        "current_replicas": decision.current_replicas,
        "desired_replicas": decision.desired_replicas,
        "decision_message": decision.message,
    }
