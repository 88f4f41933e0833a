"""The deed: what a decision of an enforced rule asks for, done to the cluster; a target that refuses is left alone.

``scale`` acts where the number of replicas shall change. ``bounds`` is looked at on every pass: the autoscaler may be
on its way to bounds that were decided long ago, and what we wrote there has to be renewed before it expires. ``hpa`` is
``bounds`` on an HPA of our own.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import uuid4

from controller import own_hpa
from controller.actuation.limits import Limits
from controller.actuation.rollback import Watch
from controller.cluster import BoundsOrder, Cluster
from controller.metrics import ControllerMetrics
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
        elif self._claimed[_autoscaler(rule)] > 1:
            kind, namespace, name = _autoscaler(rule)
            why = f"two rules set the bounds of {kind} {namespace}/{name}, so nothing is done"
        if not why:
            return decision
        return replace(
            decision, outcome=Outcome.HOLD, desired_replicas=decision.current_replicas, reason=Reason.INACTIVE,
            message=f"{why}; decided was {decision.desired_replicas}: {decision.message}",
        )  # fmt: skip

    def act(self, rule: ScalingRule, decision: Decision, *, now: datetime) -> Deed:
        """Does it; nothing where there is nothing to do, or the target is left alone for a while."""
        if not self.acts(rule) or self._claimed[_autoscaler(rule)] > 1:
            return _NOTHING
        if rule.spec.actuate.with_ == "scale" or _wakes_or_sleeps(rule, decision):
            return self._replicas(rule, decision, now)
        return self._bounds(rule, decision, now)

    def keep(self, rules: Sequence[ScalingRule]) -> None:
        """These are all rules of the pass; what is remembered of others is forgotten."""
        self._throttles.keep({rule.target for rule in rules})
        self._claimed = Counter(_autoscaler(rule) for rule in rules if self.acts(rule) and _autoscaler(rule)[2])
        keys = {rule.key for rule in rules}
        self._refusals = {key: why for key, why in self._refusals.items() if key in keys}
        self._watches = {key: watch for key, watch in self._watches.items() if key in keys}

    def begin(self, decided: Iterable[tuple[ScalingRule, Decision, Burn | None]], *, now: datetime) -> None:
        """The beginning of the deeds: which SLOs burn, and all bounds that will be asked for."""
        orders = []
        for rule, decision, burn in decided:
            self._watches[rule.key] = self._watch(rule).seen(_burns(rule, burn), now)
            if rule.spec.actuate.with_ in ("bounds", "hpa"):
                orders.append(_order(rule, decision, self._watch(rule)))
        self._cluster.begin([one for one in orders if one is not None], now)

    def settle(self, acting: Collection[str], *, now: datetime) -> None:
        """The end of a pass: what rules that act no more left behind returns."""
        self._cluster.settle(acting, now)

    def _replicas(self, rule: ScalingRule, decision: Decision, now: datetime) -> Deed:
        wanted, because = _replicas_of(rule, decision, self._watch(rule))
        ref, current = rule.target, decision.current_replicas or 0
        if wanted is None:
            return _NOTHING
        if why := self._throttles.closed(ref, now=now):
            return Deed(said=why)
        try:
            error = self._scaled(rule, wanted, now)
        except RefusedError as refused:
            self._refused(rule, str(refused), decision)
            return Deed(said=f"{REFUSED}: {refused}")
        self._refused(rule, "", decision)
        before, after = (Limits(low=count, high=count) for count in (current, wanted))
        if not error:
            self._watches[rule.key] = self._watch(rule).changed(before, after, now)
        return Deed(action=self._action(decision, before, wanted, error, now), said=because)

    def _bounds(self, rule: ScalingRule, decision: Decision, now: datetime) -> Deed:
        order = _order(rule, decision, self._watch(rule))
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

    def _scaled(self, rule: ScalingRule, replicas: int, now: datetime) -> str:
        """The error as a sentence, or nothing; raises what was refused before anything was tried."""
        ref = rule.target
        try:
            self._cluster.scale(ref, replicas)
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


def _autoscaler(rule: ScalingRule) -> tuple[str, str, str]:
    """Kind, namespace and name of what ``bounds`` or ``hpa`` sets; the name is empty where the rule sets none."""
    actuate, namespace = rule.spec.actuate, rule.metadata.namespace
    if actuate.scaled_object is not None:
        return "ScaledObject", namespace, actuate.scaled_object
    sets = actuate.with_ in ("bounds", "hpa")
    return "HorizontalPodAutoscaler", namespace, own_hpa.name_of(rule) if sets else ""


def _wakes_or_sleeps(rule: ScalingRule, decision: Decision) -> bool:
    """Whether an HPA of ours is to be at rest, or no more: to 0 and back the workload itself is scaled."""
    between = 0 in (decision.current_replicas, decision.desired_replicas)
    return rule.spec.actuate.with_ == "hpa" and rule.spec.replicas.min == 0 and between


def _order(rule: ScalingRule, decision: Decision, watch: Watch) -> BoundsOrder | None:
    """What the decision wants of the autoscaler, and what came back; None where neither is anything."""
    decided = decision.lower_bound is not None and decision.upper_bound is not None
    limits = Limits(low=decision.lower_bound or 0, high=decision.upper_bound or 0) if decided else watch.back
    if limits is None:
        return None
    kind, _, name = _autoscaler(rule)
    raised = limits if decision.reason is Reason.PAUSED else watch.raised(limits, most=rule.spec.replicas.max)
    return BoundsOrder(
        rule=rule.key, target=rule.target, kind=kind, name=name, reason=decision.reason.value, limits=raised,
        because=watch.why if watch.back is not None and (not decided or raised != limits) else "",
        own=own_hpa.of(rule) if rule.spec.actuate.with_ == "hpa" else None, median_need=decision.median_need,
    )  # fmt: skip


def _replicas_of(rule: ScalingRule, decision: Decision, watch: Watch) -> tuple[int | None, str]:
    """How many replicas are to be asked for, and why it is more than decided; None: nothing is."""
    current, wanted = decision.current_replicas, decision.desired_replicas
    decided = None if decision.outcome is Outcome.HOLD else wanted
    if watch.back is None or current is None or decision.reason is Reason.PAUSED:
        return decided, ""
    back = min(watch.back.low, rule.spec.replicas.max)
    if (current if decided is None else decided) >= back:
        return decided, ""
    return (back if back != current else None), watch.why


def _burns(rule: ScalingRule, burn: Burn | None) -> str:
    """What a fast burning SLO says; empty where it does not burn so, or its guard lets replicas go all the same."""
    guard = rule.spec.guard
    if burn is None or not burn.fast or (guard is not None and not guard.when_burning.block_scale_down):
        return ""
    return burn.said


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
