"""The webhook says what ``foretide check`` says, of objects as an API server sends them."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from app.admission import NoReviewError, reviewed
from app.admission_others import UNREAD
from app.check import check_query
from app.webhook_command import MAX_BODY_BYTES, Door, Renewing, application
from rules import yaml_tree
from rules.objects import as_document
from rules.validate import is_ours, validate
from tests.rules.test_bad_documents import CASES
from tests.rules.test_json_schema import OURS

OF_THE_SERVER = {
    "uid": "1", "resourceVersion": "7", "generation": 1, "creationTimestamp": "2026-11-21T12:00:00Z",
    "annotations": {"a": "b"}, "managedFields": [{"manager": "kubectl"}], "finalizers": ["x/y"],
}  # fmt: skip


def review(data: Any, operation: str = "CREATE", **more: Any) -> dict[str, Any]:
    request = {"uid": "u1", "operation": operation, "namespace": "shop", "object": data, **more}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def response(data: Any, operation: str = "CREATE", **more: Any) -> dict[str, Any]:
    answer = reviewed(review(data, operation, **more))
    assert (answer["apiVersion"], answer["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    assert answer["response"].pop("uid") == "u1"
    said: dict[str, Any] = answer["response"]
    return said


def as_sent(document: Any) -> Any:
    """With what the server adds."""
    metadata = {"namespace": "default", **document["metadata"], **OF_THE_SERVER}
    return {**document, "metadata": metadata, "status": {"conditions": []}}


def good_yaml() -> list[tuple[str, yaml_tree.Document]]:
    """The bad documents that are YAML, one by one."""
    read = [(name, yaml_tree.read(text.encode(), file="f")) for name, text, _ in CASES]
    return [
        (name, one)
        for name, reading in read
        for one in reading.documents
        if not reading.mistakes and not one.mistakes and is_ours(one) and isinstance(one.data, dict)
    ]


@pytest.mark.parametrize("document", OURS, ids=lambda one: f"{one['kind']}-{one['metadata']['name']}")
def test_every_example_is_allowed(document: Any) -> None:
    assert response(as_sent(document))["allowed"] is True


@pytest.mark.parametrize(("name", "document"), good_yaml(), ids=[name for name, _ in good_yaml()])
def test_what_is_said_is_what_foretide_check_says(name: str, document: yaml_tree.Document) -> None:
    found = validate(document, check_query=check_query)
    answer = response(as_sent(document.data))

    expected = sorted(str(one).split(": ", 1)[1] for one in found.mistakes)
    said = sorted(answer.get("status", {}).get("message", "").split("\n")) if found.mistakes else []
    assert answer["allowed"] is (not found.mistakes)
    assert said == expected


def test_what_is_probably_not_meant_is_a_warning() -> None:
    rule = next(one for one in OURS if one["kind"] == "ScalingRule")
    answer = response({**rule, "spec": {**rule["spec"], "mode": "enforce", "actuate": {"with": "none"}}})

    assert answer == {"allowed": True, "warnings": ["spec.mode: acts on nothing: actuate is with none"]}


def test_only_what_is_written_is_looked_at() -> None:
    assert response(None, "DELETE") == {"allowed": True}
    assert response({"kind": "ScalingRule"}, "UPDATE", subResource="status") == {"allowed": True}
    assert response({"kind": "ScalingRule", "apiVersion": "foretide.dev/v1alpha1"})["allowed"] is False


def test_a_name_that_the_server_will_make_is_none_that_is_missing() -> None:
    sheet = next(one for one in OURS if one["kind"] == "PriceSheet")

    assert response({**sheet, "metadata": {"generateName": "prices-"}})["allowed"] is True
    assert "metadata.name" in response({**sheet, "metadata": {}})["status"]["message"]


@pytest.mark.parametrize(
    "asked", [None, [], {}, {"apiVersion": "admission.k8s.io/v1beta1", "request": {"uid": "1"}}, {"request": {}},
              {"apiVersion": "admission.k8s.io/v1", "request": {"uid": 5}}],
)  # fmt: skip
def test_what_is_no_review_is_refused(asked: Any) -> None:
    with pytest.raises(NoReviewError):
        reviewed(asked)


async def ask(method: str, path: str, body: bytes = b"") -> httpx.Response:
    from pathlib import Path

    door = Door(host="127.0.0.1", port=0, certificate=Path("none"), key=Path("none"))
    transport = httpx.ASGITransport(app=application(Renewing(door)))
    async with httpx.AsyncClient(transport=transport, base_url="https://webhook") as client:
        return await client.request(method, path, content=body)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/healthz", b"", 200),
        ("GET", "/validate", b"", 405),
        ("POST", "/validate", b"no json", 400),
        ("POST", "/validate", b"[" * 100_000, 400),
        ("POST", "/validate", b"{}", 400),
        ("POST", "/validate", b" " * (MAX_BODY_BYTES + 1), 413),
        ("POST", "/validate", json.dumps(review({"kind": "Budget"})).encode(), 200),
    ],
)
def test_the_door_answers(method: str, path: str, body: bytes, status: int) -> None:
    import asyncio

    assert asyncio.run(ask(method, path, body)).status_code == status


def standing(*documents: Any) -> list[yaml_tree.Document]:
    return [as_document(one, file=f"{one['kind']} shop/{one['metadata']['name']}") for one in documents]


def warned(data: Any, others: list[yaml_tree.Document] | None) -> list[str]:
    answer = reviewed(review(data), lambda: others)["response"]
    assert answer["allowed"] is True
    return list(answer.get("warnings", []))


def a_rule(name: str) -> Any:
    rule = next(one for one in OURS if one["kind"] == "ScalingRule")
    spec = {key: rule["spec"][key] for key in ("target", "replicas", "triggers")}
    metadata = {"name": name, "namespace": "shop"}
    return as_sent({**rule, "metadata": metadata, "spec": {**spec, "guard": {"slo": "gone"}}})


def test_what_other_documents_say_against_it_is_a_warning_and_no_refusal() -> None:
    dangling = 'spec.guard.slo: there is no SLO "shop/gone", and no other SLO'
    assert dangling in warned(a_rule("one"), standing())
    said = warned(a_rule("two"), standing(a_rule("one")))
    assert any("is already scaled by the rule in ScalingRule shop/one" in one for one in said)
    assert not any("already" in one for one in warned(a_rule("one"), standing(a_rule("one"))))  # its own old self
    assert reviewed(review(a_rule("one")))["response"] == {"uid": "u1", "allowed": True}  # no cluster to look at


def test_others_that_cannot_be_read_are_said() -> None:
    assert warned(a_rule("one"), None) == [UNREAD]
