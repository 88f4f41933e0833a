"""The loop: every 15 s one decision for each rule, and for those that may act, the deed.

load_rules → read_signals → evaluate → guard → act → record, each step over all rules, timed and traced. A rule that
fails in one of them holds with its reason; the others go on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from opentelemetry.trace import Tracer
from prometheus_client import CollectorRegistry

from controller import buffers, decide, hpa, triggers
from controller.acting import Actor, fields_of
from controller.around import BudgetRoom, Lower, circumstances, nothing_lowered, with_lowered
from controller.buffers import KeepBuffers
from controller.capacities import Capacities, learning_triggers
from controller.case import Case
from controller.cluster import Cluster
from controller.decide import CostOf
from controller.memory import Memory
from controller.metrics import ControllerMetrics
from controller.reading import Evaluate, EvaluateByPod, Reader
from controller.shadows import Shadows
from controller.slo import Burn
from controller.triggers import Missing, Reading
from domain.errors import ForetideError, StoreError
from domain.forecasts import Forecast
from domain.load_ahead import Outlook
from domain.scaling import (
    GATE_STAGE,
    Action,
    Decision,
    Outcome,
    Workload,
    WorkloadRef,
)
from domain.series import Signal
from rules.schema import SLO, ScalingRule

ForecastOf = Callable[[str], Forecast | None]
"""The newest forecast of a signal, as ``ScalingRule.signal`` names it."""

OutlookOf = Callable[[str, float | None, timedelta, datetime], Outlook]
"""What lies ahead of a price trigger's load, given its newest reading (None: it was not read) and the time until a
replica that starts now is ready; raises ``NoDataError`` whose sentence says why nothing is known."""

Record = Callable[[Sequence[tuple[Decision, Action | None]]], Mapping[str, str]]
"""Writes a pass down; returns by decision id why one was not written, raises when none was."""

log = logging.getLogger(__name__)

Gate = Callable[[ScalingRule], str]
"""Why a rule in ``enforce`` may not act, in a sentence; empty where it may."""


HeldBack = Callable[[Sequence[Case], datetime], Mapping[str, str]]
"""Of a pass that was decided, by rule, why its ring has not come yet."""


def _open(_: ScalingRule) -> str:
    return ""


class Reconciler:
    """Decides and acts, once per tick; everything that it talks to is handed in."""

    def __init__(
        self,
        *,
        rules: Callable[[], Sequence[ScalingRule]],
        evaluate: Evaluate,
        forecast_of: ForecastOf,
        cluster: Cluster,
        record: Record,
        cost_of: CostOf,
        registry: CollectorRegistry,
        tracer: Tracer,
        slo_of: Callable[[str], SLO | None] = lambda key: None,
        budget_room: BudgetRoom = lambda rule, workload, now: None,
        lower: Lower = nothing_lowered,
        slept: Callable[[str], bool] = lambda key: False,
        cautions_of: Callable[[ScalingRule], Mapping[str, float]] = lambda rule: {},
        place_of: Callable[[ScalingRule], str] = lambda rule: "",
        by_pod: EvaluateByPod = lambda expr, now, source: {},
        gate: Gate = _open,
        rings: HeldBack = lambda cases, now: {},
        shadows: Shadows | None = None,
        outlook_of: OutlookOf | None = None,
        capacities: Capacities | None = None,
        keep_buffers: KeepBuffers = buffers.nowhere,
    ) -> None:
        """Everything comes from outside.

        Args:
            rules: Those that run.
            evaluate: Answers a query with one number.
            forecast_of: The newest forecast of a signal.
            cluster: Knows workloads, and scales them.
            record: Writes a pass down.
            cost_of: Price of a number of replicas.
            registry: For the loop's own metrics.
            tracer: For its traces.
            slo_of: The SLO document of a key.
            budget_room: How many replicas a rule's budget leaves room for.
            lower: What a budget puts in place of a rule's ``min``.
            slept: Whether the 0 of a rule that is seen for the first time is one that we set.
            cautions_of: The error budget's level of each price trigger before a restart.
            by_pod: Answers a query with a number for each pod.
            place_of: File and line of a rule, for sentences about what is wrong with it.
            gate: Why a rule in ``enforce`` may not act.
            rings: Which of those that may act have to wait.
            shadows: Rules that do not act keep score there.
            outlook_of: What lies ahead of a price trigger's load.
            capacities: What one replica carries, where a trigger learns it.
            keep_buffers: Keeps room on nodes.
        """
        self._lower = lower
        self._rules, self._forecast_of, self._budget_room, self._slept = rules, forecast_of, budget_room, slept
        self._cautions_of = cautions_of
        self._reader = Reader(evaluate, cluster, slo_of, place_of, by_pod)
        self._shadows, self._gate, self._outlook_of = shadows, gate, outlook_of
        self._rings, self._keep_buffers = rings, keep_buffers
        self._capacities = Capacities() if capacities is None else capacities
        self._cluster, self._record, self._cost_of = cluster, record, cost_of
        self._metrics, self._tracer = ControllerMetrics(registry), tracer
        self._actor = Actor(cluster, self._metrics)
        self._memories: dict[tuple[str, WorkloadRef], Memory] = {}
        self._outcomes: dict[str, Outcome] = {}

    def tick(self, now: datetime) -> None:
        """One pass over all rules. Never raises: what fails is logged, counted and, for a rule, held."""
        with self._tracer.start_as_current_span("controller.tick") as span:
            try:
                with self._step("load_rules"):
                    cases = self._load(now)
                span.set_attribute("foretide.rules", len(cases))
                with self._step("read_signals"):
                    cases = self._read(cases, now)
                with self._step("evaluate"):
                    cases = [self._proposed(case, now) for case in cases]
                with self._step("guard"):
                    cases = self._in_rings([self._gated(self._decided(case, now)) for case in cases], now)
                with self._step("shadow"):
                    self._shadowed(cases, now)
                with self._step("act"):
                    may = (
                        (case.rule, case.decision, case.burn) for case in cases if case.decision and self._may_act(case)
                    )
                    self._actor.begin(may, now=now)
                    cases = [self._acted(case, now) for case in cases]
                    acting = {case.rule.key for case in cases if self._settles(case)}
                    self._actor.settle(acting, now=now)
                    cases = buffers.kept(
                        cases, may_act=self._may_act, settles=self._settles, keep=self._keep_buffers, now=now
                    )
                with self._step("record"):
                    self._recorded(cases)
            except Exception as error:  # the loop outlives everything; the next tick starts afresh
                self._metrics.errors.labels(step="tick").inc()
                span.record_exception(error)
                log.exception("tick failed")
                return
        self._metrics.rules.set(len(cases))
        self._metrics.last_tick.set(now.timestamp())

    def _load(self, now: datetime) -> list[Case]:
        cases = [self._begun(rule, now) for rule in self._rules()]
        self._forget({(case.rule.key, case.rule.target) for case in cases})
        self._actor.keep([case.rule for case in cases])
        return cases

    def _begun(self, rule: ScalingRule, now: datetime) -> Case:
        """With the workload as the cluster sees it, and the rule's memory."""
        failure = ""
        try:
            workload = self._cluster.workload(rule.target)
        except Exception as error:
            failure = self._failed("load_rules", rule, error)
            workload = Workload(ref=rule.target, current_replicas=None, ready_replicas=None, source=self._cluster.name)
        memory = self._memories.get((rule.key, rule.target))
        if memory is None:
            asleep = workload.current_replicas == 0 and rule.spec.replicas.min == 0 and self._slept(rule.key)
            memory = Memory.beginning(workload.current_replicas, at=now, asleep=asleep, floor=workload.floor)
            memory = memory.with_cautions(self._earlier_cautions(rule))
        return Case(rule=rule, workload=workload, memory=memory, failure=failure)

    def _earlier_cautions(self, rule: ScalingRule) -> Mapping[str, float]:
        """Of a rule that is seen for the first time; where nobody knows them, its budget begins anew."""
        if not any(one.forecast is not None and one.forecast.price is not None for one in rule.spec.triggers):
            return {}
        try:
            return self._cautions_of(rule)
        except ForetideError as error:
            self._failed("load_rules", rule, error)
            return {}

    def _read(self, cases: list[Case], now: datetime) -> list[Case]:
        self._reader.begin()
        self._reader.keep([case.rule for case in cases])
        self._capacities.keep([case.rule for case in cases])
        return [case if case.failure else self._with_signals(case, now) for case in cases]

    def _with_signals(self, case: Case, now: datetime) -> Case:
        rule = case.rule
        try:
            forecasts = {
                trigger.name: self._forecast(rule.signal(trigger))
                for trigger in rule.spec.triggers
                if trigger.forecast is not None
            }
            signals, burn = self._reader.signals(rule, now), self._reader.burn(rule, now)
            workload = replace(case.workload, starts=self._reader.starts(rule))
            workload = self._learned(rule, workload, signals, burn, now)
            return replace(
                case, workload=workload, signals=signals, limits=self._reader.limits(rule, now),
                burn=burn, forecasts=forecasts,
                outlooks=self._outlooks(rule, workload, signals, now),
            )  # fmt: skip
        except Exception as error:
            return replace(case, failure=self._failed("read_signals", rule, error))

    def _learned(
        self, rule: ScalingRule, workload: Workload, signals: Mapping[str, Reading], burn: Burn | None, now: datetime
    ) -> Workload:
        """With what one replica carries, after a look at it where one is due."""
        learning = learning_triggers(rule)
        if not learning:
            return workload
        for trigger in learning:
            if self._capacities.is_due(rule, trigger, now):
                seen = self._reader.observation(rule, trigger, workload, signals, burn, now)
                self._capacities.see(rule, trigger, seen)
        return replace(workload, carried=self._capacities.carried(rule))

    def burn_of(self, rule: ScalingRule, now: datetime) -> Burn | None:
        """State of the SLO that guards it, at most a minute old."""
        return self._reader.burn(rule, now)

    def startup_of(self, rule: ScalingRule) -> timedelta | None:
        """How long its replicas take to start, measured; None where they were not."""
        return self._reader.startup(rule)

    def _outlooks(
        self, rule: ScalingRule, workload: Workload, signals: Mapping[str, Reading], now: datetime
    ) -> dict[str, Outlook | Missing]:
        """What lies ahead of each price trigger's load; whatever is wrong with that, the rule is reactive."""
        found: dict[str, Outlook | Missing] = {}
        for trigger in rule.spec.triggers:
            wanted = trigger.forecast
            if wanted is None or wanted.price is None or self._outlook_of is None:
                continue
            reading = signals.get(wanted.of or "")
            load = reading.value if isinstance(reading, Signal) else None
            try:
                lead = triggers.lead_of(wanted, workload.starts)
                found[trigger.name] = self._outlook_of(rule.signal(trigger), load, lead, now)
            except ForetideError as error:
                found[trigger.name] = Missing(reason=str(error))
            except Exception as error:
                found[trigger.name] = Missing(reason=self._failed("read_signals", rule, error))
        return found

    def _forecast(self, signal: str) -> Forecast | None:
        """Without its forecasts a rule is reactive, which is no reason to hold."""
        try:
            return self._forecast_of(signal)
        except ForetideError as error:
            self._metrics.errors.labels(step="read_signals").inc()
            log.warning("forecast not read", extra={"signal": signal, "error": str(error)})
            return None

    def _proposed(self, case: Case, now: datetime) -> Case:
        if case.failure:
            return case
        try:
            wants = triggers.propose(
                case.rule,
                signals=case.signals or {},
                forecasts=case.forecasts or {},
                workload=case.workload,
                memory=case.memory,
                now=now,
                outlooks=case.outlooks,
            )
        except Exception as error:
            return replace(case, failure=self._failed("evaluate", case.rule, error))
        return replace(case, wants=wants)

    def _decided(self, case: Case, now: datetime) -> Case:
        rule, workload = case.rule, case.workload
        if not case.failure:
            try:
                money = self._budget_room(rule, workload, now)
                around, memory = circumstances(
                    rule, limits=case.limits, burn=case.burn, money=money, workload=workload, memory=case.memory,
                    now=now,
                )  # fmt: skip
                decision = decide.conclude(
                    rule, wants=case.wants, workload=workload, memory=memory, now=now, cost_of=self._cost_of,
                    circumstances=with_lowered(around, self._lower(rule, now)),
                )  # fmt: skip
                memory = decide.remember(memory, decision, rule=rule)
                return replace(case, decision=self._actor.possible(rule, decision), memory=memory)
            except Exception as error:
                case = replace(case, failure=self._failed("guard", rule, error))
        why = f"held because the rule could not be evaluated: {case.failure}"
        return replace(case, decision=decide.held(rule, workload=workload, now=now, why=why))

    def _gated(self, case: Case) -> Case:
        """A decision that may not be carried out says so itself."""
        why = self._gate(case.rule)
        return case.refused_because(why, stage=GATE_STAGE) if why else case

    def _in_rings(self, cases: list[Case], now: datetime) -> list[Case]:
        held = self._rings(cases, now)
        return [case.waiting_because(held[key]) if (key := case.rule.key) in held else case for case in cases]

    def _may_act(self, case: Case) -> bool:
        return self._actor.acts(case.rule) and not case.refused

    def _settles(self, case: Case) -> bool:
        """Whether what it has set stays."""
        return self._actor.acts(case.rule) and (not case.refused or case.waits)

    def _shadowed(self, cases: Sequence[Case], now: datetime) -> None:
        """Rules that do not act keep score of what they would have done."""
        if self._shadows is None:
            return
        idle = [case for case in cases if case.refused or not self._actor.acts(case.rule)]
        self._shadows.keep({case.rule.key for case in idle})
        for case in idle:
            if not case.failure:
                try:
                    self._shadow(self._shadows, case, now)
                except Exception as error:
                    self._failed("shadow", case.rule, error)

    def _shadow(self, shadows: Shadows, case: Case, now: datetime) -> None:
        # The pods that are measured are not the shadow's: its usage is taken by the sum.
        names = {triggers.part(one.name, triggers.PODS) for one in case.rule.spec.triggers if one.resource is not None}
        signals = {name: reading for name, reading in (case.signals or {}).items() if name not in names}

        def decided(workload: Workload, memory: Memory) -> tuple[Decision | None, Memory]:
            own = replace(case, workload=workload, memory=memory, signals=signals)
            virtual = self._decided(self._proposed(own, now), now)
            return virtual.decision, virtual.memory

        shadows.follow(case.rule, real=case.workload, signals=case.signals or {}, decide=decided, now=now)

    def _acted(self, case: Case, now: datetime) -> Case:
        decision = case.decision
        if decision is None or case.refused:
            return case
        deed = self._actor.act(case.rule, decision, now=now)
        action, case = deed.action, replace(case, action=deed.action, decision=deed.told(decision))
        if action is None or action.error or case.rule.spec.actuate.with_ != "scale":
            return case  # bounds are no scale events: what the HPA makes of them, it counts itself
        keep = hpa.longest_period(case.rule.spec.behavior)
        memory = case.memory.with_scale_event(action.to_replicas - action.from_replicas, at=now, keep=keep)
        return replace(case, memory=memory)

    def _recorded(self, cases: Sequence[Case]) -> None:
        decided = {case.decision.id: case for case in cases if case.decision is not None}
        for case in decided.values():
            self._memories[case.rule.key, case.rule.target] = case.memory
            self._noted(case.decision)
        try:
            lost = self._record([(case.decision, case.action) for case in decided.values() if case.decision])
        except Exception as error:
            self._metrics.errors.labels(step="record").inc(len(decided))
            sentence = str(error) if isinstance(error, ForetideError) else f"{type(error).__name__}: {error}"
            log.warning("decisions not recorded", extra={"decisions": len(decided), "error": sentence})
            return
        for id_, why in lost.items():
            self._failed("record", decided[id_].rule, StoreError(why))

    def _noted(self, decision: Decision | None) -> None:
        if decision is not None:
            self._metrics.decisions.labels(outcome=decision.outcome.value, reason=decision.reason.value).inc()
            self._logged(decision)

    def _logged(self, decision: Decision) -> None:
        """A change of outcome is news; the same again is not."""
        changed = self._outcomes.get(decision.rule) != decision.outcome
        self._outcomes[decision.rule] = decision.outcome
        log.log(logging.INFO if changed else logging.DEBUG, "decided", extra=fields_of(decision))

    def _failed(self, step: str, rule: ScalingRule, error: Exception) -> str:
        """Counts and logs it; the sentence for the decision."""
        self._metrics.errors.labels(step=step).inc()
        foreseen = isinstance(error, ForetideError)
        sentence = str(error) if foreseen else f"{type(error).__name__}: {error}"
        fields = {"rule": rule.key, "step": step, "error": sentence}
        log.warning("rule failed", extra=fields, exc_info=None if foreseen else error)
        return sentence

    def _forget(self, known: set[tuple[str, WorkloadRef]]) -> None:
        """Drops what is remembered of rules that are gone."""
        keys = {key for key, _ in known}
        self._memories = {at: memory for at, memory in self._memories.items() if at in known}
        self._outcomes = {key: outcome for key, outcome in self._outcomes.items() if key in keys}

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        with self._tracer.start_as_current_span(f"controller.{name}"):
            yield
        self._metrics.step_seconds.labels(step=name).observe(time.perf_counter() - started)
