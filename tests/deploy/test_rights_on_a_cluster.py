"""Rights and guardrails on a real API server: each ServiceAccount, by its own token, may do what is listed, no more."""

from __future__ import annotations

import io
import re
from functools import partial
from itertools import product
from typing import Any

import pytest

from app.reap_command import Where, give_back
from app.system_clock import SystemClock
from controller.actuation.limits import Limits
from controller.actuation.rings import Plan, Release, State, resumed
from controller.cluster.kubernetes_rings import RingShelf
from controller.reaper import Orders
from domain.errors import ConflictError, RightsError
from kube import Access, Writer, connect
from rules.crd_names import plural
from rules.schema import KINDS
from tests.cluster.api import MERGE, Api, ApiError, Object, path
from tests.cluster.control_plane import Cluster
from tests.deploy.applying import ACCOUNT, ACCOUNTS, DRY, OWN, apply
from tests.deploy.manifests import opt_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# ---- guardrails

HPA, SCALED_OBJECT = "HorizontalPodAutoscaler", "ScaledObject"
KINDS_OF_BOUNDS = {HPA: "autoscaling/v2", SCALED_OBJECT: "keda.sh/v1alpha1"}
COUNTS = {"minReplicas": "minReplicaCount", "maxReplicas": "maxReplicaCount"}
CPU = {"type": "Utilization", "averageUtilization": 70}


def autoscaler(kind: str, namespace: str, name: str, **metadata: Any) -> Object:
    """From 10 to 40."""
    spec: Object = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "minReplicas": 10,
        "maxReplicas": 40,
    }
    if kind == HPA:
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": CPU}}]
    of = {"apiVersion": KINDS_OF_BOUNDS[kind], "kind": kind, "metadata": {"name": name, "namespace": namespace}}
    of["metadata"] |= metadata
    return as_written({**of, "spec": spec}, kind)


def as_written(of: Object, kind: str) -> Object:
    """KEDA calls the bounds otherwise."""
    spec = {COUNTS.get(name, name) if kind == SCALED_OBJECT else name: value for name, value in of["spec"].items()}
    return {**of, "spec": spec}


def stamped(epoch: str | None = "7", **spec: Any) -> Object:
    """A change of ours: bounds with the epoch of who writes."""
    annotations = {} if epoch is None else {"foretide.dev/epoch": epoch}
    return {"metadata": {"annotations": annotations}, "spec": spec}


def change(api: Api, namespace: str, name: str, what: Object, kind: str = HPA) -> str:
    """What is said against a change; empty where it is done."""
    try:
        where = path(kind, name, namespace, api=KINDS_OF_BOUNDS[kind])
        api.request("PATCH", where, as_written(what, kind), content_type=MERGE)
    except ApiError as error:
        return error.message
    return ""


EPOCH_7 = {"annotations": {"foretide.dev/epoch": "7"}}
UNSTAMPED = {"annotations": {"foretide.dev/epoch": None}}
KEDA = {"apiVersion": "keda.sh/v2", "kind": SCALED_OBJECT, "name": "web", "uid": "1"}
"""Of a version that is not served: whose owner can be looked for and is not there, the garbage collector deletes."""
DENIED: list[tuple[str, Object, Object, str]] = [
    ("frozen", {"annotations": {"foretide.dev/freeze": ""}}, stamped(minReplicas=11), "frozen by its annotation"),
    ("target", {}, stamped(scaleTargetRef={"name": "api"}), "may not change scaleTargetRef"),
    ("no-epoch", {}, stamped(None, minReplicas=11), "only with the epoch"),
    ("text-epoch", {}, stamped("seven", minReplicas=11), "must be a whole number"),
    ("old-epoch", EPOCH_7, stamped("6", minReplicas=11), "the leader of epoch 6 writes after that of epoch 7"),
    ("bad-epoch", {"annotations": {"foretide.dev/epoch": "x"}}, stamped("8", minReplicas=11), "after that of epoch x"),
    ("unstamp", EPOCH_7, {"metadata": UNSTAMPED, "spec": {"minReplicas": 11}}, "only with the epoch"),
    ("step-up", {}, stamped(minReplicas=31), "may rise from 10 to 30 at most, not to 31"),
    ("step-down", {}, stamped(maxReplicas=19), "may fall from 40 to its half at least, not to 19"),
]  # fmt: skip
DENIED_BY_KIND = {
    HPA: [
        # The API server's own validation comes first: ours is for a server that allows it one day (HPAScaleToZero).
        ("crossed", {}, stamped(minReplicas=30, maxReplicas=20), "must be greater than or equal to `minReplicas`"),
        ("of-keda", {"ownerReferences": [KEDA]}, stamped(minReplicas=11), "belongs to a ScaledObject"),
    ],
    SCALED_OBJECT: [
        ("crossed", {}, stamped(minReplicas=30, maxReplicas=20), "expected 0 <= minReplicaCount <= maxReplicaCount"),
    ],
}
ALLOWED: list[tuple[str, Object, Object]] = [
    ("up", {}, stamped(minReplicas=30)),
    ("down", {}, stamped(maxReplicas=20)),
    ("same-epoch", EPOCH_7, stamped("7", minReplicas=11)),
    ("next-epoch", EPOCH_7, stamped("10", minReplicas=11)),
    ("floor-down", EPOCH_7, stamped("7", minReplicas=1)),
    ("ceiling-up", EPOCH_7, stamped("7", maxReplicas=400)),
    ("hand-back", EPOCH_7, {"metadata": UNSTAMPED, "spec": {}}),
]


