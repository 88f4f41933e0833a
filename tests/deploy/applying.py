"""Objects applied to a test cluster as kubectl does it, and who acts there."""

from __future__ import annotations

from tests.cluster.api import APPLY, Api, Object, path

OWN = "foretide"
ACCOUNT = f"system:serviceaccount:{OWN}:foretide-"
ACCOUNTS = ("controller", "api", "collector", "reaper")
DRY = {"dryRun": "All"}


def apply(api: Api, one: Object, **query: str) -> Object:
    """As ``kubectl apply --server-side`` does."""
    metadata = one["metadata"]
    where = path(one["kind"], metadata["name"], metadata.get("namespace"), api=one["apiVersion"])
    asked = {"fieldManager": "kubectl", "fieldValidation": "Strict", "force": "true", **query}
    return api.request("PATCH", where, one, content_type=APPLY, query=asked)
