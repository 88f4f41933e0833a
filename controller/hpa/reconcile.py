"""One pass of the HPA controller over one HPA: from what the cluster says to the replicas that are set.

It is the yardstick of every comparison with plain HPA, and what the conformance cases of whole passes check.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from controller.hpa import metrics as hpa_metrics
from controller.hpa import normalize
from controller.hpa.metrics import Desired, Metric
from controller.hpa.normalize import History, HPABehavior
from controller.hpa.numbers import Settings, Tolerances
from controller.hpa.pods import Pod
from controller.hpa.replica_calculator import ReplicaCalculator

DISABLED: Final = "ScalingDisabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class HorizontalPodAutoscaler:
    """The object, with the API server's defaults."""

    min_replicas: int = 1
    max_replicas: int
    behavior: HPABehavior | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The target's scale subresource."""

    spec_replicas: int
    status_replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What one pass did.

    Attributes:
        replicas: ``spec.replicas`` afterwards.
        scaling_active: Reason of that condition: ``ValidMetricFound``, ``ScalingDisabled``, a failure, or empty.
        scaling_limited: Reason of that condition; empty where it did not come so far.
        desired: What the metrics asked for; None where they were not looked at.
    """

    replicas: int
    scaling_active: str = ""
    scaling_limited: str = ""
    desired: Desired | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """The HPA controller with its flags."""

    settings: Settings = field(default_factory=Settings)

    def reconcile(
        self, hpa: HorizontalPodAutoscaler, *, scale: Scale, metrics: Sequence[Metric], pods: Sequence[Pod],
        history: History, now: float,
    ) -> Reconciled:  # fmt: skip
        """One pass at ``now``, after which ``history`` is that of the next one."""
        current = scale.spec_replicas
        history.begin(current, now)
        if current == 0 and hpa.min_replicas != 0 and not self._comes_back(metrics, hpa, history):
            return Reconciled(replicas=0, scaling_active=DISABLED)
        if current == 0 and hpa.min_replicas == 0 and self._stays_at_zero(metrics, history):
            return Reconciled(replicas=0, scaling_active=DISABLED)
        if current > hpa.max_replicas:
            result = Reconciled(replicas=hpa.max_replicas, scaling_limited="TooManyReplicas")
        elif 0 < current < hpa.min_replicas:
            result = Reconciled(replicas=hpa.min_replicas, scaling_limited="TooFewReplicas")
        else:
            result = self._by_metrics(hpa, scale, metrics, pods, history, now)
        self._remember(hpa, current, result, metrics, history, now)
        return result

    def _by_metrics(
        self, hpa: HorizontalPodAutoscaler, scale: Scale, metrics: Sequence[Metric], pods: Sequence[Pod],
        history: History, now: float,
    ) -> Reconciled:  # fmt: skip
        current = scale.spec_replicas
        desired = hpa_metrics.desired(
            metrics, calculator=self._calculator(hpa), current=current, status_replicas=scale.status_replicas,
            pods=pods, now=now,
        )  # fmt: skip
        if desired.replicas is None:
            return Reconciled(replicas=current, scaling_active=desired.reason, desired=desired)
        replicas, limited = self._normalized(desired.replicas, hpa, current, history, now)
        return Reconciled(replicas=replicas, scaling_active=desired.reason, scaling_limited=limited, desired=desired)

    def _normalized(
        self, desired: int, hpa: HorizontalPodAutoscaler, current: int, history: History, now: float
    ) -> tuple[int, str]:
        least, most = hpa.min_replicas, hpa.max_replicas
        if hpa.behavior is None:
            return normalize.without_behavior(
                desired, current, least=least, most=most, history=history, now=now, settings=self.settings
            )
        return normalize.with_behavior(
            desired, current, least=least, most=most, behavior=hpa.behavior, history=history, now=now,
            version=self.settings.version,
        )  # fmt: skip

    def _calculator(self, hpa: HorizontalPodAutoscaler) -> ReplicaCalculator:
        flag, behavior = self.settings.tolerance, hpa.behavior
        tolerances = Tolerances(down=flag, up=flag)
        if behavior is not None and self.settings.version.tolerance_by_direction:
            up, down = behavior.scale_up.tolerance, behavior.scale_down.tolerance
            tolerances = Tolerances(down=flag if down is None else down, up=flag if up is None else up)
        return ReplicaCalculator(settings=self.settings, tolerances=tolerances)

    def _comes_back(self, metrics: Sequence[Metric], hpa: HorizontalPodAutoscaler, history: History) -> bool:
        """From a 0 of HPA's own to a ``minReplicas`` that was raised since (1.36 with the gate)."""
        return self.settings.version.scales_from_zero and history.scaled_to_zero

    def _stays_at_zero(self, metrics: Sequence[Metric], history: History) -> bool:
        """A 0 set by hand is a pause, since 1.36; before, ``minReplicas: 0`` looked at its metrics at once."""
        if not self.settings.version.scales_from_zero:
            return False
        return not (history.scaled_to_zero and any(metric.comes_from_outside for metric in metrics))

    def _remember(
        self, hpa: HorizontalPodAutoscaler, current: int, result: Reconciled, metrics: Sequence[Metric],
        history: History, now: float,
    ) -> None:  # fmt: skip
        if result.replicas == current:
            return
        outside = any(metric.comes_from_outside for metric in metrics)
        history.scaled_to_zero = result.replicas == 0 and hpa.min_replicas == 0 and outside
        if hpa.behavior is not None:
            normalize.store_scale_event(hpa.behavior, history, before=current, after=result.replicas, now=now)
