from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.check import check_query
from app.effective_command import print_effective
from app.effective_rules import EffectiveRules
from app.system_clock import SystemClock
from controller.cluster.known import from_kube_state
from domain.errors import QuerySourceError
from domain.workloads import WorkloadFacts
from rules import RulesFolder
from store.state import DecisionLedger
from tests.app.conftest import a_house
from tests.app.world import flat
from tests.rules.test_policy import POLICY, RULE, workload

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Workloads:
    """A cluster that may lose its voice."""

    def __init__(self, *workloads: WorkloadFacts) -> None:
        self.workloads: Sequence[WorkloadFacts] = workloads
        self.asked = 0
        self.answers = True

    def __call__(self) -> Sequence[WorkloadFacts]:
        self.asked += 1
        if not self.answers:
            raise QuerySourceError("prometheus does not answer")
        return self.workloads


def rules_of(folder: Path, cluster: Workloads) -> EffectiveRules:
    return EffectiveRules(RulesFolder(folder, check_query=check_query), workloads=cluster, check_query=check_query)


def test_a_new_workload_gets_its_rule_within_a_minute(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(POLICY)
    cluster = Workloads(workload("cart"))
    rules = rules_of(tmp_path, cluster)

    assert rules.poll(NOW)
    assert [rule.key for rule in rules.running.rules] == ["shop/cart"]
    cluster.workloads = (workload("cart"), workload("shop"), workload("blog", rps=None))
    assert not rules.poll(NOW + timedelta(seconds=30))
    assert rules.poll(NOW + timedelta(seconds=60))

    assert [rule.key for rule in rules.running.rules] == ["shop/cart", "shop/shop"]
    assert [one.workload.name for one in rules.left_out] == ["blog"]
    assert cluster.asked == 2


def test_without_an_answer_or_with_an_empty_one_the_known_workloads_stay(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(POLICY)
    cluster = Workloads(workload("cart"))
    rules = rules_of(tmp_path, cluster)
    rules.poll(NOW)

    cluster.answers = False
    assert not rules.poll(NOW + timedelta(minutes=1))
    cluster.answers, cluster.workloads = True, ()
    assert not rules.poll(NOW + timedelta(minutes=2))

    assert [rule.key for rule in rules.running.rules] == ["shop/cart"]


def test_without_a_policy_nobody_asks_the_cluster(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(RULE)
    cluster = Workloads()
    rules = rules_of(tmp_path, cluster)

    assert rules.poll(NOW)
    assert cluster.asked == 0


def test_kube_state_metrics_tells_workloads_with_what_it_may_tell_of_them() -> None:
    series = {
        "kube_deployment_spec_replicas": [{"namespace": "shop", "deployment": "cart"}],
        "kube_deployment_labels": [{"namespace": "shop", "deployment": "cart", "label_app": "cart", "job": "ksm"}],
        "kube_deployment_annotations": [{"namespace": "shop", "deployment": "cart", "annotation_a_b": "1"}],
        "kube_statefulset_replicas": [{"namespace": "shop", "statefulset": "db"}],
        "kube_namespace_labels": [{"namespace": "shop", "label_env": "production"}],
    }

    found = from_kube_state(lambda expr: series.get(expr, []))

    assert found == (
        WorkloadFacts(
            kind="Deployment", namespace="shop", name="cart", labels={"app": "cart"}, annotations={"a_b": "1"},
            namespace_labels={"env": "production"},
        ),
        WorkloadFacts(kind="StatefulSet", namespace="shop", name="db", namespace_labels={"env": "production"}),
    )  # fmt: skip


def kubernetes(name: str, annotations: dict[str, str]) -> dict[str, object]:
    labels = {"app.kubernetes.io/part-of": "web"}
    return {"kind": "Deployment", "metadata": {
        "name": name, "namespace": "shop", "labels": labels, "annotations": annotations,
    }}  # fmt: skip


def test_check_prints_every_effective_field_and_who_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "p.yaml").write_text(POLICY)
    namespace = {"kind": "Namespace", "metadata": {"name": "shop", "labels": {"env": "production"}}}
    items = [namespace, kubernetes("cart", {"example.com/rps": "120"}), kubernetes("blog", {})]
    (tmp_path / "fleet.json").write_text(json.dumps({"kind": "List", "items": items}))

    code = print_effective([tmp_path / "p.yaml"], tmp_path / "fleet.json")

    said = capsys.readouterr()
    assert code == 1
    assert "shop/cart scales Deployment shop/cart" in said.out
    fields = {line.split()[0]: line.split() for line in said.out.splitlines() if line.startswith("  ")}
    assert fields["triggers[0].perReplica"][1:] == ['"120"', "policy", "web", f"{tmp_path}/p.yaml:12"]
    assert "Deployment shop/blog is left out by policy web: it has no annotation" in said.err


@pytest.mark.parametrize("text", ["a: [", "just a text", '{"a": ', "- 1"])
def test_a_file_that_is_no_list_of_objects_is_said(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "p.yaml").write_text(POLICY)
    (tmp_path / "fleet").write_text(text)

    assert print_effective([tmp_path / "p.yaml"], tmp_path / "fleet") == 2
    assert "no output of kubectl get" in capsys.readouterr().err


def test_a_house_rules_what_kube_state_metrics_tells_of(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    now = SystemClock().now()
    (tmp_path / "rules" / "p.yaml").write_text(POLICY)
    at = {"namespace": "shop", "deployment": "cart"}
    series = [
        flat("kube_deployment_spec_replicas", [3.0], end=now, **at),
        flat("kube_deployment_labels", [1.0], end=now, label_app_kubernetes_io_part_of="web", **at),
        flat("kube_deployment_annotations", [1.0], end=now, annotation_example_com_rps="120", **at),
        flat("kube_namespace_labels", [1.0], end=now, namespace="shop", label_env="production"),
    ]
    house.metrics.load(series)

    house.prepare()

    assert "shop/cart" in [rule.key for rule in house.running_rules().rules]
    house.decide(now)
    with house.state.transaction() as session:
        decision = DecisionLedger(session).latest("shop/cart")
    assert decision is not None
    assert decision.current_replicas == 3
    house.close()
