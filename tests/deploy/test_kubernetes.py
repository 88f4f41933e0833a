"""deploy/kubernetes grants little, runs as nobody, and says so in one place each."""

from __future__ import annotations

import re
import tomllib

import yaml

from app.cost_unused_kinds import EVERY
from rules.crd_names import plural
from rules.schema import KINDS
from tests.deploy.manifests import APART, CRDS, FOLDER, ROOT, everything, of_kind, pods

ROLES = list(of_kind("ClusterRole", "Role"))
RULES = [(role["metadata"]["name"], rule) for role in ROLES for rule in role["rules"]]
WRITES = {"create", "update", "patch", "delete", "deletecollection"}
SCALING = {"autoscaling", "autoscaling.x-k8s.io", "apps", "keda.sh"}
BOUND_BY_NAMESPACES = {f"foretide-acts-by-{way}" for way in ("bounds", "buffer", "hpa", "resize", "scale", "sleep")}


def test_kustomize_names_every_file() -> None:
    for folder in (CRDS, FOLDER, *APART):
        named = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))["resources"]

        there = {file.name for file in folder.glob("*.yaml")} - {"kustomization.yaml"}
        assert {name for name in named if name.endswith(".yaml")} == there


def test_no_role_holds_a_wildcard_a_secret_or_a_shell() -> None:
    for role, rule in RULES:
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]], role
        forbidden = {"secrets", "pods/exec", "pods/attach", "pods/portforward", "serviceaccounts/token", "roles"}
        assert not forbidden & set(rule["resources"]), role
        assert not {"escalate", "bind", "impersonate"} & set(rule["verbs"]), role


def test_what_changes_autoscalers_or_workloads_is_granted_by_namespaces_only() -> None:
    changing = {role for role, rule in RULES if WRITES & set(rule["verbs"]) and SCALING & set(rule["apiGroups"])}
    bound = {one["roleRef"]["name"] for one in of_kind("ClusterRoleBinding")}

    assert changing == BOUND_BY_NAMESPACES
    assert not changing & bound


def test_every_kind_of_document_can_be_read_and_told_about() -> None:
    of_ours = [rule for role, rule in RULES if rule["apiGroups"] == ["foretide.dev"]]
    plurals = {plural(kind) for kind in KINDS}

    assert [set(rule["resources"]) for rule in of_ours] == [
        plurals,
        {f"{one}/status" for one in plurals},
        plurals,  # the webhook
    ]


def test_everything_that_is_looked_through_for_what_is_unused_may_be_listed() -> None:
    """And nothing of it may be changed: foretide cost unused only reads."""
    ours = {one["roleRef"]["name"] for one in of_kind("ClusterRoleBinding")
            if any(who["name"] == "foretide-controller" for who in one["subjects"])}  # fmt: skip
    may = {(group, resource) for role, rule in RULES if role in ours and "list" in rule["verbs"]
           for group in rule["apiGroups"] for resource in rule["resources"]}  # fmt: skip

    assert {(kind.group, kind.plural) for kind in EVERY} - may == set()
    assert all(rule["verbs"] == ["list"] for role, rule in RULES if role == "foretide-unused")


def test_no_token_is_mounted_where_none_is_needed() -> None:
    accounts = {one["metadata"]["name"]: one for one in of_kind("ServiceAccount")}
    mounting = {one["spec"]["serviceAccountName"] for one in pods() if one["spec"]["automountServiceAccountToken"]}

    known = ("controller", "api", "collector", "reaper", "webhook", "adapter", "keda-scaler")
    assert set(accounts) == {f"foretide-{one}" for one in known}
    assert all(one["automountServiceAccountToken"] is False for one in accounts.values())
    assert mounting == {"foretide-controller", "foretide-reaper", "foretide-adapter", "foretide-webhook"}


def test_every_pod_runs_restricted() -> None:
    for pod in pods():
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["spec"]["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}


def test_the_image_is_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    for folder in (FOLDER, *(FOLDER / name for name in ("adapter", "keda-scaler", "webhook"))):
        kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
        assert [one["newTag"] for one in kustomization["images"]] == [version]


def test_every_network_policy_finds_a_pod() -> None:
    labels = [pod["metadata"]["labels"] for pod in pods()]
    for policy in of_kind("NetworkPolicy"):
        wanted = policy["spec"]["podSelector"].get("matchLabels", {})
        assert any(wanted.items() <= one.items() for one in labels), policy["metadata"]["name"]


def test_both_guardrails_say_the_same_but_for_the_fields() -> None:
    policies = {one["metadata"]["name"]: one for one in of_kind("ValidatingAdmissionPolicy")}
    first, second = policies["foretide-guardrails"], policies["foretide-guardrails-keda"]
    said = [
        {re.sub(r"[Rr]eplica(s|Count)", "", one.get("message", "")) for one in policy["spec"]["validations"]}
        for policy in (first, second)
    ]

    assert said[1] <= said[0]
    assert [len(one["spec"]["validations"]) for one in (first, second)] == [10, 9]


def test_everything_says_what_it_is_part_of() -> None:
    for one in everything():
        assert one["metadata"]["labels"]["app.kubernetes.io/part-of"] == "foretide", one["metadata"]["name"]
