"""deploy/ on a real API server: the CRDs, what the policy denies, and what each ServiceAccount can do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Any

import pytest
import yaml
from tests.cluster.api import APPLY, Api, ApiError, Object, path
from tests.cluster.control_plane import Cluster

from rules.crds import plural
from rules.schema import KINDS
from tests.deploy.manifests import FOLDER, ROOT, everything, objects
from tests.rules.test_bad_documents import CASES
from tests.rules.test_golden import FILES
from tests.rules.test_json_schema import OURS, documents

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
OWN = "foretide"
ACCOUNT = f"system:serviceaccount:{OWN}:foretide-"
DRY = {"dryRun": "All"}
GOOD = [
    *OURS,
    *(
        one
        for file in sorted((ROOT / "deploy" / "compose" / "rules").glob("*.yaml"))
        for one in documents(file.read_text(encoding="utf-8"))
    ),
]


def apply(api: Api, one: Object, **query: str) -> Object:
    """As ``kubectl apply --server-side`` does."""
    metadata = one["metadata"]
    where = path(one["kind"], metadata["name"], metadata.get("namespace"), api=one["apiVersion"])
    asked = {"fieldManager": "kubectl", "fieldValidation": "Strict", "force": "true", **query}
    return api.request("PATCH", where, one, content_type=APPLY, query=asked)


@pytest.fixture(scope="module")
def installed(cluster: Cluster) -> Cluster:
    """``kubectl apply -k deploy/kubernetes``, after a dry run of the same."""
    api = cluster.api
    manifests = objects(FOLDER)
    namespace = next(one for one in manifests if one["kind"] == "Namespace")
    apply(api, namespace)
    for one in manifests:
        apply(api, one, **DRY)
    for one in [*manifests, *objects(FOLDER / "discovery")]:
        apply(api, one)
    for where in (f"/apis/foretide.dev/v1alpha1/{plural(kind)}" for kind in KINDS):
        api.until(f"{where} is served", partial(api.request, "GET", where))
    return cluster


def post(api: Api, namespace: str, document: Any) -> str:
    """What the API server says against a document; empty where it takes it. Unknown fields as kubectl has them."""
    data = {**document, "metadata": {**document.get("metadata", {}), "namespace": namespace}}
    where = f"/apis/foretide.dev/v1alpha1/namespaces/{namespace}/{plural(document['kind'])}"
    try:
        api.request("POST", where, data, query={**DRY, "fieldValidation": "Strict"})
    except ApiError as error:
        return error.message
    return ""


# ---- documents


def test_the_server_finds_nothing_wrong_with_the_definitions(installed: Cluster) -> None:
    for one in everything():
        if one["kind"] != "CustomResourceDefinition":
            continue
        name = one["metadata"]["name"]
        status = installed.api.get("CustomResourceDefinition", name)["status"]
        conditions = {condition["type"]: condition["status"] for condition in status["conditions"]}
        assert conditions["Established"] == "True", name
        assert conditions["NamesAccepted"] == "True", name
        assert "NonStructuralSchema" not in conditions, conditions


def test_every_good_document_is_accepted(installed: Cluster) -> None:
    namespace = installed.namespace("good")
    said = {f"{one['kind']} {one['metadata']['name']}": post(installed.api, namespace, one) for one in GOOD}

    assert len(said) > 20
    assert {name: message for name, message in said.items() if message} == {}


def bad() -> Iterator[tuple[str, Any]]:
    """Name and data of each bad document that is YAML and one of ours: the rest never reaches an API server."""
    texts = [(name, text) for name, text, _ in CASES]
    texts += [(file.name, file.read_text(encoding="utf-8", errors="replace")) for file in FILES]
    for name, text in texts:
        try:
            found = documents(text)
        except (yaml.YAMLError, ValueError):
            continue
        if len(found) == 1 and isinstance(found[0], dict) and isinstance(found[0].get("metadata"), dict):
            if found[0].get("kind") in {one["kind"] for one in OURS}:
                yield name, found[0]


def test_most_bad_documents_are_refused_by_the_schema_alone(installed: Cluster) -> None:
    """The rest takes a parser of PromQL, cron or combine, a calendar, or other documents: the webhook's business."""
    namespace = installed.namespace("bad")
    said = {name: post(installed.api, namespace, one) for name, one in bad()}
    passed = sorted(name for name, message in said.items() if not message)
    refused = len(said) - len(passed)
    print(f"refused {refused} of {len(said)}; passed: {passed}")

    assert len(said) > 150
    assert refused / len(said) >= 0.5


def test_a_mistake_that_cel_sees_is_told_as_foretide_check_tells_it(installed: Cluster) -> None:
    namespace = installed.namespace("told")
    rule = next(one for one in OURS if one["kind"] == "ScalingRule")
    said = post(installed.api, namespace, {**rule, "spec": {**rule["spec"], "replicas": {"min": 5, "max": 4}}})

    assert "spec.replicas.max: Invalid value: " in said
    assert "must be at least min (5); found the number 4" in said


