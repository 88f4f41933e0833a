"""What stands between a plan and a write: who leads, what is spared, what holds, how many move in a minute.

An operator reads of every refusal: each has its sentence.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from controller.actuation import holds
from controller.actuation.holds import Holds
from controller.actuation.stamp import FREEZE
from controller.actuation.tally import Tally
from controller.cluster.kubernetes_autoscalers import Autoscaler
from controller.cluster.kubernetes_memory import AutoscalerMemory
from controller.cluster.kubernetes_switch import Switch
from controller.cluster.kubernetes_view import OF_APPS, View
from domain.errors import NotLeadingError, RefusedError
from domain.scaling import WorkloadRef
from kube import Fence, kinds
from kube.events import Regarding

Say = Callable[[Regarding, str, str], object]
"""Tells an event about an object: its reason in one word, and the sentence."""

SYSTEM_NAMESPACES: Final = frozenset({"kube-system", "kube-public", "kube-node-lease"})
_A_MINUTE: Final = timedelta(minutes=1)


@dataclass(slots=True, kw_only=True)
class Guard:
    """Of one cluster.

    Attributes:
        view: What is known of it.
        fence: Leave to write, and our epoch; raises ``NotLeadingError``.
        switch: The kill switch.
        tell: Tells Kubernetes events.
        own_namespace: Foretide's, where nothing is written.
        changes_per_minute: How many autoscalers' bounds move within a minute at most.
        memory: Of autoscalers, between passes.
        tally: Of the pass's writes: when too many fail, nothing is released.
    """

    view: View
    fence: Callable[[], Fence]
    switch: Switch
    tell: Say
    own_namespace: str
    changes_per_minute: int
    memory: AutoscalerMemory = field(default_factory=AutoscalerMemory)
    tally: Tally = field(default_factory=Tally)
    _changes: deque[datetime] = field(default_factory=deque)

    def allowed(self, namespace: str) -> None:
        """Raises ``RefusedError`` for a namespace in which nothing is written."""
        if namespace in SYSTEM_NAMESPACES or namespace == self.own_namespace:
            raise RefusedError(f"nothing is written in namespace {namespace}")

    def epoch(self) -> int:
        """Ours; raises ``RefusedError`` where another process leads, or nobody can."""
        try:
            return self.fence().epoch
        except NotLeadingError as error:
            raise RefusedError(f"another process leads: {error}" if error.another else str(error)) from error

    def holds(self, ref: WorkloadRef, workload: kinds.Workload | None, annotations: Mapping[str, str] | None) -> Holds:
        """What forbids a step about a workload, by its own annotations or its autoscaler's."""
        budget = "" if workload is None else self.view.blocking_budget(workload)
        if not self.view.knows_budgets():
            budget = "(none could be read)"
        held = holds.of(
            switch=self.switch.why(), annotation=(annotations or {}).get(FREEZE), age=self.view.age_of(ref),
            budget=budget, rollout=None if workload is None else self.view.rollout_of(ref, workload),
        )  # fmt: skip
        return held.without_releases(self.tally.abort())

    def frozen(self, annotations: Mapping[str, str]) -> str:
        """What forbids even giving something back; empty: nothing does."""
        return holds.of(
            switch=self.switch.why(), annotation=annotations.get(FREEZE), age=self.view.age(), budget="", rollout=None
        ).everything

    def rationed(self, now: datetime) -> None:
        """Raises ``RefusedError`` when so many bounds have moved within the last minute."""
        while self._changes and self._changes[0] <= now - _A_MINUTE:
            self._changes.popleft()
        if len(self._changes) >= self.changes_per_minute:
            most = self.changes_per_minute
            raise RefusedError(f"the bounds of {most} autoscalers moved within the last minute: the others wait")

    def changed(self, now: datetime) -> None:
        """One more has moved."""
        self._changes.append(now)

    def absence(self, ref: WorkloadRef) -> str:
        """That there is no such workload, as far as is known."""
        why = "" if ref.api_version == OF_APPS else self.view.targets.why(ref)
        return f"the Kubernetes API, which has no {ref}{f' ({why})' if why else self.unread()}"

    def unread(self) -> str:
        """Why what is not known may well be there."""
        if self.view.age() is not None:
            return ""
        return "".join(f", as far as could be read ({one})" for one in self.view.problems()[:1]) or " (not read yet)"

    def about(self, ref: WorkloadRef) -> Regarding:
        """The workload, also where it is not there: the event still stands in its namespace."""
        found = self.view.workload(ref)
        uid = "" if found is None else found.metadata.uid
        return Regarding(api_version=ref.api_version, kind=ref.kind, namespace=ref.namespace, name=ref.name, uid=uid)

    def event(self, found: Autoscaler, reason: str, message: str) -> None:
        """About an autoscaler."""
        regarding = Regarding(
            api_version=found.kind.api_version, kind=found.kind.kind, namespace=found.metadata.namespace,
            name=found.metadata.name, uid=found.metadata.uid,
        )  # fmt: skip
        self.tell(regarding, reason, message)
