"""What our kinds are called in Kubernetes' API."""

from __future__ import annotations

from typing import Final

from rules.document import API_VERSION

GROUP, _, VERSION = API_VERSION.partition("/")
_PLURALS: Final = {"ScalingPolicy": "scalingpolicies"}


def plural(kind: str) -> str:
    """The name of a kind in URLs and in RBAC."""
    return _PLURALS.get(kind, f"{kind.lower()}s")