def test_a_status_is_written_apart_from_the_spec(installed: Cluster) -> None:
    namespace, api = installed.namespace("status"), installed.api
    rule = next(one for one in OURS if one["kind"] == "ScalingRule")
    where = f"/apis/foretide.dev/v1alpha1/namespaces/{namespace}/scalingrules"
    api.request("POST", where, {**rule, "metadata": {"name": "a", "namespace": namespace}})
    condition = {"type": "Ready", "status": "True", "reason": "Decided", "lastTransitionTime": "2026-11-21T12:00:00Z"}
    decision = {
        "time": "2026-11-21T12:00:00Z", "currentReplicas": 3, "desiredReplicas": 4, "outcome": "scale_up",
        "reason": "ForecastFloor", "message": "4", "limitedBy": ["forecast"],
        "trace": [{"stage": "triggers", "replicas": 3, "message": "rps asks for 3"}],
    }  # fmt: skip
    status = {"observedGeneration": 1, "conditions": [condition], "decision": decision, "wouldBe": {"hpaOnly": 3}}
    told = {"apiVersion": "foretide.dev/v1alpha1", "kind": "ScalingRule", "metadata": {"name": "a"}, "status": status}
    query = {"fieldManager": "foretide", "force": "true", "fieldValidation": "Strict"}
    found = api.request("PATCH", f"{where}/a/status", told, content_type=APPLY, query=query)

    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    rows = api.request("GET", where, accept=table)
    columns = [one["name"] for one in rows["columnDefinitions"]]
    cells = dict(zip(columns, rows["rows"][0]["cells"], strict=True))
    assert found["status"] == status
    assert found["metadata"]["generation"] == 1
    assert (cells["Current"], cells["Desired"], cells["HPA alone"], cells["Ready"]) == (3, 4, 3, "True")
    assert cells["Reason"] == "ForecastFloor"


# ---- guardrails

CPU = {"type": "Utilization", "averageUtilization": 70}


def hpa(namespace: str, name: str, *, low: int = 4, high: int = 40, **metadata: Any) -> Object:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": low,
            "maxReplicas": high,
            "metrics": [
                {"type": "Resource", "resource": {"name": "cpu", "target": CPU}},
            ],
        },
    }


def stamped(epoch: str | None = "7", **spec: Any) -> Object:
    """A change of ours: bounds with the epoch of who writes."""
    annotations = {} if epoch is None else {"foretide.dev/epoch": epoch}
    return {"metadata": {"annotations": annotations}, "spec": spec}


KEDA = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "web", "uid": "1"}
EPOCH_7 = {"annotations": {"foretide.dev/epoch": "7"}}
DENIED: list[tuple[str, Object, Object, str]] = [
    ("frozen", {"annotations": {"foretide.dev/freeze": ""}}, stamped(minReplicas=5), "frozen by its annotation"),
    ("target", {}, stamped(scaleTargetRef={"name": "api"}), "may not change scaleTargetRef"),
    ("no-epoch", {}, stamped(None, minReplicas=5), "only with the epoch"),
    ("text-epoch", {}, stamped("seven", minReplicas=5), "must be a whole number"),
    ("old-epoch", EPOCH_7, stamped("6", minReplicas=5), "the leader of epoch 6 writes after that of epoch 7"),
    ("bad-epoch", {"annotations": {"foretide.dev/epoch": "x"}}, stamped("8", minReplicas=5), "after that of epoch x"),
    ("unstamp", EPOCH_7, {"metadata": {"annotations": {"foretide.dev/epoch": None}}, "spec": {"minReplicas": 5}},
     "only with the epoch"),
    ("step-up", {}, stamped(minReplicas=19), "may rise from 4 to 18 at most, not to 19"),
    ("step-down", {}, stamped(maxReplicas=19), "may fall from 40 to its half at least, not to 19"),
    ("crossed", {}, stamped(minReplicas=18, maxReplicas=17), "may fall from 40"),
    ("beyond", {}, stamped(minReplicas=15, maxReplicas=14), "may fall from 40"),
    ("keda", {"ownerReferences": [KEDA]}, stamped(minReplicas=5), "belongs to a ScaledObject"),
]  # fmt: skip
ALLOWED: list[tuple[str, Object, Object]] = [
    ("up", {}, stamped(minReplicas=18)),
    ("down", {}, stamped(maxReplicas=20)),
    ("same-epoch", EPOCH_7, stamped("7", minReplicas=5)),
    ("next-epoch", EPOCH_7, stamped("10", minReplicas=5)),
    ("floor-down", EPOCH_7, stamped("7", minReplicas=1)),
    ("ceiling-up", EPOCH_7, stamped("7", maxReplicas=400)),
    ("hand-back", EPOCH_7, {"metadata": {"annotations": {"foretide.dev/epoch": None}}}),
]