@pytest.fixture(scope="module")
def keda(installed: Cluster) -> None:
    """KEDA's kind as far as its bounds go: their own definition is their business."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    names = {"kind": SCALED_OBJECT, "plural": "scaledobjects", "singular": "scaledobject"}
    version = {"name": "v1alpha1", "served": True, "storage": True, "schema": {"openAPIV3Schema": anything}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "scaledobjects.keda.sh"},
        "spec": {"group": "keda.sh", "scope": "Namespaced", "names": names, "versions": [version]},
    }
    apply(installed.api, definition)
    where = "/apis/keda.sh/v1alpha1/scaledobjects"
    installed.api.until("ScaledObjects are served", partial(installed.api.request, "GET", where))


@pytest.fixture(scope="module")
def opted_in(installed: Cluster, acting: dict[str, Api], keda: None) -> str:
    """A namespace with the RoleBinding, once both policies are in force."""
    namespace, api = installed.namespace("opted"), installed.api
    for one in opt_in("bounds"):
        apply(api, {**one, "metadata": {**one["metadata"], "namespace": namespace}})
    for kind in KINDS_OF_BOUNDS:
        api.create(autoscaler(kind, namespace, "first"))
        told = partial(change, acting["controller"], namespace, "first", stamped(None, minReplicas=11), kind)
        api.until(f"the policy holds {kind}", lambda told=told: "only with the epoch" in told())
    return namespace


@pytest.mark.parametrize("kind", KINDS_OF_BOUNDS)
@pytest.mark.parametrize("who", ["controller", "reaper"])
def test_the_policy_denies_each_of_its_cases(
    installed: Cluster, acting: dict[str, Api], opted_in: str, who: str, kind: str
) -> None:
    cases, wrong = [*DENIED, *DENIED_BY_KIND[kind]], []
    for name, metadata, what, expected in cases:
        installed.api.create(autoscaler(kind, opted_in, f"{who}-{name}", **metadata))
        said = change(acting[who], opted_in, f"{who}-{name}", what, kind)
        if expected not in said.replace("ReplicaCount", "Replicas") and expected not in said:
            wrong.append((name, said))

    assert wrong == []


@pytest.mark.parametrize("kind", KINDS_OF_BOUNDS)
def test_the_policy_lets_right_writes_through(
    installed: Cluster, acting: dict[str, Api], opted_in: str, kind: str
) -> None:
    said = {}
    for name, metadata, what in ALLOWED:
        installed.api.create(autoscaler(kind, opted_in, f"good-{name}", **metadata))
        said[name] = change(acting["controller"], opted_in, f"good-{name}", what, kind)

    assert {name: message for name, message in said.items() if message} == {}


def test_an_epoch_is_looked_at_in_autoscaling_v1_too(installed: Cluster, acting: dict[str, Api], opted_in: str) -> None:
    """The same object by its other version: matchPolicy Equivalent."""
    installed.api.create(autoscaler(HPA, opted_in, "v1", **EPOCH_7))
    where = path(HPA, "v1", opted_in, api="autoscaling/v1")

    with pytest.raises(ApiError, match="the leader of epoch 6"):
        acting["controller"].request("PATCH", where, stamped("6", minReplicas=11), content_type=MERGE)


def test_nobody_else_is_held_by_the_policy(installed: Cluster, opted_in: str) -> None:
    installed.api.create(autoscaler(HPA, opted_in, "theirs", annotations={"foretide.dev/freeze": ""}))

    assert change(installed.api, opted_in, "theirs", {"spec": {"minReplicas": 35}}) == ""


def test_kube_system_and_the_own_namespace_stay_untouched(
    installed: Cluster, acting: dict[str, Api], opted_in: str
) -> None:
    """Even where somebody granted it."""
    for namespace in ("kube-system", OWN):
        for one in opt_in("bounds"):
            apply(installed.api, {**one, "metadata": {**one["metadata"], "namespace": namespace}})
        installed.api.create(autoscaler(HPA, namespace, "web"))
        told = partial(change, acting["controller"], namespace, "web", stamped(minReplicas=11))
        assert installed.api.until("the grant is in force", lambda told=told: "touches neither kube-system" in told())
        installed.api.delete("RoleBinding", "foretide-acts-by-bounds", namespace)
        installed.api.delete(HPA, "web", namespace)


LEFT_BEHIND = {
    "foretide.dev/baseline-min": "10", "foretide.dev/baseline-max": "40", "foretide.dev/epoch": "7",
    "foretide.dev/set-max": "30 at 2026-11-20T12:00:00Z from 30", "foretide.dev/expires-at": "2026-11-20T12:15:00Z",
    "foretide.dev/rule": "shop/web", "foretide.dev/reason": "BudgetCeiling",
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS_OF_BOUNDS)
def test_the_reaper_gives_back_as_its_own_account_where_a_namespace_opted_in(
    installed: Cluster, opted_in: str, kind: str
) -> None:
    """Rights, guardrails and reaper together; a ceiling goes back at once."""
    elsewhere = installed.namespace("other")
    for namespace in (opted_in, elsewhere):
        left = autoscaler(kind, namespace, "left-behind", annotations=LEFT_BEHIND)
        left["spec"]["maxReplicas" if kind == HPA else "maxReplicaCount"] = 30
        installed.api.create(left)
    kubeconfig = installed.kubeconfig(f"{ACCOUNT}reaper")
    where = Where(context="foretide-test", kubeconfig=kubeconfig, in_cluster=False, namespace=OWN)
    told = {one.namespace: one for one in give_back(where, Orders(seconds=1), io.StringIO()) if one.kind == kind}

    assert told[opted_in].after == Limits(low=10, high=40)
    assert told[elsewhere].after == Limits(low=10, high=30), told[elsewhere].said


def test_the_rings_are_kept_by_the_controllers_own_account(installed: Cluster, opted_in: str) -> None:
    """Made by an apply that names it, so that `create` can be limited to the name; RBAC's refusal is known for one."""
    access = Access(kubeconfig=installed.kubeconfig(f"{ACCOUNT}controller"), context="foretide-test")
    connection = connect(access, clock=SystemClock())
    writer = Writer(connection)
    shelf = RingShelf(connection, writer, namespace=OWN, plan=Plan(), leads=lambda: True)
    assert shelf.read() == State()
    state = State(controller="0.1", done={"shop/web": "1"}, releases=(Release(name="rules", members={"a/b": "2"}),))
    shelf.write(state)
    late = RingShelf(connection, writer, namespace=OWN, plan=Plan(), leads=lambda: True)
    assert late.read() == state
    shelf.read()
    shelf.write(resumed(state, finish=True))
    with pytest.raises(ConflictError):
        late.write(state)
    elsewhere = RingShelf(connection, writer, namespace=opted_in, plan=Plan(), leads=lambda: True)
    with pytest.raises(RightsError, match="cannot be read"):
        elsewhere.read()
    connection.close()


