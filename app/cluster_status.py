"""The status of documents in the cluster: whether they count, and what a rule last decided, with its why.

Written on change only, by the leader: numbers that move with the load (what runs, what each stage came to) are written
along, and are no reason to write. Where a rule sets an autoscaler's bounds, those are its decision: how many replicas
it would have, and why, follows the load like a metric, and is brought up to date now and then.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from app import cluster_budgets
from app.cluster_budgets import BudgetStatuses
from app.cluster_documents import DOCUMENT_KINDS, AllDocuments, ClusterObjects, Object
from app.effective_rules import EffectiveRules
from app.readiness import OF_THE_LOAD, News, Unready, news, told, unready
from domain.errors import ForetideError
from domain.scaling import Decision, Mode, Reason
from kube import Regarding, Writer
from rules.crd_status import LONGEST_MESSAGE
from rules.document import API_VERSION

log = logging.getLogger(__name__)

Status = dict[str, Any]
MOST_WRITES: Final = 50
"""Of one pass; the others wait for the next, so that a fleet that changes at once does not hold up the loop."""
_SAME: Final = {Reason.WITHIN_TOLERANCE.value: Reason.DESIRED_WITHIN_RANGE.value}
"""Words for the same: the number fits. A metric that moves within the tolerance goes from one to the other."""
_SIGNIFICANT: Final = ("desiredReplicas", "outcome", "reason", "limitedBy", "bounds")
_OF_THE_LOAD: Final = {word.value: "the load" for word in OF_THE_LOAD}
UP_TO_DATE_AFTER: Final = timedelta(minutes=15)
"""What follows the load is written so long after the last time. Of 60 rules on made days with noise of 7 % every fifth
decision wrote a status, 15 a second for 1,000 rules; so it is one a second at most."""


class ClusterStatuses:
    """Keeps the newest decision of each rule, and writes what has changed."""

    def __init__(
        self, objects: ClusterObjects, *, documents: AllDocuments, rules: EffectiveRules, writer: Writer,
        leads: Callable[[], bool], tell: Callable[[Regarding, News], object] = lambda regarding, one: None,
        budgets: BudgetStatuses | None = None,
    ) -> None:  # fmt: skip
        """``leads`` says whether this process may write at all; ``tell`` tells Kubernetes events."""
        self._budgets = budgets
        self._tell = tell
        self._failed: Mapping[str, str] = {}
        self._objects, self._documents, self._rules = objects, documents, rules
        self._writer, self._leads = writer, leads
        self._decisions: dict[str, Decision] = {}
        self._failing = False

    def decided(self, decisions: Sequence[Decision], failed: Mapping[str, str] | None = None) -> None:
        """Remember a pass by its rules; ``failed`` says why what one asked for could not be done."""
        self._decisions = {one.rule: one for one in decisions}
        self._failed = failed or {}

    def tick(self, now: datetime) -> None:
        """Write what has changed; what cannot be written is tried again on the next pass."""
        if not self._leads() or not self._documents.known:
            return
        written = 0
        matched = Counter(policy.key for policy in self._rules.running.by_policy.values())
        left_out = Counter(one.policy_key for one in self._rules.left_out)
        for title, kind, data in self._objects.objects():
            key = title.partition(" ")[2]
            wanted = self._wanted(title, kind, data, now)
            if kind == "ScalingPolicy":
                wanted |= {"matched": matched[key], "leftOut": left_out[key]}
            if written == MOST_WRITES or not _is_news(data.get("status") or {}, wanted, now):
                continue
            written += self._write(kind, data, wanted)

    def _wanted(self, title: str, kind: str, data: Object, now: datetime) -> Status:
        key, objection = title.partition(" ")[2], self._documents.objection(title)
        runs = kind == "ScalingRule" and self._rules.running.sources.get(key) == title
        decision = self._decisions.get(key) if runs else None
        why = Unready(reason="Refused", message=objection) if objection else None
        if why is None and decision is not None:
            why = unready(decision, self._failed.get(key, ""))
        conditions = [_condition("Ready", why is None, why.reason if why else "Running", why.message if why else "")]
        status: Status = {"observedGeneration": data["metadata"].get("generation")}
        before = data.get("status") or {}
        known = {one["type"]: one for one in before.get("conditions", [])}
        if decision is not None:
            conditions += _of_rule(decision)
            status |= _decision(decision)
        elif kind == "ScalingRule":  # read since the last pass: what it said before holds until it decides
            status |= {name: before[name] for name in ("decision", "wouldBe") if name in before}
            conditions += [known[name] for name in ("Limited", "DryRun") if name in known]
            if why is None and known.get("Ready", {}).get("reason", "Refused") != "Refused":
                conditions[0] = known["Ready"]
        if kind == "Budget" and self._budgets is not None and not objection:
            status |= self._budgets.of(key, before, now)
        status["conditions"] = [_dated(one, known.get(one["type"]), now) for one in conditions]
        return status

    def _write(self, kind: str, data: Object, status: Status) -> int:
        """How many writes it was; one that failed counts, too."""
        metadata = data["metadata"]
        try:
            self._writer.apply(
                DOCUMENT_KINDS[kind], metadata["namespace"], metadata["name"], {"status": status},
                uid=metadata.get("uid"), force=True, subresource="status",
            )  # fmt: skip
            self._failing = False
            of = Regarding(
                api_version=API_VERSION, kind=kind, namespace=metadata["namespace"], name=metadata["name"],
                uid=metadata.get("uid", ""),
            )  # fmt: skip
            before = data.get("status") or {}
            for one in (*news(before, status), *cluster_budgets.news(before, status)):
                self._tell(of, one)
        except ForetideError as error:
            if not self._failing:
                log.warning("a status is not written", extra={"kind": kind, "error": str(error)})
            self._failing = True
        return 1


def _of_rule(decision: Decision) -> Iterator[Status]:
    limits = ", ".join(decision.limited_by)
    yield _condition("Limited", bool(limits), "Limited" if limits else "WithinBounds", limits)
    acts = decision.mode is Mode.ENFORCE
    yield _condition("DryRun", not acts, "Enforced" if acts else "OnlyTells", f"mode {decision.mode.value}")


def _decision(decision: Decision) -> Status:
    bounds = {"min": decision.lower_bound, "max": decision.upper_bound}
    told = {
        "time": _instant(decision.at), "currentReplicas": decision.current_replicas,
        "desiredReplicas": decision.desired_replicas, "outcome": decision.outcome.value,
        "reason": decision.reason.value, "message": decision.message[:LONGEST_MESSAGE],
        "limitedBy": list(decision.limited_by), "bounds": _given(bounds) or None,
        "trace": [_given({"stage": one.stage, "replicas": one.replicas, "message": one.message[:LONGEST_MESSAGE]})
                  for one in decision.trace],
    }  # fmt: skip
    would_be = {"hpaOnly": decision.hpa_only_replicas, "withForecast": decision.with_forecast_replicas}
    return {"decision": _given(told), "wouldBe": _given(would_be)}


def _condition(name: str, holds: bool, reason: str, message: str) -> Status:
    return {"type": name, "status": str(holds), "reason": reason, "message": message[:LONGEST_MESSAGE]}


def _dated(condition: Status, before: Status | None, now: datetime) -> Status:
    """Kubernetes' lastTransitionTime is that of the status, not of its reason."""
    same = before is not None and before.get("status") == condition["status"]
    since = before["lastTransitionTime"] if same and before is not None else _instant(now)
    return {**condition, "lastTransitionTime": since}


