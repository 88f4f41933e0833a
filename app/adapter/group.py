"""The API group that HPAs ask for external metrics; only one APIService of a cluster may serve it."""

from __future__ import annotations

from typing import Final

GROUP: Final = "external.metrics.k8s.io"
VERSION: Final = "v1beta1"
PREFIX: Final = f"/apis/{GROUP}/{VERSION}"
