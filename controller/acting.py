"""The deed: what a decision of an enforced rule asks for, done to the cluster; a target that refuses is left alone."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import uuid4

from controller.cluster import Cluster
from controller.metrics import ControllerMetrics
from controller.throttle import Throttles
from domain.errors import ActuationError
from domain.scaling import Action, ActionResult, Decision, Mode, Outcome, Reason, WorkloadRef
from rules.schema import ScalingRule

log = logging.getLogger(__name__)

ACTOR: Final = "controller"


class Actor:
    """Scales; remembers which targets do not take it."""

    def __init__(self, cluster: Cluster, metrics: ControllerMetrics) -> None:
        """Act on ``cluster``."""
        self._cluster, self._metrics, self._throttles = cluster, metrics, Throttles()

    def possible(self, rule: ScalingRule, decision: Decision) -> Decision:
        """Held, with the reason, where the cluster cannot do what the rule would have it do."""
        wanted = rule.spec.actuate.with_
        if rule.spec.mode is not Mode.ENFORCE or wanted == "none" or wanted in self._cluster.actuations:
            return decision
        why = f"cluster {self._cluster.name} cannot do actuate {wanted}, so nothing is done"
        return replace(
            decision, outcome=Outcome.HOLD, desired_replicas=decision.current_replicas, reason=Reason.INACTIVE,
            message=f"{why}; decided was {decision.desired_replicas}: {decision.message}",
        )  # fmt: skip

    def act(self, rule: ScalingRule, decision: Decision, *, now: datetime) -> Action | None:
        """Does it; None where there is nothing to do, or the target is left alone for a while."""
        ref = rule.target
        if not acts(rule) or decision.outcome is Outcome.HOLD or decision.desired_replicas is None:
            return None
        if self._throttles.closed(ref, now=now):
            log.debug("target throttled", extra=fields_of(decision))
            return None
        error = self._scaled(ref, decision.desired_replicas, now)
        result = ActionResult.FAILED if error else ActionResult.DONE
        self._metrics.actions.labels(result=result.value).inc()
        if error:
            log.warning("action failed", extra={**fields_of(decision), "error": error})
        return Action(
            id=str(uuid4()), decision_id=decision.id, at=now, actor=ACTOR, cluster=self._cluster.name, target=ref,
            from_replicas=decision.current_replicas or 0, to_replicas=decision.desired_replicas, result=result,
            error=error,
        )  # fmt: skip

    def keep(self, refs: Iterable[WorkloadRef]) -> None:
        """Forget targets that no rule has."""
        self._throttles.keep(set(refs))

    def _scaled(self, ref: WorkloadRef, replicas: int, now: datetime) -> str:
        """The error as a sentence, or nothing."""
        try:
            self._cluster.scale(ref, replicas)
        except ActuationError as error:
            self._throttles.failed(ref, error, now=now)
            return str(error)
        except Exception as error:
            log.exception("scaling failed")
            return f"{type(error).__name__}: {error}"
        self._throttles.succeeded(ref)
        return ""


def acts(rule: ScalingRule) -> bool:
    """Whether the rule's decisions are carried out, if its gate is open and the cluster can."""
    return rule.spec.mode is Mode.ENFORCE and rule.spec.actuate.with_ == "scale"


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
