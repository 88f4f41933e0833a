"""The CRDs on a real API server: it accepts every good document, and refuses of the bad ones what a schema can see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from rules.crd_names import plural
from tests.cluster.api import APPLY, Api, ApiError
from tests.cluster.control_plane import Cluster
from tests.deploy.applying import DRY
from tests.deploy.manifests import ROOT, everything
from tests.rules.test_bad_documents import CASES
from tests.rules.test_golden import FILES
from tests.rules.test_json_schema import OURS, documents

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
GOOD = [
    *OURS,
    *(
        one
        for file in sorted((ROOT / "deploy" / "compose" / "rules").glob("*.yaml"))
        for one in documents(file.read_text(encoding="utf-8"))
    ),
]


def post(api: Api, namespace: str, document: Any) -> str:
    """What the API server says against a document; empty where it takes it. Unknown fields as kubectl has them."""
    data = {**document, "metadata": {**document.get("metadata", {}), "namespace": namespace}}
    where = f"/apis/foretide.dev/v1alpha1/namespaces/{namespace}/{plural(document['kind'])}"
    try:
        api.request("POST", where, data, query={**DRY, "fieldValidation": "Strict"})
    except ApiError as error:
        return error.message
    return ""


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

    assert len(said) > 150
    assert len(passed) / len(said) <= 0.3, f"{len(passed)} of {len(said)} passed: {passed}"


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
