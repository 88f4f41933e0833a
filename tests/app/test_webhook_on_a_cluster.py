"""``foretide webhook`` as a process of its own behind a real API server: its sentences reach whoever applies."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.check import check_query
from rules import yaml_tree
from rules.crd_names import plural
from rules.validate import validate
from tests.cluster.api import ApiError
from tests.cluster.control_plane import Cluster
from tests.cluster.programs import Program
from tests.deploy.applying import apply
from tests.deploy.manifests import CRDS, objects
from tests.e2e.program import FORETIDE, free_port
from tests.rules.test_bad_documents import CASES
from tests.rules.test_json_schema import OURS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
UNSEEN = ("combine with a typo", "cron with hour 24", "no such time zone", "fallbacks in a circle", "window too short")
"""Bad documents that the schema lets through."""


@pytest.fixture(scope="module")
def behind(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The definitions, the webhook, and its registration by ``clientConfig.url``."""
    pair, port = cluster.credentials.server("webhook"), free_port()
    url = f"https://127.0.0.1:{port}"
    ca = cluster.credentials.ca

    def ready() -> bool:
        try:
            return httpx.get(f"{url}/healthz", verify=ssl.create_default_context(cafile=ca), trust_env=False).is_success
        except httpx.TransportError:
            return False

    command = [FORETIDE, "webhook", "--host", "127.0.0.1", "--port", str(port)]
    files = ["--cert", str(pair.certificate), "--key", str(pair.key)]
    program = Program("webhook", [*command, *files], folder=tmp_path_factory.mktemp("webhook"), ready=ready)
    program.start()
    try:
        for one in objects(CRDS):
            apply(cluster.api, one)
        program.wait_ready()
        configuration = registered(url, ca)
        apply(cluster.api, configuration)
        yield cluster
        cluster.api.delete(configuration["kind"], configuration["metadata"]["name"])
    finally:
        program.stop()


def registered(url: str, ca: Path) -> dict[str, Any]:
    of_ours = {"apiGroups": ["foretide.dev"], "apiVersions": ["v1alpha1"], "resources": ["*"]}
    webhook = {
        "name": "documents.foretide.dev",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "rules": [{**of_ours, "operations": ["CREATE", "UPDATE"]}],
        "clientConfig": {"url": f"{url}/validate", "caBundle": base64.b64encode(ca.read_bytes()).decode()},
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "foretide-documents"},
        "webhooks": [webhook],
    }


def post(cluster: Cluster, namespace: str, document: Any) -> str:
    """What is said against a document; empty where it is taken."""
    where = f"/apis/foretide.dev/v1alpha1/namespaces/{namespace}/{plural(document['kind'])}"
    data = {**document, "metadata": {**document["metadata"], "namespace": namespace}}
    try:
        cluster.api.request("POST", where, data, query={"dryRun": "All"})
    except ApiError as error:
        return error.message
    return ""


def test_what_no_schema_sees_is_told_in_the_words_of_foretide_check(behind: Cluster) -> None:
    namespace = behind.namespace("webhook")
    texts = {name: text for name, text, _ in CASES}
    behind.api.until("the webhook is asked", lambda: "denied" in post(behind, namespace, data(texts[UNSEEN[0]])))
    for name in UNSEEN:
        document = yaml_tree.read(texts[name].encode(), file="f").documents[0]
        expected = [str(one).split(": ", 1)[1] for one in validate(document, check_query=check_query).mistakes]

        denied, _, said = post(behind, namespace, document.data).partition(" denied the request: ")
        assert denied == 'admission webhook "documents.foretide.dev"', name
        assert sorted(said.split("\n")) == sorted(expected), name


def data(text: str) -> Any:
    return yaml_tree.read(text.encode(), file="f").documents[0].data


def test_every_good_document_passes(behind: Cluster) -> None:
    namespace = behind.namespace("webhook")
    said = {f"{one['kind']} {one['metadata']['name']}": post(behind, namespace, one) for one in OURS}

    assert {name: message for name, message in said.items() if message} == {}
