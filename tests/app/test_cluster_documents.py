"""Objects of our CRDs count as documents, each by itself; their status says whether, and what was decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.check import check_query
from app.cluster_budgets import BudgetStatuses
from app.cluster_documents import AllDocuments, ClusterObjects
from app.cluster_status import ClusterStatuses
from app.effective_rules import EffectiveRules
from domain.scaling import Mode, Reason
from domain.workloads import WorkloadFacts
from kube import Access, Writer, connect
from rules import RulesFolder
from rules.crd_names import plural
from tests.app.world import decision
from tests.e2e.program import until
from tests.fakes.clock import ManualClock
from tests.fakes.kube_api import KubeApi

CPU = {"name": "cpu", "resource": {"name": "cpu", "utilization": 70}}


def rule(name: str = "shop", *, target: str = "", **spec: Any) -> dict[str, Any]:
    said = {"target": {"name": target or name}, "replicas": {"min": 1, "max": 9}, "triggers": [CPU], **spec}
    return {"kind": "ScalingRule", "metadata": {"name": name, "namespace": "demo"}, "spec": said}


def sheet(name: str) -> dict[str, Any]:
    spec = {"currency": "USD", "cpuCoreHour": 0.0316, "memoryGiBHour": "0.0042"}
    return {"kind": "PriceSheet", "metadata": {"name": name, "namespace": "demo"}, "spec": spec}


@dataclass
class Cluster:
    """A fake API server with our kinds, and what reads it."""

    api: KubeApi
    objects: ClusterObjects
    documents: AllDocuments
    rules: EffectiveRules
    statuses: ClusterStatuses
    clock: ManualClock
    leads: bool = True
    seen: int = field(default=0)
    budgets: BudgetStatuses | None = None
    told: list[tuple[str, str]] = field(default_factory=list)

    def of(self, key: str, before: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        """Where budgets stand, once a test says so."""
        return {} if self.budgets is None else self.budgets.of(key, before, now)

    def has(self, *documents: dict[str, Any]) -> None:
        """Created or replaced, and read."""
        revision = self.objects.revision
        with self.api.changing() as objects:
            for one in documents:
                metadata = one["metadata"]
                key, resource = (metadata["namespace"], metadata["name"]), ("foretide.dev", plural(one["kind"]))
                body = {**one, "apiVersion": "foretide.dev/v1alpha1"}
                if key in objects.of(resource):
                    objects.merge(resource, key, {"spec": one["spec"]}, manager="kubectl")
                else:
                    objects.create(resource, key, body, manager="kubectl")
        until("it is read", lambda: self.objects.revision >= revision + len(documents))

    def poll(self) -> list[str]:
        """The rules that run."""
        self.rules.poll(self.clock.now())
        return [one.key for one in self.rules.running.rules]

    def tick(self) -> int:
        """How many statuses were written."""
        before = len(self.written())
        self.statuses.tick(self.clock.now())
        written = len(self.written()) - before
        revision = self.objects.revision
        until("what was written is read", lambda: not written or self.objects.revision >= revision)
        until("statuses are read", lambda: all("status" in one for _, _, one in self.objects.objects()) or not written)
        return written

    def written(self) -> list[str]:
        return [one.path for one in self.api.asked if one.method == "PATCH" and one.path.endswith("/status")]

    def status(self, name: str, kind: str = "ScalingRule") -> dict[str, Any]:
        with self.api.changing() as objects:
            found: dict[str, Any] = objects.get(("foretide.dev", plural(kind)), ("demo", name))["status"]
            return found


@pytest.fixture
def cluster(tmp_path: Path, clock: ManualClock) -> Iterator[Cluster]:
    with KubeApi() as api:
        connection = connect(Access(kubeconfig=api.kubeconfig(tmp_path), context="fake"), clock=clock)
        objects = ClusterObjects(connection)
        folder = RulesFolder(tmp_path / "rules", check_query=check_query)
        (tmp_path / "rules").mkdir()
        documents = AllDocuments(folder, objects, check_query=check_query)
        rules = EffectiveRules(documents, workloads=lambda: [], check_query=check_query)
        made = Cluster(api, objects, documents, rules, None, clock)  # type: ignore[arg-type]
        writer = Writer(connection, pause=lambda _: None)
        made.statuses = ClusterStatuses(
            objects, documents=documents, rules=rules, writer=writer, leads=lambda: made.leads,
            budgets=made, tell=lambda regarding, one: made.told.append((one.reason, one.message)),  # type: ignore[arg-type]
        )  # fmt: skip
        objects.start()
        until("all kinds are read", lambda: objects.known)
        yield made
        objects.stop()
        connection.close()


def condition(status: dict[str, Any], name: str) -> tuple[str, str, str]:
    found = next(one for one in status["conditions"] if one["type"] == name)
    return found["status"], found["reason"], found["message"]


def test_objects_count_beside_files(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "rules" / "a.yaml").write_text(
        "apiVersion: foretide.dev/v1alpha1\nkind: ScalingRule\nmetadata: {name: file, namespace: demo}\nspec:\n"
        "  target: {name: file}\n  replicas: {min: 1, max: 9}\n"
        "  triggers: [{name: cpu, resource: {name: cpu, utilization: 70}}]\n"
    )
    cluster.has(rule(), sheet("prices"))

    assert cluster.poll() == ["demo/file", "demo/shop"]
    assert cluster.rules.running.price_sheet is not None
    assert str(cluster.rules.running.price_sheet.spec.cpu_core_hour) == "0.0316"
    assert cluster.rules.running.sources["demo/shop"] == "ScalingRule demo/shop"


def test_nothing_counts_before_everything_was_read_once(cluster: Cluster, tmp_path: Path) -> None:
    connection = connect(Access(kubeconfig=cluster.api.kubeconfig(tmp_path), context="fake"), clock=cluster.clock)
    unread = AllDocuments(None, ClusterObjects(connection), check_query=check_query)

    assert unread.poll() is False
    assert unread.known is False
    connection.close()


def test_a_bad_object_is_left_out_alone_and_told(cluster: Cluster) -> None:
    cluster.has(rule(), rule("bad", replicas={"min": 5, "max": 4}))

    assert cluster.poll() == ["demo/shop"]
    assert [str(one) for one in cluster.rules.mistakes] == [
        "ScalingRule demo/bad: spec.replicas.max: must be at least min (5); found the number 4"
    ]
    assert cluster.tick() == 2
    assert condition(cluster.status("bad"), "Ready") == (
        "False", "Refused", "spec.replicas.max: must be at least min (5); found the number 4"
    )  # fmt: skip
    assert condition(cluster.status("shop"), "Ready")[:2] == ("True", "Running")


def test_what_contradicts_another_is_left_out_until_it_does_not(cluster: Cluster) -> None:
    cluster.has(rule(), rule("twin", target="shop"), rule("guarded", guard={"slo": "latency"}))

    assert cluster.poll() == ["demo/shop"]
    assert cluster.documents.objection("ScalingRule demo/twin") == (
        "spec.target.name: Deployment demo/shop is already scaled by the rule in ScalingRule demo/shop"
    )
    assert "there is no SLO" in cluster.documents.objection("ScalingRule demo/guarded")

    cluster.has(rule("twin"))
    assert cluster.poll() == ["demo/shop", "demo/twin"]


def test_what_is_deleted_runs_no_more(cluster: Cluster) -> None:
    cluster.has(rule(), rule("other"))
    assert cluster.poll() == ["demo/other", "demo/shop"]
    with cluster.api.changing() as objects:
        objects.delete(("foretide.dev", "scalingrules"), ("demo", "other"))
    until("it is gone", lambda: len(list(cluster.objects.objects())) == 1)

    assert cluster.poll() == ["demo/shop"]


def test_a_decision_is_told_with_its_why(cluster: Cluster, now: datetime) -> None:
    cluster.has(rule())
    cluster.poll()
    made = decision(1, at=now, limited_by=("steps",), hpa_only_replicas=2, lower_bound=3, mode=Mode.ENFORCE)
    cluster.statuses.decided([made])
    assert cluster.tick() == 1

    status = cluster.status("shop")
    assert status["decision"] == {
        "time": "2026-11-21T12:00:00Z", "currentReplicas": 2, "desiredReplicas": 3, "outcome": "scale_up",
        "reason": "DesiredWithinRange", "message": "rps 22/s ÷ 10/s per replica → 3", "limitedBy": ["steps"],
        "bounds": {"min": 3}, "trace": [{"stage": "triggers", "replicas": 3, "message": "rps asks for 3"}],
    }  # fmt: skip
    assert status["wouldBe"] == {"hpaOnly": 2}
    assert condition(status, "Limited") == ("True", "Limited", "steps")
    assert condition(status, "DryRun")[:2] == ("False", "Enforced")


def test_only_a_change_is_written(cluster: Cluster, now: datetime) -> None:
    cluster.has(rule(), sheet("prices"))
    cluster.poll()
    cluster.statuses.decided([decision(1, at=now)])
    assert cluster.tick() == 2

    later = now + timedelta(seconds=15)
    cluster.clock.advance(later - now)
    moved = decision(2, at=later, current_replicas=3, message="rps 24/s ÷ 10/s per replica → 3", hpa_only_replicas=7)
    cluster.statuses.decided([moved])
    until("the first is read", lambda: cluster.tick() == 0)

    cluster.statuses.decided([decision(3, at=later, reason=Reason.FORECAST_FLOOR)])
    before = cluster.status("shop")["conditions"]
    assert cluster.tick() == 1
    assert cluster.status("shop")["decision"]["reason"] == "ForecastFloor"
    assert cluster.status("shop")["conditions"] == before, "no condition changed, so none is younger"


def test_a_spec_that_changed_is_told_to_be_seen(cluster: Cluster) -> None:
    cluster.has(rule())
    cluster.poll()
    assert cluster.tick() == 1
    first = cluster.status("shop")["observedGeneration"]
    cluster.has(rule(replicas={"min": 2, "max": 9}))
    cluster.poll()
    until("the new generation is told", lambda: cluster.tick() or cluster.status("shop")["observedGeneration"] > first)


def test_who_does_not_lead_writes_nothing(cluster: Cluster) -> None:
    cluster.has(rule())
    cluster.poll()
    cluster.leads = False

    assert cluster.tick() == 0


def test_what_cannot_be_written_is_tried_again(cluster: Cluster) -> None:
    cluster.has(rule())
    cluster.poll()
    cluster.api.forbidden.add(("PATCH", "/status"))
    cluster.statuses.tick(cluster.clock.now())
    cluster.api.forbidden.clear()

    assert cluster.tick() == 1


def test_a_broken_edit_is_told_and_an_event_and_what_ran_runs_on(cluster: Cluster, now: datetime) -> None:
    said: list[tuple[str, str]] = []
    cluster.statuses._tell = lambda regarding, one: said.append((regarding.name, one.reason))
    cluster.has(rule())
    cluster.poll()
    cluster.statuses.decided([decision(1, at=now)])
    cluster.tick()
    cluster.has(rule(replicas={"min": 9, "max": 2}))
    assert cluster.poll() == ["demo/shop"]
    until("the edit is told", lambda: cluster.tick() or said)
    status = cluster.status("shop")
    assert condition(status, "Ready")[1:] == (
        "Refused", "spec.replicas.max: must be at least min (9); found the number 2\nwhat ran before runs on",
    )  # fmt: skip
    assert status["decision"]["desiredReplicas"] == 3
    cluster.has(rule())
    cluster.poll()
    until("it is ready again", lambda: cluster.tick() or len(said) == 2)
    assert said == [("shop", "Refused"), ("shop", "Ready")]


def test_a_policy_counts_whom_it_rules_and_whom_it_leaves_out(cluster: Cluster) -> None:
    template = {"replicas": {"min": 1, "max": 9}, "triggers": [CPU]}
    asking = {"name": "rps", "query": "sum(up)", "perReplica": "{{annotation.example.com/rps}}"}
    limit = {**template, "triggers": [asking]}
    for name, spec in (("all", template), ("few", limit)):
        selector = {"matchLabels": {"app": name}}
        policy = {"kind": "ScalingPolicy", "metadata": {"name": name, "namespace": "demo"}}
        cluster.has({**policy, "spec": {"selector": selector, "template": spec}})
    facts = [WorkloadFacts(kind="Deployment", namespace="demo", name=f"{app}-{number}", labels={"app": app})
             for app, count in (("all", 3), ("few", 2)) for number in range(count)]  # fmt: skip
    cluster.rules._ask = lambda: facts
    cluster.poll()
    cluster.tick()
    told = [(cluster.status(name, "ScalingPolicy")["matched"], cluster.status(name, "ScalingPolicy")["leftOut"])
            for name in ("all", "few")]  # fmt: skip
    assert told == [(3, 0), (0, 2)], cluster.rules.mistakes