def _is_news(before: Status, wanted: Status, now: datetime) -> bool:
    """Whether it is to be written now."""
    if wanted.get("countedAt") != before.get("countedAt") and cluster_budgets.is_old(before, now):
        return True
    bounded = bool((wanted.get("decision") or {}).get("bounds"))
    if _says(before, bounded=bounded) != _says(wanted, bounded=bounded):
        return True
    return bounded and _is_old(before, now) and _says(before) != _says(wanted)


def _is_old(status: Status, now: datetime) -> bool:
    told = (status.get("decision") or {}).get("time")
    return told is None or now - datetime.fromisoformat(told) >= UP_TO_DATE_AFTER


def _says(status: Status, *, bounded: bool = False) -> Status:
    """What is a reason to write: without times, sentences about numbers, and numbers that move with the load.

    With ``bounded`` of the decision only its bounds and a reason that is not the load's, and no condition that follows
    from the rest.
    """
    decision, fields = status.get("decision") or {}, ("reason", "bounds") if bounded else _SIGNIFICANT
    same = _OF_THE_LOAD if bounded else _SAME
    conditions = [one for one in status.get("conditions") or () if not bounded or one["type"] != "Limited"]
    return {
        "conditions": {one["type"]: _told(one) for one in conditions},
        "decision": {name: same.get(str(decision.get(name))) or decision.get(name) or None for name in fields},
        **{name: status.get(name) for name in ("observedGeneration", "matched", "leftOut")},
        **cluster_budgets.says(status),
    }  # fmt: skip


def _told(condition: Status) -> tuple[object, ...]:
    """Of the other conditions the sentence is no reason."""
    return told(condition) if condition["type"] == "Ready" else (condition["status"], condition["reason"])


def _given(told: Status) -> Status:
    return {name: value for name, value in told.items() if value is not None}


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
