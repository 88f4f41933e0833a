"""A ScaledObject's trigger: its ``metadata``, read strictly, because a typo would be a default."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app.forecast_doors.question import (
    DEFAULT_LEAD,
    DEFAULT_QUANTILE,
    LEAD,
    QUANTILE,
    BadQuestionError,
    Question,
    key_of,
    lead_of,
    quantile_of,
)
from app.forecast_doors.selector import Requirement, read
from domain.units import parse_quantity

FORECAST: Final = "forecast"
SERIES: Final = "series"
TARGET: Final = "targetValue"
ACTIVATION: Final = "activationValue"
_OURS: Final = (FORECAST, QUANTILE, LEAD, SERIES, TARGET, ACTIVATION)
_KEDAS: Final = frozenset(
    {"scalerAddress", "enableTLS", "unsafeSsl", "caCert", "tlsClientCert", "tlsClientKey", "tlsCertFile"}
)
"""KEDA hands over all of the trigger's metadata, its own fields included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """What one trigger wants.

    Attributes:
        metric: What KEDA calls it.
        question: Which number.
        target: Of it one replica carries; above 0.
        activation: Above it there shall be replicas at all.
    """

    metric: str
    question: Question
    target: float
    activation: float


def trigger_of(namespace: str, metadata: Mapping[str, str]) -> Trigger:
    """From what KEDA hands over.

    Raises:
        BadQuestionError: It cannot be meant; names the field.
    """
    unknown = sorted(set(metadata) - set(_OURS) - _KEDAS)
    if unknown:
        raise BadQuestionError(unknown[0], f"no field of this trigger; there are {', '.join(_OURS)}")
    name = _required(metadata, FORECAST)
    quantile, lead = metadata.get(QUANTILE), metadata.get(LEAD)
    target = _number(TARGET, _required(metadata, TARGET))
    if target <= 0:
        raise BadQuestionError(TARGET, "expected a quantity above 0")
    question = Question(
        key=key_of(namespace, name),
        quantile=DEFAULT_QUANTILE if quantile is None else quantile_of(quantile),
        lead=DEFAULT_LEAD if lead is None else lead_of(lead),
        series=tuple(_series(metadata.get(SERIES, ""))),
    )
    metric = "foretide-" + re.sub(r"[^a-z0-9-]", "-", name)
    return Trigger(
        metric=metric, question=question, target=target, activation=_number(ACTIVATION, metadata.get(ACTIVATION, "0"))
    )


def _required(metadata: Mapping[str, str], field: str) -> str:
    if not metadata.get(field):
        raise BadQuestionError(field, "is missing")
    return metadata[field]


def _number(field: str, text: str) -> float:
    try:
        value = float(parse_quantity(text))
    except ValueError as error:
        raise BadQuestionError(field, str(error)) from error
    if not math.isfinite(value):
        raise BadQuestionError(field, f"{text!r} is too large")
    return value


def _series(text: str) -> list[Requirement]:
    try:
        return read(text)
    except ValueError as error:
        raise BadQuestionError(SERIES, str(error)) from error