@pytest.fixture(scope="module")
def opted_in(installed: Cluster) -> str:
    """A namespace with the RoleBinding, once the policy is in force."""
    namespace, api = installed.namespace("opted"), installed.api
    for one in objects(FOLDER / "opt-in"):
        apply(api, {**one, "metadata": {**one["metadata"], "namespace": namespace}})
    api.create(hpa(namespace, "first"))
    ours = installed.as_user(f"{ACCOUNT}controller")
    without = stamped(None, minReplicas=5)
    api.until("the policy holds", lambda: "only with the epoch" in change(ours, namespace, "first", without))
    return namespace


def change(api: Api, namespace: str, name: str, what: Object) -> str:
    """What is said against a change; empty where it is done."""
    try:
        api.merge("HorizontalPodAutoscaler", name, namespace, what)
    except ApiError as error:
        return error.message
    return ""


@pytest.mark.parametrize("who", ["controller", "reaper"])
def test_the_policy_denies_each_of_its_cases(installed: Cluster, opted_in: str, who: str) -> None:
    ours = installed.as_user(ACCOUNT + who)
    said = {}
    for name, metadata, what, _ in DENIED:
        installed.api.create(hpa(opted_in, f"{who}-{name}", **metadata))
        said[name] = change(ours, opted_in, f"{who}-{name}", what)

    assert [(name, said[name]) for name, _, _, told in DENIED if told not in said[name]] == []
    assert all("foretide-guardrails" in message for message in said.values())


def test_the_policy_lets_right_writes_through(installed: Cluster, opted_in: str) -> None:
    ours = installed.as_user(f"{ACCOUNT}controller")
    said = {}
    for name, metadata, what in ALLOWED:
        installed.api.create(hpa(opted_in, f"good-{name}", **metadata))
        said[name] = change(ours, opted_in, f"good-{name}", what)

    assert {name: message for name, message in said.items() if message} == {}


def test_an_epoch_is_looked_at_in_autoscaling_v1_too(installed: Cluster, opted_in: str) -> None:
    """The same object by its other version: matchPolicy Equivalent."""
    installed.api.create(hpa(opted_in, "v1", **EPOCH_7))
    ours = installed.as_user(f"{ACCOUNT}controller")
    where = path("HorizontalPodAutoscaler", "v1", opted_in, api="autoscaling/v1")

    with pytest.raises(ApiError, match="the leader of epoch 6"):
        ours.request("PATCH", where, stamped("6", minReplicas=5), content_type="application/merge-patch+json")


def test_nobody_else_is_held_by_the_policy(installed: Cluster, opted_in: str) -> None:
    installed.api.create(hpa(opted_in, "theirs", annotations={"foretide.dev/freeze": ""}))

    assert change(installed.api, opted_in, "theirs", {"spec": {"minReplicas": 35}}) == ""


def test_kube_system_and_the_own_namespace_stay_untouched(installed: Cluster, opted_in: str) -> None:
    """Even where somebody granted it."""
    ours = installed.as_user(f"{ACCOUNT}controller")
    for namespace in ("kube-system", OWN):
        for one in objects(FOLDER / "opt-in"):
            apply(installed.api, {**one, "metadata": {**one["metadata"], "namespace": namespace}})
        installed.api.create(hpa(namespace, "web"))
        told = partial(change, ours, namespace, "web", stamped(minReplicas=5))
        assert installed.api.until("the grant is in force", lambda told=told: "neither kube-system nor" in told())
        installed.api.delete("RoleBinding", "foretide-acts-by-bounds", namespace)
        installed.api.delete("HorizontalPodAutoscaler", "web", namespace)


# ---- rights

