"""What a test asks of an API server, as an administrator would: raw objects over HTTPS, nothing of `kube/`."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import httpx

from tests.e2e.program import until

T = TypeVar("T")
Object = dict[str, Any]
APPLY: Final = "application/apply-patch+yaml"
MERGE: Final = "application/merge-patch+json"
_PLURALS: Final = {
    "APIService": "apiservices", "NetworkPolicy": "networkpolicies", "PriorityClass": "priorityclasses",
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
}  # fmt: skip
_OF_THE_CLUSTER: Final = {
    "APIService", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "Namespace", "Node",
    "PersistentVolume", "PriorityClass", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
}  # fmt: skip


class ApiError(Exception):
    """The API server refused; its Status says why."""

    def __init__(self, status: int, told: Object) -> None:
        super().__init__(f"{status} {told.get('reason')}: {told.get('message')}")
        self.status, self.told = status, told
        self.reason, self.message = str(told.get("reason", "")), str(told.get("message", ""))


class Api:
    """One user's view of the API server."""

    def __init__(self, url: str, context: ssl.SSLContext, *, token: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(base_url=url, verify=context, headers=headers, timeout=30, trust_env=False)

    def close(self) -> None:
        self._client.close()

    def request(
        self, method: str, path: str, body: Object | None = None, *, content_type: str = "application/json",
        query: Mapping[str, str | int | bool] | None = None, accept: str = "application/json",
    ) -> Object:  # fmt: skip
        """The answer's object.

        Raises:
            ApiError: The API server refused.
            httpx.TransportError: Nobody answered.
        """
        headers = {"Content-Type": content_type, "Accept": accept}
        content = None if body is None else json.dumps(body)
        answer = self._client.request(method, path, content=content, headers=headers, params=query)
        told: Object = _parsed(answer)
        if answer.is_error:
            raise ApiError(answer.status_code, told)
        return told

    def get(self, kind: str, name: str, namespace: str | None = None, *, api: str = "") -> Object:
        return self.request("GET", path(kind, name, namespace, api=api))

    def list(self, kind: str, namespace: str | None = None, *, api: str = "", **query: str) -> list[Object]:
        items: list[Object] = self.request("GET", path(kind, None, namespace, api=api), query=query)["items"]
        return items

    def create(self, of: Object) -> Object:
        return self.request("POST", _path_of(of, named=False), of)

    def apply(self, of: Object, *, manager: str = "test", force: bool = False, subresource: str = "") -> Object:
        """Server-side apply; without ``force`` another manager's fields are a conflict."""
        query = {"fieldManager": manager, "force": str(force).lower()}
        return self.request("PATCH", _path_of(of) + subresource, of, content_type=APPLY, query=query)

    def merge(self, kind: str, name: str, namespace: str | None, change: Object, *, api: str = "") -> Object:
        return self.request("PATCH", path(kind, name, namespace, api=api), change, content_type=MERGE)

    def delete(self, kind: str, name: str, namespace: str | None = None, *, api: str = "") -> None:
        self.request("DELETE", path(kind, name, namespace, api=api))

    def until(self, what: str, probe: Callable[[], T | None], *, seconds: float = 30.0) -> T:
        """The first true answer; a refusal or an interruption meanwhile is asked again."""

        def asked() -> T | None:
            try:
                return probe()
            except (ApiError, httpx.TransportError):
                return None

        return until(what, asked, seconds=seconds)


def path(kind: str, name: str | None, namespace: str | None, *, api: str = "") -> str:
    """The address of an object or, without a name, of their list."""
    api = api or _API.get(kind, "v1")
    parts = ["/api" if api == "v1" else "/apis", api]
    if namespace is not None and kind not in _OF_THE_CLUSTER:
        parts += ["namespaces", namespace]
    parts.append(_PLURALS.get(kind, kind.lower() + "s"))
    return "/".join(parts if name is None else [*parts, name])


_API: Final = {
    "APIService": "apiregistration.k8s.io/v1",
    "ClusterRole": "rbac.authorization.k8s.io/v1",
    "ClusterRoleBinding": "rbac.authorization.k8s.io/v1",
    "CronJob": "batch/v1",
    "CustomResourceDefinition": "apiextensions.k8s.io/v1",
    "Deployment": "apps/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "Lease": "coordination.k8s.io/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "PodDisruptionBudget": "policy/v1",
    "ReplicaSet": "apps/v1",
    "Role": "rbac.authorization.k8s.io/v1",
    "RoleBinding": "rbac.authorization.k8s.io/v1",
    "StatefulSet": "apps/v1",
    "ValidatingAdmissionPolicy": "admissionregistration.k8s.io/v1",
    "ValidatingAdmissionPolicyBinding": "admissionregistration.k8s.io/v1",
    "ValidatingWebhookConfiguration": "admissionregistration.k8s.io/v1",
}


def _path_of(of: Object, *, named: bool = True) -> str:
    metadata = of["metadata"]
    namespace = None if of["kind"] in _OF_THE_CLUSTER else metadata.get("namespace")
    return path(of["kind"], metadata["name"] if named else None, namespace, api=of["apiVersion"])


def _parsed(answer: httpx.Response) -> Object:
    if "json" not in answer.headers.get("Content-Type", ""):
        return {"message": answer.text}
    told: Object = answer.json()
    return told
