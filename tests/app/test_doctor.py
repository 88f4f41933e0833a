"""``foretide doctor`` on the fake API server, and once on the real one with the managers that it has to recognise."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.doctor.rights import Right, needs
from app.doctor_command import Asked, run
from app.system_clock import SystemClock
from controller.actuation import stamp as stamps
from controller.actuation.limits import Limits
from controller.actuation.stamp import Stamp
from controller.cluster.kubernetes_switch import freeze
from kube import Access, Connection, Writer, connect
from kube.kinds import DEPLOYMENT, HPA, SCALED_OBJECT, custom
from rules import load_paths
from tests.cluster import objects
from tests.cluster.control_plane import Cluster
from tests.fakes.clock import ManualClock
from tests.fakes.kube_api import KubeApi

ROOT = Path(__file__).parent.parent.parent
NAME, OBJECT = "checkout", "HorizontalPodAutoscaler shop/checkout"
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME}
BRAKE = {"scaleDown": {"policies": [{"type": "Percent", "value": 10, "periodSeconds": 60}]}}
APPLICATION = custom(group="argoproj.io", version="v1alpha1", kind="Application", plural="applications")
KUSTOMIZATION = custom(
    group="kustomize.toolkit.fluxcd.io", version="v1", kind="Kustomization", plural="kustomizations"
)  # fmt: skip
HELM_RELEASE = custom(group="helm.toolkit.fluxcd.io", version="v2", kind="HelmRelease", plural="helmreleases")
CRD = custom(
    group="apiextensions.k8s.io", version="v1", kind="CustomResourceDefinition", plural="customresourcedefinitions",
    namespaced=False,
)  # fmt: skip
GUARD = {
    "validatingadmissionpolicies": "ValidatingAdmissionPolicy",
    "validatingadmissionpolicybindings": "ValidatingAdmissionPolicyBinding",
}  # fmt: skip
RBAC = list(yaml.safe_load_all((ROOT / "deploy/kubernetes/rbac.yaml").read_text(encoding="utf-8")))
TRACKED = {"argocd.argoproj.io/tracking-id": "store:autoscaling/HorizontalPodAutoscaler:shop/checkout"}
FLUX = {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
HELM = {"helm.toolkit.fluxcd.io/name": "store", "helm.toolkit.fluxcd.io/namespace": "shop"}


def rule(name: str = NAME, *, namespace: str = "shop", **spec: Any) -> dict[str, Any]:
    given = {
        "target": {"kind": "Deployment", "name": name},
        "replicas": {"min": 2, "max": 20},
        "actuate": {"with": "bounds", "hpa": name},
        "triggers": [{"name": "rps", "query": "sum(rate(http_requests_total[1m]))", "perReplica": 10}],
        **spec,
    }
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "foretide.dev/v1alpha1", "kind": "ScalingRule", "metadata": metadata, "spec": given}


@dataclass
class Place:
    api: KubeApi
    connection: Connection
    folder: Path
    rules: list[dict[str, Any]] = field(default_factory=lambda: [rule()])
    code: int = -1

    def by(self, manager: str) -> Writer:
        return Writer(self.connection, manager, qps=1000, burst=1000)

    def deployment(self, name: str = NAME) -> None:
        self.by("helm").create(DEPLOYMENT, "shop", {"metadata": {"name": name}, "spec": {"replicas": 2}})

    def hpa(
        self, manager: str, *, name: str = NAME, labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None, **spec: Any,
    ) -> None:  # fmt: skip
        metadata = {"labels": dict(labels or {}), "annotations": dict(annotations or {})}
        given = {"scaleTargetRef": TARGET, "minReplicas": 2, "maxReplicas": 20, "behavior": BRAKE, **spec}
        self.by(manager).apply(HPA, "shop", name, {"metadata": metadata, "spec": given})

    def keeps(self, kind: Any, namespace: str, name: str, spec: Mapping[str, Any]) -> None:
        self.by("kubectl").create(kind, namespace, {"metadata": {"name": name}, "spec": dict(spec)})

    def told(self, *, clock: Any = None, **asked: Any) -> list[dict[str, str]]:
        file = self.folder / "rules.yaml"
        file.write_text(yaml.safe_dump_all(self.rules), encoding="utf-8")
        access = Access(kubeconfig=self.api.kubeconfig(self.folder), context="fake")
        paths = (file,) if self.rules else ()
        out = io.StringIO()
        self.code = run(Asked(rules=paths, access=access, output="json", **asked), out, clock=clock)
        return json.loads(out.getvalue()) if out.getvalue() else []

    def of(self, thing: str, **asked: Any) -> list[tuple[str, str]]:
        return [(one["level"], one["says"]) for one in self.told(**asked) if one["object"] == thing]

    def only(self, thing: str, **asked: Any) -> dict[str, str]:
        [found] = [one for one in self.told(**asked) if one["object"] == thing]
        return found


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with KubeApi() as api:
        connection = connect(Access(kubeconfig=api.kubeconfig(tmp_path), context="fake"), clock=SystemClock())
        yield Place(api, connection, tmp_path)
        connection.close()


@pytest.fixture
def shop(place: Place) -> Place:
    place.deployment()
    return place


# ---- Argo CD


def application(**spec: Any) -> dict[str, Any]:
    return {"syncPolicy": {"automated": {"selfHeal": True}}, **spec}


def test_argo_cd_with_self_heal_is_an_error_with_what_to_paste(shop: Place) -> None:
    shop.hpa("argocd-controller", annotations=TRACKED)
    shop.keeps(APPLICATION, "argocd", "store", application())
    found = shop.only(OBJECT)
    assert (shop.code, found["level"]) == (1, "error")
    assert found["says"] == (
        "Argo CD (manager argocd-controller (Apply), annotation argocd.argoproj.io/tracking-id: "
        "store:autoscaling/HorizontalPodAutoscaler:shop/checkout) undoes minReplicas and maxReplicas within seconds: "
        "Application store has selfHeal"
    )
    assert yaml.safe_load(found["snippet"]) == {
        "spec": {
            "ignoreDifferences": [
                {
                    "group": "autoscaling", "kind": "HorizontalPodAutoscaler", "name": "checkout", "namespace": "shop",
                    "managedFieldsManagers": ["foretide"],
                }
            ],
            "syncPolicy": {"syncOptions": ["RespectIgnoreDifferences=true"]},
        }
    }  # fmt: skip


def test_what_was_pasted_is_recognised(shop: Place) -> None:
    shop.hpa("argocd-controller", annotations=TRACKED)
    pasted = yaml.safe_load(_snippet_of(shop))["spec"]
    sync = {"automated": {"selfHeal": True}, **pasted["syncPolicy"]}
    shop.keeps(APPLICATION, "argocd", "store", {**pasted, "syncPolicy": sync})
    assert [level for level, _ in shop.of(OBJECT)] == ["ok"]
    assert shop.code == 0


@pytest.mark.parametrize(
    ("ignored", "respected", "level"),
    [
        ({"group": "autoscaling", "kind": "*", "jsonPointers": ["/spec/minReplicas", "/spec/maxReplicas"]}, True, "ok"),
        ({"group": "*", "kind": "*", "jqPathExpressions": [".spec.minReplicas", ".spec.maxReplicas"]}, True, "ok"),
        ({"group": "*", "kind": "*", "managedFieldsManagers": ["foretide"]}, False, "warning"),
        ({"group": "autoscaling", "kind": "*", "jsonPointers": ["/spec/minReplicas"]}, True, "error"),
        ({"group": "apps", "kind": "Deployment", "managedFieldsManagers": ["foretide"]}, True, "error"),
        ({"group": "*", "kind": "*", "name": "cart", "managedFieldsManagers": ["foretide"]}, True, "error"),
    ],
)
def test_argo_cd_is_taken_at_its_word(shop: Place, ignored: dict[str, Any], respected: bool, level: str) -> None:
    shop.hpa("argocd-controller", annotations=TRACKED)
    options = ["RespectIgnoreDifferences=true"] if respected else []
    sync = {"automated": {"selfHeal": True}, "syncOptions": options}
    shop.keeps(APPLICATION, "argocd", "store", {"ignoreDifferences": [ignored], "syncPolicy": sync})
    assert [found for found, _ in shop.of(OBJECT)] == [level]


def test_a_sync_by_hand_is_a_warning(shop: Place) -> None:
    shop.hpa("argocd-controller", annotations=TRACKED)
    shop.keeps(APPLICATION, "argocd", "store", {"syncPolicy": {}})
    assert [level for level, _ in shop.of(OBJECT)] == ["warning"]
    assert shop.code == 0


def test_an_application_in_any_namespace_is_found_by_its_tracking_id(shop: Place) -> None:
    shop.hpa("argocd-controller", annotations={k: f"team_{v}" for k, v in TRACKED.items()})
    shop.keeps(APPLICATION, "team", "store", {"syncPolicy": {}})
    assert "Application team/store" in shop.only(OBJECT)["says"]


def test_while_we_hold_the_bounds_their_owner_is_still_known(shop: Place) -> None:
    shop.hpa("argocd-controller")
    shop.by("foretide").apply(HPA, "shop", NAME, {"spec": {"minReplicas": 5, "maxReplicas": 9}}, force=True)
    found = shop.only(OBJECT)
    assert (found["level"], "would write its minReplicas and maxReplicas at its next sync" in found["says"]) == (
        "error", True,
    )  # fmt: skip


# ---- Flux


def test_flux_undoes_at_its_interval_and_an_old_one_is_told_by_annotation(shop: Place) -> None:
    shop.hpa("kustomize-controller", labels=FLUX)
    shop.keeps(KUSTOMIZATION, "flux-system", "apps", {"interval": "10m0s"})
    found = shop.only(OBJECT)
    assert found["level"] == "error"
    assert found["says"].endswith("undoes minReplicas and maxReplicas every 10m0s (Kustomization flux-system/apps)")
    annotations = yaml.safe_load(found["snippet"])["metadata"]["annotations"]
    assert annotations == {"kustomize.toolkit.fluxcd.io/ssa": "IfNotPresent"}


@pytest.mark.parametrize("name", ["ignore", "driftIgnoreRules"])
def test_a_flux_with_ignore_rules_is_told_by_the_field_of_its_own_crd(shop: Place, name: str) -> None:
    schema = {"openAPIV3Schema": {"properties": {"spec": {"properties": {"interval": {}, name: {}}}}}}
    crd = {"versions": [{"name": "v1", "served": True, "schema": schema}]}
    shop.keeps(CRD, "", "kustomizations.kustomize.toolkit.fluxcd.io", crd)
    shop.hpa("kustomize-controller", labels=FLUX)
    found = shop.only(OBJECT)
    assert found["do"] == "paste into Kustomization flux-system/apps"
    pasted = yaml.safe_load(found["snippet"])["spec"]
    assert pasted[name][0]["paths"] == ["/spec/minReplicas", "/spec/maxReplicas"]
    shop.keeps(KUSTOMIZATION, "flux-system", "apps", {"interval": "10m", **pasted})
    assert [level for level, _ in shop.of(OBJECT)] == ["ok"]


@pytest.mark.parametrize("annotation", ["ssa: IfNotPresent", "ssa: Ignore", "reconcile: disabled"])
def test_flux_leaves_alone_what_says_so(shop: Place, annotation: str) -> None:
    name, _, value = annotation.partition(": ")
    shop.hpa("kustomize-controller", labels=FLUX, annotations={f"kustomize.toolkit.fluxcd.io/{name}": value})
    assert [level for level, _ in shop.of(OBJECT)] == ["ok"]


@pytest.mark.parametrize(
    ("drift", "level"),
    [
        ({}, "note"),
        ({"mode": "warn"}, "note"),
        ({"mode": "enabled"}, "error"),
        ({"mode": "enabled", "ignore": [{"paths": ["/spec/minReplicas", "/spec/maxReplicas"]}]}, "note"),
        ({"mode": "enabled", "ignore": [{"paths": ["/spec"], "target": {"kind": "Deploy.*"}}]}, "error"),
    ],
)
def test_a_helm_release_undoes_only_what_its_drift_detection_corrects(
    shop: Place, drift: dict[str, Any], level: str
) -> None:
    shop.hpa("helm-controller", labels={**HELM, "app.kubernetes.io/managed-by": "Helm"})
    shop.keeps(HELM_RELEASE, "shop", "store", {"driftDetection": drift})
    assert [found for found, _ in shop.of(OBJECT)] == [level]


# ---- others


@pytest.mark.parametrize(
    ("manager", "level", "part"),
    [
        ("helm", "warning", "writes minReplicas and maxReplicas at each helm upgrade"),
        ("kubectl-client-side-apply", "note", "when somebody applies that file"),
        ("acme-operator", "warning", "another manager (manager acme-operator (Apply)) applies minReplicas"),
    ],
)
def test_other_managers_are_named(shop: Place, manager: str, level: str, part: str) -> None:
    shop.hpa(manager)
    found = shop.only(OBJECT)
    assert (found["level"], part in found["says"]) == (level, True)


def test_who_manages_other_fields_only_is_no_trouble(shop: Place) -> None:
    shop.hpa("kubectl")
    metrics = [{"type": "Resource", "resource": {"name": "cpu"}}]
    shop.by("argocd-controller").apply(HPA, "shop", NAME, {"spec": {"metrics": metrics}})
    assert sorted(level for level, _ in shop.of(OBJECT)) == ["note", "ok"]


def test_the_hpa_of_a_scaled_object_is_not_to_be_named(shop: Place) -> None:
    owner = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": NAME, "uid": "1", "controller": True}
    body = {
        "metadata": {"name": NAME, "ownerReferences": [owner]},
        "spec": {"scaleTargetRef": TARGET, "maxReplicas": 9},
    }
    shop.by("keda").create(HPA, "shop", body)
    said = [says for level, says in shop.of(OBJECT) if level == "error"]
    assert said[0] == f"KEDA keeps it for ScaledObject {NAME} and would undo it: name that as actuate.scaledObject"
    assert said[1].startswith("KEDA (manager keda (Update)) writes")


def test_a_scaled_object_needs_keda_and_its_fields_are_named(shop: Place) -> None:
    shop.rules = [rule(actuate={"with": "bounds", "scaledObject": NAME})]
    spec = {"scaleTargetRef": {"name": NAME}, "minReplicaCount": 1, "maxReplicaCount": 9}
    shop.by("argocd-controller").apply(SCALED_OBJECT, "shop", NAME, {"spec": spec})
    assert "minReplicaCount and maxReplicaCount" in shop.only(f"ScaledObject shop/{NAME}")["says"]
    assert shop.of("API keda.sh") == [("error", "KEDA is not installed, and a rule names a ScaledObject")]
    shop.api.groups["keda.sh/v1alpha1"] = {}
    assert [level for level, _ in shop.of("API keda.sh")] == ["ok"]


# ---- targets


def test_a_target_that_is_not_there(place: Place) -> None:
    assert [level for level, _ in place.of("rule shop/checkout")] == ["error"]
    assert place.of(OBJECT) == [
        ("error", "rule shop/checkout names it and it is not there, or may not be looked at")
    ]  # fmt: skip


def test_two_rules_on_one_autoscaler_and_one_for_another_workload(shop: Place) -> None:
    shop.deployment("cart")
    shop.hpa("kubectl")
    shop.rules.append(rule("cart", actuate={"with": "bounds", "hpa": NAME}))
    assert ("error", "2 rules name it: shop/cart, shop/checkout") in shop.of(OBJECT)
    assert shop.of("rule shop/cart") == [
        ("error", f"{OBJECT} scales Deployment checkout, the rule is about Deployment cart")
    ]  # fmt: skip


def test_two_rules_for_one_workload_are_a_finding(shop: Place) -> None:
    shop.rules.append({**rule(), "metadata": {"name": "again", "namespace": "shop"}})
    assert "is already scaled by the rule in" in shop.only("rules")["says"]
    assert shop.code == 1


def test_two_hpas_on_one_workload_and_scale_beside_an_hpa(shop: Place) -> None:
    shop.hpa("kubectl")
    shop.hpa("kubectl", name="other")
    shop.rules = [rule(actuate={"with": "scale"})]
    said = [says for _, says in shop.of("rule shop/checkout")]
    assert said == [
        "2 HPAs scale Deployment checkout: checkout, other", f"actuates scale, but {OBJECT} scales the same workload",
    ]  # fmt: skip


def test_a_rule_that_never_acts_is_left_in_peace(shop: Place) -> None:
    shop.rules = [rule(actuate={"with": "none"})]
    assert [level for level, _ in shop.of("rule shop/checkout")] == ["note"]


@pytest.mark.parametrize(
    ("behavior", "braked"),
    [
        ({}, False),
        ({"scaleUp": {"stabilizationWindowSeconds": 0}}, False),
        ({"scaleDown": {"policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}}, False),
        ({"scaleDown": {"selectPolicy": "Disabled"}}, True),
        ({"scaleDown": {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]}}, True),
    ],
)
def test_an_hpa_that_would_let_go_at_once_is_told(shop: Place, behavior: dict[str, Any], braked: bool) -> None:
    shop.hpa("kubectl", behavior=behavior)
    said = [one for one in shop.of(OBJECT) if "no scaleDown policy limits it" in one[1]]
    assert bool(said) is not braked


def test_a_frozen_hpa_is_told(shop: Place) -> None:
    shop.hpa("kubectl", annotations={stamps.FREEZE: "sale"})
    assert ("warning", "it is frozen: sale") in shop.of(OBJECT)


# ---- the cluster


def test_a_stamp_that_expired_and_one_that_cannot_be_read(shop: Place) -> None:
    long_ago = SystemClock().now() - timedelta(days=1)
    stamp = Stamp(
        baseline=Limits(low=2, high=20), low=None, high=None, expires_at=long_ago, epoch=3, rule="shop/gone", reason="x"
    )
    shop.hpa("kubectl", annotations=stamps.written(stamp))
    shop.hpa("kubectl", name="half", annotations={stamps.EPOCH: "3"})
    shop.rules = []
    assert shop.only(OBJECT)["level"] == "warning"
    assert "foretide reap gives 2..20 back" in shop.only(OBJECT)["do"]
    assert "half a stamp" in shop.only("HorizontalPodAutoscaler shop/half")["says"]
    assert shop.code == 1


def test_rights_are_asked_for_the_account_that_will_act(shop: Place) -> None:
    shop.hpa("kubectl")
    shop.api.denied = {("patch", "horizontalpodautoscalers")}
    missing = [one for one in shop.told() if one["object"] == "rights" and one["level"] == "error"]
    assert [one["says"] for one in missing] == [
        "ServiceAccount foretide/foretide-controller may not patch horizontalpodautoscalers.autoscaling in shop: "
        "needed for actuate bounds in shop"
    ]
    assert missing[0]["do"].endswith("kubectl apply -n shop -f deploy/kubernetes/opt-in/bounds.yaml")
    users = {review["spec"]["user"] for review in shop.api.reviewed}
    assert users == {"system:serviceaccount:foretide:foretide-controller"}
    shop.api.reviewed.clear()
    shop.told(account="self")
    assert {review["kind"] for review in shop.api.reviewed} == {"SelfSubjectAccessReview"}


def test_a_lease_that_may_not_be_watched_is_a_warning(shop: Place) -> None:
    shop.hpa("kubectl")
    shop.api.denied = {("list", "leases"), ("watch", "leases")}
    (said,) = [one for one in shop.told() if one["object"] == "rights" and one["level"] == "warning"]
    assert said["says"].startswith(
        "ServiceAccount foretide/foretide-controller may not list leases.coordination.k8s.io in foretide, "
        "watch leases.coordination.k8s.io in foretide: needed for taking over at once when a leader stops"
    )


@pytest.mark.parametrize(
    ("actuate", "role"),
    [
        ({"with": "bounds", "hpa": NAME}, "foretide-acts-by-bounds"),
        ({"with": "bounds", "scaledObject": NAME}, "foretide-acts-by-bounds"),
        ({"with": "scale"}, "foretide-acts-by-scale"),
        ({"with": "hpa"}, "foretide-acts-by-hpa"),
    ],
)
def test_the_manifests_grant_what_is_asked_for_and_nothing_is_asked_that_they_do_not(
    actuate: dict[str, Any], role: str, tmp_path: Path
) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(rule(actuate=actuate)), encoding="utf-8")
    rules = load_paths([file], check_query=lambda *_: None).rules
    granted = {(kind, one["metadata"]["name"]): one["rules"] for one in RBAC if (kind := one["kind"]).endswith("Role")}
    everywhere = granted["ClusterRole", "foretide-controller"]
    places = {"": everywhere, "foretide": granted["Role", "foretide-controller"], "shop": granted["ClusterRole", role]}
    asked = [right for need in needs(rules, namespace="foretide", keda=True) for right in need.rights]
    assert {right.namespace for right in asked} == set(places)
    assert [str(right) for right in asked if not any(_grants(one, right) for one in places[right.namespace])] == []


def _grants(one: dict[str, Any], right: Right) -> bool:
    resource = f"{right.resource}/{right.subresource}" if right.subresource else right.resource
    return (
        right.verb in one["verbs"] and right.group in one["apiGroups"] and resource in one["resources"]
        and right.name in one.get("resourceNames", [right.name])
    )  # fmt: skip


def test_clocks_that_differ_are_told(place: Place) -> None:
    now = SystemClock().now()
    place.rules = []
    assert [level for level, _ in place.of("clock")] == ["ok"]
    assert [level for level, _ in place.of("clock", clock=ManualClock(now + timedelta(minutes=2)))] == ["warning"]
    found = place.only("clock", clock=ManualClock(now - timedelta(hours=1)))
    assert (found["level"], "behind the API server's" in found["says"]) == ("error", True)


@pytest.mark.parametrize(("version", "level"), [("v1.36.2", "ok"), ("v1.33.1", "ok"), ("v1.32.0", "note")])
def test_the_version_tells_how_the_hpa_compares(place: Place, version: str, level: str) -> None:
    place.api.git_version = version
    place.rules = []
    assert [found for found, _ in place.of("cluster")] == [level]


def test_guardrails_are_looked_for_and_have_to_deny(place: Place) -> None:
    place.rules = []
    thing = "guardrail foretide-guardrails"
    assert [level for level, _ in place.of(thing)] == ["warning"]
    for plural, kind in GUARD.items():
        one = custom(group="admissionregistration.k8s.io", version="v1", kind=kind, plural=plural, namespaced=False)
        place.keeps(one, "", "foretide-guardrails", {"validationActions": ["Audit"]})
    assert place.of(thing) == [("warning", "only does Audit: it refuses nothing")]


def test_the_kill_switch_and_missing_crds_are_told(place: Place) -> None:
    place.rules = []
    freeze(place.by("foretide-cli"), namespace="foretide", reason="INC-7")
    assert place.of("kill switch") == [("warning", "nothing is written: INC-7")]
    assert [level for level, _ in place.of("CRDs foretide.dev")] == ["note"]
    place.api.groups |= {
        "foretide.dev": {"versions": [{"version": "v1alpha1"}]},
        "foretide.dev/v1alpha1": {"resources": [{"kind": "ScalingRule"}]},
    }
    assert "v1alpha1 lacks Budget, Forecast" in place.only("CRDs foretide.dev")["says"]


def test_what_may_not_be_looked_at_is_said(shop: Place) -> None:
    shop.hpa("argocd-controller", annotations=TRACKED)
    shop.api.forbidden = {("GET", "/applications"), ("GET", "validatingadmission"), ("GET", "/apis/autoscaling/v2/hor")}
    assert "it could not be read: GET " in shop.only(OBJECT)["says"]
    assert [level for level, _ in shop.of("guardrail foretide-guardrails")] == ["note"]
    said = "whoever runs this may not list horizontalpodautoscalers everywhere: what is there was not looked at"
    assert shop.of("doctor") == [("warning", said)]


def test_nothing_is_written(shop: Place) -> None:
    shop.hpa("argocd-controller", annotations=TRACKED)
    before = shop.api.objects.version
    shop.told()
    assert shop.api.objects.version == before
    posts = {one.path for one in shop.api.asked if one.method != "GET" and "accessreviews" in one.path}
    assert posts == {"/apis/authorization.k8s.io/v1/subjectaccessreviews"}


def test_a_server_that_does_not_answer_is_exit_4_and_a_wrong_option_2(place: Place) -> None:
    place.told(account="nobody")
    assert place.code == 2
    place.api.stop()
    place.told()
    assert place.code == 4
    place.api.start()


def test_a_table_says_level_object_sentence_and_what_to_do(shop: Place) -> None:
    shop.hpa("argocd-controller", annotations=TRACKED)
    shop.told()
    out = io.StringIO()
    access = Access(kubeconfig=shop.folder / "kubeconfig", context="fake")
    run(Asked(rules=(shop.folder / "rules.yaml",), access=access), out)
    lines = out.getvalue().splitlines()
    assert lines[0].startswith(f"error    {OBJECT}: Argo CD (manager argocd-controller (Apply), annotation")
    assert lines[1].startswith("         → paste into Application store")
    assert lines[2:4] == ["           spec:", "             ignoreDifferences:"]
    assert lines[-1].startswith("1 error, ")


# ---- the real API server


def test_managers_of_a_real_api_server_are_recognised(cluster: Cluster, tmp_path: Path) -> None:
    """As applied by them: Argo CD's and Flux's by server-side apply, then both while we hold the floor."""
    namespace = cluster.namespace("doctor")
    cluster.metrics.set_usage(namespace, "argo", cpu_millicores=10)  # metrics.k8s.io is there from its first use on
    for name, manager in (("argo", "argocd-controller"), ("flux", "kustomize-controller")):
        cluster.api.create(objects.deployment(name, namespace, replicas=1))
        cluster.api.apply(objects.hpa(name, namespace, low=2), manager=manager)
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump_all([rule(name, namespace=namespace) for name in ("argo", "flux")]))
    asked = Asked(
        rules=(file,), access=Access(kubeconfig=cluster.kubeconfig(), context="foretide-test"), output="json"
    )  # fmt: skip

    def told() -> dict[str, list[dict[str, str]]]:
        out = io.StringIO()
        assert run(asked, out) == 1
        found: dict[str, list[dict[str, str]]] = {}
        for one in json.loads(out.getvalue()):
            found.setdefault(one["object"], []).append(one)
        return found

    fields = "minReplicas and maxReplicas"
    wanted = {"argo": "Argo CD (manager argocd-controller (Apply))", "flux": "Flux's kustomize-controller (manager"}
    for held in (False, True):
        findings = told()
        for name, said in wanted.items():
            of_it = findings[f"HorizontalPodAutoscaler {namespace}/{name}"]
            assert [one["level"] for one in of_it if said in one["says"] and fields in one["says"]] == ["error"], held
            assert [one["level"] for one in of_it if "no scaleDown policy" in one["says"]] == ["warning"]
            ours = {**objects.hpa(name, namespace), "spec": {"minReplicas": 5, "maxReplicas": 9}}
            cluster.api.apply(ours, manager="foretide", force=True)
    assert [one["level"] for one in findings["API metrics.k8s.io"]] == ["ok"]
    assert [one["level"] for one in findings["clock"]] == ["ok"]
    assert [one["level"] for one in findings["cluster"]] == ["ok"]
    denied = [one["says"] for one in findings["rights"] if one["level"] == "error"]
    assert any(f"patch horizontalpodautoscalers.autoscaling in {namespace}" in says for says in denied)


def _snippet_of(shop: Place) -> str:
    return shop.only(OBJECT)["snippet"]