DOCUMENTS = {f"foretide.dev/{plural(kind)}" for kind in KINDS}
READ = {"get", "list", "watch"}
HPAS = "autoscaling/horizontalpodautoscalers"
KEDAS = "keda.sh/scaledobjects"
LEASE = "coordination.k8s.io/leases/foretide-controller"
ANYWHERE: dict[str, dict[str, set[str]]] = {
    "controller": {
        HPAS: READ, KEDAS: READ, "apps/deployments": READ, "apps/statefulsets": READ,
        "policy/poddisruptionbudgets": READ, "/namespaces": READ, "/events": {"create", "patch"},
        "events.k8s.io/events": {"create", "patch"},
        **dict.fromkeys(DOCUMENTS, READ), **{f"{one}/status": {"get", "patch"} for one in DOCUMENTS},
    },
    "api": {
        "authentication.k8s.io/tokenreviews": {"create"}, "authorization.k8s.io/subjectaccessreviews": {"create"},
    },
    "collector": {
        "/nodes": READ, "/services": READ, "/pods": READ, "discovery.k8s.io/endpointslices": READ,
        "networking.k8s.io/ingresses": READ, "metrics.k8s.io/pods": {"get", "list"},
        "metrics.k8s.io/nodes": {"get", "list"},
    },
    "reaper": {HPAS: {"get", "list"}, KEDAS: {"get", "list"}},
}  # fmt: skip
OPTED_IN = {HPAS: {"patch"}, KEDAS: {"patch"}}
AT_HOME: dict[str, dict[str, set[str]]] = {
    "controller": {LEASE: {"get", "update", "patch"}, "coordination.k8s.io/leases": {"create"}},
    "reaper": {LEASE: {"get"}},
}
OF_EVERYBODY = re.compile(r"authorization.k8s.io/selfsubject\w+|authentication.k8s.io/selfsubjectreviews")


def rights(api: Api, namespace: str) -> dict[str, set[str]]:
    """Everything that a user may do in a namespace, as the server's authorizers add it up."""
    kind = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview"}
    asked = {**kind, "spec": {"namespace": namespace}}
    told = api.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", asked)["status"]
    assert told["incomplete"] is False
    found: dict[str, set[str]] = {}
    for rule in told["resourceRules"]:
        names = [f"/{name}" for name in rule.get("resourceNames", [])] or [""]
        for group, one, name in product(rule["apiGroups"], rule["resources"], names):
            what = f"{group}/{one}{name}"
            if not OF_EVERYBODY.fullmatch(what):
                found.setdefault(what, set()).update(rule["verbs"])
    return found


def both(one: dict[str, set[str]], other: dict[str, set[str]]) -> dict[str, set[str]]:
    return {what: one.get(what, set()) | other.get(what, set()) for what in {*one, *other}}


@pytest.mark.parametrize("who", ["controller", "api", "collector", "reaper"])
def test_an_account_may_do_what_is_listed_and_nothing_else(installed: Cluster, opted_in: str, who: str) -> None:
    account, elsewhere = installed.as_user(ACCOUNT + who), installed.namespace("other")
    acts = OPTED_IN if who in ("controller", "reaper") else {}

    assert rights(account, elsewhere) == ANYWHERE[who]
    assert rights(account, opted_in) == both(ANYWHERE[who], acts)
    assert rights(account, OWN) == both(ANYWHERE[who], AT_HOME.get(who, {}))


ASKED: list[tuple[str, str, str, bool]] = [
    ("controller", "patch", HPAS, False), ("controller", "list", HPAS, True), ("controller", "delete", HPAS, False),
    ("controller", "get", "/secrets", False), ("controller", "create", "/pods/exec", False),
    ("controller", "patch", "apps/deployments/scale", False), ("controller", "list", "/pods", False),
    ("api", "create", "authentication.k8s.io/tokenreviews", True), ("api", "list", HPAS, False),
    ("api", "get", "/secrets", False), ("collector", "list", "/pods", True), ("collector", "get", "/secrets", False),
    ("collector", "create", "/pods/exec", False), ("collector", "patch", HPAS, False),
    ("reaper", "list", HPAS, True), ("reaper", "patch", HPAS, False), ("reaper", "get", "/secrets", False),
    ("reaper", "create", "/serviceaccounts/token", False), ("controller", "create", "/serviceaccounts/token", False),
]  # fmt: skip


def test_the_authorizer_answers_as_listed(installed: Cluster) -> None:
    """In a namespace that has not opted in."""
    namespace, wrong = installed.namespace("asked"), []
    for who, verb, what, expected in ASKED:
        group, resource, *rest = what.split("/")
        attributes = {
            "namespace": namespace, "verb": verb, "group": group, "resource": resource, "subresource": "".join(rest),
        }  # fmt: skip
        body = {
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {"user": ACCOUNT + who, "resourceAttributes": attributes},
        }  # fmt: skip
        told = installed.api.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body)["status"]
        if told["allowed"] is not expected:
            wrong.append((who, verb, what))

    assert wrong == []


def test_restricted_pod_security_admits_our_pods(installed: Cluster) -> None:
    """The namespace enforces it; a Deployment is only warned about, so the pods are made here."""
    for kind, name in (("Deployment", "foretide"), ("CronJob", "foretide-reaper")):
        made = installed.api.get(kind, name, OWN)["spec"]
        template = made["template"] if kind == "Deployment" else made["jobTemplate"]["spec"]["template"]
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe", "namespace": OWN}, **template}
        pod["metadata"] = {"name": "probe", "namespace": OWN, "labels": template["metadata"]["labels"]}
        installed.api.request("POST", path("Pod", None, OWN), pod, query=DRY)
