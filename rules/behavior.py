"""Kubernetes' HPA v2 ``behavior``, verbatim: how fast, and after how long an agreement."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from rules.amounts import Tolerance, WholeNumber
from rules.document import Strict
from rules.fields import NonEmpty


class SelectPolicy(StrEnum):
    """HPA v2: which policy wins; ``Disabled`` forbids the direction."""

    MAX = "Max"
    MIN = "Min"
    DISABLED = "Disabled"


class PolicyType(StrEnum):
    """HPA v2: what a policy's value counts."""

    PODS = "Pods"
    PERCENT = "Percent"


class Policy(Strict):
    """HPA v2: at most ``value`` pods or percent in ``period_seconds``."""

    type: PolicyType
    value: Annotated[WholeNumber, Field(ge=1, le=2**31 - 1)]
    period_seconds: Annotated[WholeNumber, Field(ge=1, le=1800)]


_DOUBLE: Final = Policy(type=PolicyType.PERCENT, value=100, period_seconds=15)
_FOUR_PODS: Final = Policy(type=PolicyType.PODS, value=4, period_seconds=15)


class ScalingRules(Strict):
    """HPA v2 ``HPAScalingRules`` with the API server's defaults, which differ by direction."""

    stabilization_window_seconds: Annotated[WholeNumber, Field(ge=0, le=3600)] = 0
    tolerance: Tolerance = 0.1
    select_policy: SelectPolicy = SelectPolicy.MAX
    policies: NonEmpty[Policy] = (_DOUBLE,)


class ScaleUp(ScalingRules):
    """Upward at once: doubling or four pods each 15 s, whichever is more."""

    policies: NonEmpty[Policy] = (_FOUR_PODS, _DOUBLE)


class ScaleDown(ScalingRules):
    """Downward after five minutes of agreement."""

    stabilization_window_seconds: Annotated[WholeNumber, Field(ge=0, le=3600)] = 300


class Behavior(Strict):
    """HPA v2 ``behavior``, verbatim."""

    scale_up: ScaleUp = Field(default_factory=ScaleUp)
    scale_down: ScaleDown = Field(default_factory=ScaleDown)
