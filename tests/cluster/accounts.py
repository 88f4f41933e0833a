"""Namespaces and ServiceAccount tokens, as any administrator of a cluster makes them."""

from __future__ import annotations

import uuid
from typing import Final

from tests.cluster.api import Api, ApiError, Object, path

SERVICE_ACCOUNT: Final = "system:serviceaccount:"


def fresh_namespace(api: Api, prefix: str) -> str:
    """A new one, once its ServiceAccount `default` is there, without which no pod is admitted."""
    name = f"{prefix}-{uuid.uuid4().hex[:8]}"
    ensure_namespace(api, name)
    api.until(f"{name} has its ServiceAccount", lambda: api.get("ServiceAccount", "default", name))
    return name


def ensure_namespace(api: Api, name: str) -> None:
    ensure(api, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


def ensure(api: Api, of: Object) -> None:
    """Create it where it is missing."""
    try:
        api.create(of)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise


def token(api: Api, user: str, *, seconds: int) -> str:
    """A token by TokenRequest for system:serviceaccount:NAMESPACE:NAME, which is made where it is missing."""
    assert user.startswith(SERVICE_ACCOUNT), f"{user} is no ServiceAccount: say {SERVICE_ACCOUNT}NAMESPACE:NAME"
    namespace, name = user.removeprefix(SERVICE_ACCOUNT).split(":")
    ensure_namespace(api, namespace)
    metadata = {"name": name, "namespace": namespace}
    ensure(api, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": seconds}}
    told = api.request("POST", path("ServiceAccount", name, namespace) + "/token", request)
    return str(told["status"]["token"])
