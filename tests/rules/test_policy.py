from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import RuleDocumentError
from domain.workloads import WorkloadFacts
from rules import RuleSet
from rules.load import Source, assemble, read_text
from rules.policy import Effective, effective
from rules.provenance import provenance

POLICY = """\
apiVersion: foretide.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: web}
spec:
  selector: {namespaces: {matchLabels: {env: production}}, matchLabels: {app.kubernetes.io/part-of: web}}
  priority: 10
  template:
    replicas: {min: 2, max: 40}
    triggers:
    - name: rps
      query: 'sum(rate(http_requests_total{namespace="{{namespace}}", app="{{ name }}"}[2m]))'
      perReplica: '{{annotation.example.com/rps}}'
"""
RULE = """\
apiVersion: foretide.dev/v1alpha1
kind: ScalingRule
metadata: {name: mine, namespace: shop}
spec:
  target: {name: cart}
  replicas: {min: 1, max: 4}
  triggers: [{name: cpu, resource: {name: cpu, utilization: 70}}]
"""


def any_query(query: str, source: str | None = None, *, traces: bool = False) -> None:
    """Every PromQL text is fine."""


def documents(*texts: str) -> RuleSet:
    raw = "---\n".join(texts).encode()
    return assemble([read_text(raw, Source(file="p.yaml", named=True), check_query=any_query)])


def workload(name: str, *, kind: str = "Deployment", rps: str | None = "120", part_of: str = "web") -> WorkloadFacts:
    annotations = {} if rps is None else {"example.com/rps": rps}
    return WorkloadFacts(
        kind=kind, namespace="shop", name=name, labels={"app.kubernetes.io/part-of": part_of},
        annotations=annotations, namespace_labels={"env": "production"},
    )  # fmt: skip


def come_to(ruleset: RuleSet, *workloads: WorkloadFacts, before: Effective | None = None) -> Effective:
    return effective(ruleset, workloads, check_query=any_query, before=before)


def left_out(found: Effective) -> list[str]:
    return [str(one) for one in found.left_out]


def test_a_policy_rules_each_workload_that_it_finds() -> None:
    found = come_to(documents(POLICY), workload("cart"), workload("blog", part_of="other"))

    (rule,) = found.ruleset.rules
    assert (rule.key, str(rule.target)) == ("shop/cart", "Deployment shop/cart")
    query = rule.trigger("rps").query
    assert query is not None
    assert query.expr == 'sum(rate(http_requests_total{namespace="shop", app="cart"}[2m]))'
    assert rule.trigger("rps").per_replica == 120
    assert found.ruleset.sources["shop/cart"] == "p.yaml:1"


def test_labels_are_found_under_the_names_that_kube_state_metrics_gives_them() -> None:
    told = replace(
        workload("cart"), labels={"app_kubernetes_io_part_of": "web"}, annotations={"example_com_rps": "120"}
    )

    assert [rule.key for rule in come_to(documents(POLICY), told).ruleset.rules] == ["shop/cart"]


def test_a_rule_of_a_document_wins_wholly() -> None:
    found = come_to(documents(POLICY, RULE), workload("cart"), workload("shop"))

    assert [rule.key for rule in found.ruleset.rules] == ["shop/mine", "shop/shop"]
    assert found.ruleset.rules[0].spec.replicas.max == 4


def test_the_highest_priority_wins_then_the_first_name_with_a_warning() -> None:
    low = POLICY.replace("name: web", "name: a").replace("priority: 10", "priority: 9")
    equal = [
        POLICY.replace("name: web", f"name: {name}").replace("max: 40", f"max: {most}")
        for name, most in (("c", 50), ("b", 60))
    ]

    found = come_to(documents(low, *equal), workload("cart"))

    assert found.ruleset.rules[0].spec.replicas.max == 60
    assert found.warnings == (
        "Deployment shop/cart: policies b, c have the same priority; b goes first by its name",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rps", "why"),
    [
        (None, 'it has no annotation "example.com/rps"'),
        ('1"}) or vector(9', 'its annotation "example.com/rps" may not stand in a rule: "1"}) or vector(9"'),
        (
            "many",
            "spec.triggers[0].perReplica: expected a number or a quantity such as 120, 0.5, 250m or 2k; "
            'found the text "many"',
        ),
        ("0", "spec.triggers[0].perReplica: must be above 0; found the number 0"),
    ],
)
def test_a_workload_for_which_no_rule_comes_out_is_left_out_with_the_reason(rps: str | None, why: str) -> None:
    fallback = POLICY.replace("name: web", "name: later").replace("priority: 10", "priority: 1").replace(
        "'{{annotation.example.com/rps}}'", "5"
    )  # fmt: skip

    found = come_to(documents(POLICY, fallback), workload("cart", rps=rps))

    assert found.ruleset.rules == ()
    assert left_out(found) == [f"Deployment shop/cart is left out by policy web: {why}"]


