"""What all of Kubernetes' HPA tables share: the flags of their tests, their clock, and a mismatch."""

from __future__ import annotations

from typing import Any

from controller.hpa.numbers import Settings, Version
from controller.hpa.pods import Phase
from tests.conformance.hpa_literals import Skip, short

NOW = 1e9
"""Far from the zero time, at which the tables' samples are taken and readiness changes."""
SETTINGS = Settings(
    version=Version(minor=35), cpu_initialization_seconds=120.0, readiness_delay_seconds=10.0,
    scale_up_limit_factor=8.0,
)  # fmt: skip
"""The tables' own flags. 1.35: the newest arithmetic with the meaning that 0 replicas had when they were written."""


class Mismatch(Exception):
    """What was expected is not what came."""


def expect(what: str, got: object, wanted: object) -> None:
    if got != wanted:
        raise Mismatch(f"{what} {got}, expected {wanted}")


def phase(value: Any) -> Phase:
    for one in Phase:
        if str(value).endswith(one.value):
            return one
    raise Skip(f"phase {short(value)}")