# ---- rights

DOCUMENTS = {f"foretide.dev/{plural(kind)}" for kind in KINDS}
READ = {"get", "list", "watch"}
HPAS = "autoscaling/horizontalpodautoscalers"
KEDAS = "keda.sh/scaledobjects"
BUFFERS = "autoscaling.x-k8s.io/capacitybuffers"
LEASE = "coordination.k8s.io/leases/foretide-controller"
SWITCH = "/configmaps/foretide-freeze"
RINGS = "/configmaps/foretide-rings"
DISCOVERED: dict[str, set[str]] = {
    **dict.fromkeys(("/nodes", "/services", "/pods", "/namespaces", "/resourcequotas"), READ),
    **dict.fromkeys(("/persistentvolumes", "/persistentvolumeclaims"), READ),
    **dict.fromkeys(("apps/deployments", "apps/statefulsets", "apps/replicasets", HPAS), READ),
    "policy/poddisruptionbudgets": READ, "discovery.k8s.io/endpointslices": READ, "networking.k8s.io/ingresses": READ,
    "metrics.k8s.io/pods": {"get", "list"}, "metrics.k8s.io/nodes": {"get", "list"},
}  # fmt: skip
"""deploy/kubernetes/discovery: for the collector, and for the controller, which collects while both are one process."""
UNUSED: dict[str, set[str]] = dict.fromkeys(
    ("/replicationcontrollers", "apps/daemonsets", "batch/jobs", "batch/cronjobs"), {"list"}
)  # fmt: skip
"""deploy/kubernetes/discovery/unused.yaml."""
ANYWHERE: dict[str, dict[str, set[str]]] = {
    "controller": {
        **DISCOVERED, **UNUSED, HPAS: READ, KEDAS: READ, "apps/deployments": READ, "apps/statefulsets": READ,
        BUFFERS: READ, "argoproj.io/rollouts": READ, "argoproj.io/rollouts/scale": {"get"},
        "policy/poddisruptionbudgets": READ, "scheduling.k8s.io/priorityclasses": {"get", "list"},
        "/namespaces": READ, "karpenter.sh/nodepools": {"get", "list"},
        "/events": {"create", "patch"},
        "events.k8s.io/events": {"create", "patch"},
        **dict.fromkeys(DOCUMENTS, READ), **{f"{one}/status": {"get", "patch"} for one in DOCUMENTS},
    },
    "api": {
        "authentication.k8s.io/tokenreviews": {"create"}, "authorization.k8s.io/subjectaccessreviews": {"create"},
    },
    "collector": DISCOVERED,
    "reaper": {
        one: {"get", "list"}
        for one in (HPAS, KEDAS, BUFFERS, "batch/cronjobs", "/resourcequotas", "apps/deployments", "apps/statefulsets")
    },
}  # fmt: skip
OPTED_IN = {HPAS: {"patch"}, KEDAS: {"patch"}}
AT_HOME: dict[str, dict[str, set[str]]] = {
    "controller": {
        LEASE: {*READ, "update", "patch"},
        "coordination.k8s.io/leases": {"create"},
        SWITCH: {"get"},
        RINGS: {"get", "create", "patch"},
    },
    "reaper": {SWITCH: {"get"}},
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


@pytest.mark.parametrize("who", ACCOUNTS)
def test_an_account_may_do_what_is_listed_and_nothing_else(
    installed: Cluster, acting: dict[str, Api], opted_in: str, who: str
) -> None:
    account, elsewhere = acting[who], installed.namespace("other")
    acts = OPTED_IN if who in ("controller", "reaper") else {}

    assert rights(account, elsewhere) == ANYWHERE[who]
    assert rights(account, opted_in) == both(ANYWHERE[who], acts)
    assert rights(account, OWN) == both(ANYWHERE[who], AT_HOME.get(who, {}))


ASKED: list[tuple[str, str, str, bool]] = [
    ("controller", "patch", HPAS, False), ("controller", "list", HPAS, True), ("controller", "delete", HPAS, False),
    ("controller", "get", "/secrets", False), ("controller", "create", "/pods/exec", False),
    ("controller", "patch", "apps/deployments/scale", False), ("controller", "list", "/pods", True),
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


def test_the_controller_lists_its_own_lease_and_no_other(installed: Cluster, acting: dict[str, Api]) -> None:
    where, own = path("Lease", None, OWN), {"fieldSelector": "metadata.name=foretide-controller"}
    assert acting["controller"].request("GET", where, query=own)["kind"] == "LeaseList"
    with pytest.raises(ApiError, match="403"):
        acting["controller"].request("GET", where)


def test_restricted_pod_security_admits_our_pods(installed: Cluster) -> None:
    """The namespace enforces it; a Deployment is only warned about, so the pods are made here."""
    for kind, name in (("Deployment", "foretide"), ("CronJob", "foretide-reaper")):
        made = installed.api.get(kind, name, OWN)["spec"]
        template = made["template"] if kind == "Deployment" else made["jobTemplate"]["spec"]["template"]
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe", "namespace": OWN}, **template}
        pod["metadata"] = {"name": "probe", "namespace": OWN, "labels": template["metadata"]["labels"]}
        installed.api.request("POST", path("Pod", None, OWN), pod, query=DRY)
