"""The status of documents in the cluster: whether they count, and what a rule last decided, with its why.

Written on change only, by the leader: numbers that move with the load (what runs, what each stage came to) are written
along, and are no reason to write.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from app.cluster_documents import DOCUMENT_KINDS, AllDocuments, ClusterObjects, Object
from app.effective_rules import EffectiveRules
from domain.errors import ForetideError
from domain.scaling import Decision, Mode
from kube import Writer
from rules.crd_status import LONGEST_MESSAGE

log = logging.getLogger(__name__)

Status = dict[str, Any]
MOST_WRITES: Final = 50
"""Of one pass; the others wait for the next, so that a fleet that changes at once does not hold up the loop."""
_SIGNIFICANT: Final = ("desiredReplicas", "outcome", "reason", "limitedBy", "bounds")


class ClusterStatuses:
    """Keeps the newest decision of each rule, and writes what has changed."""

    def __init__(
        self, objects: ClusterObjects, *, documents: AllDocuments, rules: EffectiveRules, writer: Writer,
        leads: Callable[[], bool],
    ) -> None:  # fmt: skip
        """``leads`` says whether this process may write at all."""
        self._objects, self._documents, self._rules = objects, documents, rules
        self._writer, self._leads = writer, leads
        self._decisions: dict[str, Decision] = {}
        self._failing = False

    def decided(self, decisions: Sequence[Decision]) -> None:
        """Remember them, by their rule."""
        self._decisions |= {one.rule: one for one in decisions}

    def tick(self, now: datetime) -> None:
        """Write what has changed; what cannot be written is tried again on the next pass."""
        if not self._leads() or not self._documents.known:
            return
        written = 0
        matched = Counter(policy.key for policy in self._rules.running.by_policy.values())
        left_out = Counter(one.policy for one in self._rules.left_out)
        for title, kind, data in self._objects.objects():
            key = title.partition(" ")[2]
            wanted = self._wanted(title, kind, data, now)
            if kind == "ScalingPolicy":
                wanted |= {"matched": matched[key], "leftOut": left_out[key]}
            if _says(wanted) == _says(data.get("status") or {}) or written == MOST_WRITES:
                continue
            written += self._write(kind, data, wanted)

    def _wanted(self, title: str, kind: str, data: Object, now: datetime) -> Status:
        key, objection = title.partition(" ")[2], self._documents.objection(title)
        decision = self._decisions.get(key) if kind == "ScalingRule" and not objection else None
        conditions = [_condition("Ready", not objection, "Refused" if objection else "Running", objection)]
        status: Status = {"observedGeneration": data["metadata"].get("generation")}
        if decision is not None:
            conditions += _of_rule(decision)
            status |= _decision(decision)
        before = {one["type"]: one for one in (data.get("status") or {}).get("conditions", [])}
        status["conditions"] = [_dated(one, before.get(one["type"]), now) for one in conditions]
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


def _says(status: Status) -> Status:
    """What is a reason to write: without times, sentences about numbers, and numbers that move with the load."""
    decision = status.get("decision") or {}
    return {
        "conditions": {one["type"]: (one["status"], one["reason"], _refusal(one)) for one in status["conditions"]}
        if status.get("conditions") else {},
        "decision": {name: decision.get(name) or None for name in _SIGNIFICANT},
        **{name: status.get(name) for name in ("observedGeneration", "matched", "leftOut")},
    }  # fmt: skip


def _refusal(condition: Status) -> str:
    return str(condition.get("message", "")) if condition["reason"] == "Refused" else ""


def _given(told: Status) -> Status:
    return {name: value for name, value in told.items() if value is not None}


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