def test_two_kinds_of_one_name_get_two_rules() -> None:
    found = come_to(documents(POLICY), workload("cart", kind="StatefulSet"), workload("cart"))

    assert [rule.key for rule in found.ruleset.rules] == ["shop/cart", "shop/cart.statefulset"]


def test_a_slo_that_is_not_in_the_workloads_namespace_leaves_it_out() -> None:
    guarded = POLICY + "    guard: {slo: latency}\n"

    found = come_to(documents(guarded), workload("cart"))

    assert left_out(found) == ["Deployment shop/cart is left out by policy web: there is no SLO shop/latency"]


def test_every_field_tells_where_it_came_from() -> None:
    ruleset = come_to(documents(POLICY, RULE), workload("shop")).ruleset

    mine, made = (provenance(rule, ruleset) for rule in ruleset.rules)
    assert (mine["replicas.max"], mine["mode"]) == ("rule", "default")
    assert {name: made[name] for name in ("target.name", "mode", "replicas.max", "triggers[0].perReplica")} == {
        "target.name": "workload", "mode": "default", "replicas.max": "policy web p.yaml:8",
        "triggers[0].perReplica": "policy web p.yaml:12",
    }  # fmt: skip


def test_what_has_not_changed_is_taken_from_before_and_comes_to_the_same() -> None:
    ruleset = documents(POLICY)
    before = come_to(ruleset, workload("cart"), workload("shop"))

    again = come_to(ruleset, workload("cart"), workload("shop", rps="60"), before=before)

    assert again.ruleset.rules[0] is before.ruleset.rules[0]
    assert again.ruleset.rules[1].trigger("rps").per_replica == 60
    assert again.ruleset.digest == come_to(ruleset, workload("cart"), workload("shop", rps="60")).ruleset.digest


def test_another_template_is_not_taken_from_before() -> None:
    before = come_to(documents(POLICY), workload("cart"))

    again = come_to(documents(POLICY.replace("max: 40", "max: 41")), workload("cart"), before=before)

    assert again.ruleset.rules[0].spec.replicas.max == 41


@pytest.mark.parametrize(
    ("operator", "values", "finds"),
    [
        ("In", "[web, api]", True),
        ("In", "[api]", False),
        ("NotIn", "[api]", True),
        ("Exists", "[]", True),
        ("DoesNotExist", "[]", False),
    ],
)
def test_expressions_select_as_in_kubernetes(operator: str, values: str, finds: bool) -> None:
    expression = f"matchExpressions: [{{key: app.kubernetes.io/part-of, operator: {operator}, values: {values}}}]"
    policy = POLICY.replace("matchLabels: {app.kubernetes.io/part-of: web}", expression)

    assert bool(come_to(documents(policy), workload("cart")).ruleset.rules) is finds


@settings(max_examples=200)
@given(value=st.text(max_size=30), key=st.sampled_from(["example.com/rps", "app.kubernetes.io/part-of"]))
def test_whatever_a_workload_says_of_itself_it_is_ruled_or_left_out(value: str, key: str) -> None:
    told = workload("cart")
    told = replace(told, annotations={**told.annotations, key: value})

    found = come_to(documents(POLICY), told)

    assert len(found.ruleset.rules) + len(found.left_out) == 1
    for rule in found.ruleset.rules:
        assert provenance(rule, found.ruleset)


@settings(max_examples=200)
@given(
    text=st.text(alphabet="{}. nameslb1%,/", max_size=24), field=st.sampled_from(["query", "perReplica", "activate"])
)
def test_whatever_stands_in_braces_is_told_or_filled(text: str, field: str) -> None:
    template = yaml.safe_load(POLICY)
    template["spec"]["template"]["triggers"][0][field] = text
    with suppress(RuleDocumentError):
        found = come_to(documents(json.dumps(template)), workload("cart"))
        assert len(found.ruleset.rules) + len(found.left_out) == 1
