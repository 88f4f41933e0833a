"""Numbers as Kubernetes has them: milli-units, conversions to int32, and what changed from version to version."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from typing import Final

from controller import core
from domain.errors import NoDataError
from domain.units import parse_quantity

MAX_INT32: Final = core.MAX_INT32
MIN_INT32: Final = core.MIN_INT32
MAX_INT64: Final = 2**63 - 1


class MetricError(NoDataError):
    """A metric that HPA calls invalid; the sentence is close to Kubernetes' own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """The minor version of Kubernetes 1.x, where it matters.

    Attributes:
        minor: 37 for Kubernetes 1.37.
        arm64: The controller's processor; it only matters before the conversions saturated.
        scale_to_zero: Gate ``HPAScaleToZero`` with its 1.36 meaning; None: on from 1.37.
    """

    minor: int = 38
    arm64: bool = False
    scale_to_zero: bool | None = None

    @property
    def saturates(self) -> bool:
        """Conversions to int32 saturate since k/k#141397, merged after 1.37; on arm64 they always did."""
        return self.arm64 or self.minor >= 38

    @property
    def tolerance_is_a_range(self) -> bool:
        """1.33: the ratio is compared with both ends, instead of its distance from 1."""
        return self.minor >= 33

    @property
    def tolerance_by_direction(self) -> bool:
        """Beta in 1.35 (gate ``HPAConfigurableTolerance``, on by default); before, the flag counts for both."""
        return self.minor >= 35

    @property
    def holds_missing_at_target(self) -> bool:
        """1.28 (k/k#117845): at a ratio of exactly 1 a pod without a value is left out; before, it was 0."""
        return self.minor >= 28

    @property
    def tells_unready_from_ignored(self) -> bool:
        """Pods that start and pods that end are two sets; 1.22 and older had one. The exact minor is a guess."""
        return self.minor >= 23

    @property
    def status_average_is_whole(self) -> bool:
        """1.37 (k/k#140958): with 0 replicas in the status the usage itself is reported, not garbage."""
        return self.minor >= 37

    @property
    def scales_from_zero(self) -> bool:
        """Whether HPA comes back from a 0 of its own."""
        return self.minor >= 37 if self.scale_to_zero is None else self.scale_to_zero and self.minor >= 36


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The controller's flags with their defaults (``config/v1alpha1``); durations in seconds."""

    version: Version = field(default_factory=Version)
    tolerance: float = 0.1
    cpu_initialization_seconds: float = 300.0
    readiness_delay_seconds: float = 30.0
    downscale_stabilization_seconds: float = 300.0
    scale_up_limit_factor: float = 2.0
    scale_up_limit_minimum: float = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerances:
    """How far the ratio may be from 1, by direction."""

    down: float = 0.1
    up: float = 0.1

    def hold(self, ratio: float, version: Version) -> bool:
        """Whether ``ratio`` leaves the replicas alone; before 1.33 there was one tolerance, here the upper one."""
        if version.tolerance_is_a_range:
            return core.within(ratio, self.down, self.up)
        return core.within_before_1_33(ratio, self.up)


def ceil32(value: float, version: Version) -> int:
    """``int32(math.Ceil(value))``: saturating, or wrapping to the minimum as amd64 did, so that overload scaled in."""
    if version.saturates:
        return core.ceil32(value)
    if math.isnan(value) or value > MAX_INT32 or value <= MIN_INT32 - 1:
        return MIN_INT32
    return math.ceil(value)


def int32(value: float, version: Version) -> int:
    """``int32(value)``: truncated toward 0; overflow as in ``ceil32``."""
    if math.isnan(value) or not MIN_INT32 - 1 < value < MAX_INT32 + 1:
        return (core.ceil32(value) if version.saturates else MIN_INT32) if value == value else MIN_INT32
    return int(value)


def divided(dividend: int, divisor: int) -> int:
    """Go's integer division: toward 0."""
    quotient = abs(dividend) // abs(divisor)
    return quotient if (dividend < 0) == (divisor < 0) else -quotient


def milli_value(text: str | int | float | Decimal) -> int:
    """``Quantity.MilliValue()``: thousandths, rounded up, at most the largest int64."""
    amount = parse_quantity(text) if isinstance(text, str) else Decimal(str(text))
    return min(int((amount * 1000).to_integral_value(rounding=ROUND_CEILING)), MAX_INT64)
