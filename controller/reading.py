"""What a pass reads before it decides: each trigger's numbers, the ceilings' and the SLOs', each question asked once.

Every error that is foreseen only makes its own trigger, ceiling or SLO missing, with the sentence that says why.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from controller import slo
from controller.capacities import learning_triggers
from controller.capacity import Observation
from controller.cluster import Cluster
from controller.slo import Burn
from controller.startup import StartMemory
from controller.triggers import PODS, Missing, PodSignal, Reading, part
from domain.errors import ForetideError, NoNumberError
from domain.scaling import Workload, WorkloadRef
from domain.series import Signal
from domain.startup import Starts
from rules import asked
from rules.document import Query
from rules.schema import SLO, ResourceTarget, ScalingRule, Trigger

Evaluate = Callable[[str, datetime, str | None], Signal]
"""One number for a PromQL text at a time, from the source of that name (None: the default one); raises
``NoDataError``, ``NoNumberError``, ``StaleSignalError``, ``QueryError``, ``StoreError``.

Two series are no number either: a ``NoNumberError`` saying "query yields 2 series; aggregate it to one"."""

EvaluateByPod = Callable[[str, datetime, str | None], Mapping[str, float]]
"""A number for each pod; raises as ``Evaluate`` does, also where a series has no label ``pod``."""

BURN_EVERY: Final = timedelta(minutes=1)
"""An SLO is looked at once a minute: its shortest window is five."""

FRESH: Final = timedelta(minutes=2)
"""A load that was seen earlier is not the load of the CPU that is seen now."""

log = logging.getLogger(__name__)


def looks_ahead(rule: ScalingRule) -> bool:
    """Whether a forecast of the rule wants to know how long replicas take to start."""
    return any(one.forecast is not None and one.forecast.lead == "auto" for one in rule.spec.triggers)


def asks_starts(rule: ScalingRule) -> bool:
    """Whether anything of the rule asks for its pods and their starts."""
    return looks_ahead(rule) or bool(learning_triggers(rule))


def _held(rule: ScalingRule, signals: Mapping[str, Reading], burn: Burn | None) -> bool | None:
    """Whether the rule's latency objective held: of its traces' triggers, and of the SLO that guards it."""
    known = [] if burn is None or burn.held is None else [burn.held]
    for trigger in rule.spec.triggers:
        reading = signals.get(trigger.name)
        if trigger.trace is None or not trigger.trace.is_latency or trigger.target_value is None:
            continue
        if isinstance(reading, Signal) and math.isfinite(reading.value):
            known.append(reading.value <= trigger.target_value)
    return all(known) if known else None


class Reader:
    """Reads for one pass; a new one begins with ``begin``."""

    def __init__(
        self, evaluate: Evaluate, cluster: Cluster, slo_of: Callable[[str], SLO | None],
        place_of: Callable[[ScalingRule], str], by_pod: EvaluateByPod,
    ) -> None:  # fmt: skip
        """Ask through ``evaluate``; ``slo_of`` knows SLO documents by their keys, ``place_of`` where a rule stands."""
        self._by_pod = by_pod
        self._evaluate, self._cluster, self._slo_of, self._place_of = evaluate, cluster, slo_of, place_of
        self._answers: dict[tuple[str, str | None], Reading] = {}
        self._pods: dict[str, PodSignal | Missing] = {}
        self._starts = StartMemory()
        self._burns: dict[str, tuple[datetime, Burn]] = {}

    def begin(self) -> None:
        """Forget the answers of the last pass."""
        self._answers, self._pods = {}, {}

    def signals(self, rule: ScalingRule, now: datetime) -> dict[str, Reading]:
        """By trigger (and part): everything but forecasts."""
        found: dict[str, Reading] = {}
        for index, trigger in enumerate(rule.spec.triggers):
            if trigger.forecast is not None or trigger.schedule is not None:
                continue
            if trigger.resource is not None:
                found |= self._of_resource(rule.target, trigger.name, trigger.resource, now)
                continue
            at = f"spec.triggers[{index}].{trigger.kind}"
            found[trigger.name] = self._placed(self._of_trigger(trigger, now), rule, at)
            for name, query in asked.further_queries(trigger).items():
                found[part(trigger.name, name)] = self._placed(self._answer(query, now), rule, f"{at}.{name}")
        return found

    def _placed(self, reading: Reading, rule: ScalingRule, path: str) -> Reading:
        """What time does not mend says where it stands."""
        if not isinstance(reading, Missing) or not reading.invalid:
            return reading
        place = self._place_of(rule)
        return replace(reading, reason=f"{reading.reason} ({f'{place}, ' if place else ''}{path})")

    def limits(self, rule: ScalingRule, now: datetime) -> dict[str, Reading]:
        """By ceiling: of those that are asked for."""
        return {one.name: self._answer(one.query, now) for one in rule.spec.ceiling if one.query is not None}

    def burn(self, rule: ScalingRule, now: datetime) -> Burn | None:
        """State of the SLO that guards the rule; None without a guard."""
        key = rule.guarding_slo
        if key is None:
            return None
        at, burn = self._burns.get(key, (None, None))
        if at is None or burn is None or now - at >= BURN_EVERY:
            burn = self._looked_at(key, now)
            self._burns[key] = (now, burn)
        return burn

    def observation(
        self, rule: ScalingRule, trigger: Trigger, workload: Workload, signals: Mapping[str, Reading],
        burn: Burn | None, now: datetime,
    ) -> Observation:  # fmt: skip
        """What is to be seen of what one replica carries; never an error."""
        load, ready = signals.get(trigger.name), workload.ready_replicas
        return Observation(
            at=now, versions=self._versions(rule), current=workload.current_replicas, ready=ready,
            load=load.value if isinstance(load, Signal) and now - load.as_of <= FRESH else None,
            cpu_share=self._cpu_share(rule, workload, now), held=_held(rule, signals, burn),
        )  # fmt: skip

    def _versions(self, rule: ScalingRule) -> frozenset[str]:
        try:
            return self._cluster.versions(rule.target)
        except ForetideError as error:
            log.debug("versions not read", extra={"rule": rule.key, "error": str(error)})
            return frozenset()

    def _cpu_share(self, rule: ScalingRule, workload: Workload, now: datetime) -> float | None:
        each = workload.limits.get("cpu") or workload.requests.get("cpu")
        if not each or not workload.ready_replicas:
            return None
        used = self._of_resource(rule.target, "cpu", ResourceTarget(name="cpu", utilization=100), now)["cpu"]
        return used.value / (each * workload.ready_replicas) if isinstance(used, Signal) else None

    def startup(self, rule: ScalingRule) -> timedelta | None:
        """What its starts took, the 95th percentile; None where that was not measured."""
        known = self._starts.of(rule.target)
        return None if known is None else known.p95

    def starts(self, rule: ScalingRule) -> Starts | None:
        """How long its replicas take to start, where a forecast of the rule wants to know; never an error."""
        if not asks_starts(rule):
            return None
        try:
            pods = self._cluster.starts(rule.target)
        except ForetideError as error:
            log.debug("start-ups not read", extra={"rule": rule.key, "error": str(error)})
            pods = {}
        return self._starts.see(rule.target, pods)

    def keep(self, rules: Sequence[ScalingRule]) -> None:
        """Forget SLOs that guard nothing any more, and workloads that nobody scales."""
        self._starts.keep({rule.target for rule in rules})
        named = {rule.guarding_slo for rule in rules}
        self._burns = {key: burn for key, burn in self._burns.items() if key in named}

    def _looked_at(self, key: str, now: datetime) -> Burn:
        document = self._slo_of(key)
        if document is None:
            return slo.unknown(f"there is no SLO {key}")
        ratios: dict[timedelta, float | None] = {}
        why = ""
        for window in slo.WINDOWS:
            query = document.error_ratio_query(window)
            try:
                ratios[window] = self._evaluate(query.expr, now, query.source).value
            except NoNumberError as error:  # no requests at all are no bad ones: 0 / 0
                ratios[window] = 0.0 if error.is_nan else None
                why = why or str(error)
            except ForetideError as error:
                ratios[window], why = None, why or str(error)
        burn = slo.burn_of(ratios, document.budget, window=document.spec.window, why=why)
        recent = ratios[min(slo.WINDOWS)]
        if document.spec.indicator.latency is None or recent is None:
            return burn
        return replace(burn, held=recent <= document.budget)

    def _of_resource(self, ref: WorkloadRef, name: str, resource: ResourceTarget, now: datetime) -> dict[str, Reading]:
        """Usage, and where pods can be told apart also of each; their sum is then made of these."""
        try:
            query = self._cluster.pod_usage_query(ref, resource.name, resource.container)
            states = {} if query is None else self._cluster.pods(ref, now, resource.container)
            if query is None or not states:
                summed = Query(expr=self._cluster.usage_query(ref, resource.name, resource.container))
                return {name: self._answer(summed, now)}
        except ForetideError as error:
            return {name: Missing(reason=str(error))}
        answer = self._pods_answer(query.expr, now)
        if isinstance(answer, Missing):
            return {name: answer}
        own = {pod: answer.values[pod] for pod in states if pod in answer.values}
        if not own:
            return {name: Missing(reason=f"no pod of {ref} has a sample of its {resource.name}")}
        pods = replace(answer, values=own, states=states, window=query.window)
        complete = pods.completeness_ratio
        signal = Signal(
            value=sum(own.values()), window=query.window, as_of=now, count=len(own), completeness_ratio=complete
        )
        return {name: signal, part(name, PODS): pods}

    def _pods_answer(self, expr: str, now: datetime) -> PodSignal | Missing:
        """Workloads of one namespace are answered by one evaluation."""
        if expr not in self._pods:
            self._pods[expr] = self._of_pods(Query(expr=expr), now)
        return self._pods[expr]

    def _of_trigger(self, trigger: Trigger, now: datetime) -> Reading:
        if trigger.pods is not None:
            return self._of_pods(trigger.pods, now)
        query = asked.main_query(trigger)
        return Missing(reason="it has nothing to read") if query is None else self._answer(query, now)

    def _of_pods(self, query: Query, now: datetime) -> PodSignal | Missing:
        try:
            return PodSignal(values=self._by_pod(query.expr, now, query.source), as_of=now)
        except ForetideError as error:
            return Missing(reason=str(error), invalid=isinstance(error, NoNumberError))

    def _answer(self, query: Query, now: datetime) -> Reading:
        """Rules that ask the same are answered by one evaluation."""
        key = (query.expr, query.source)
        if key not in self._answers:
            self._answers[key] = self._evaluated(query, now)
        return self._answers[key]

    def _evaluated(self, query: Query, now: datetime) -> Reading:
        try:
            return self._evaluate(query.expr, now, query.source)
        except ForetideError as error:
            log.debug("signal missing", extra={"query": query.expr, "error": str(error)})
            return Missing(reason=str(error), invalid=isinstance(error, NoNumberError))
