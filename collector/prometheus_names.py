"""OTLP names to Prometheus names by ``UnderscoreEscapingWithSuffixes``, Prometheus' default for OTLP.

Source:
    prometheus/otlptranslator, ``metric_namer.go`` and ``label_namer.go``.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final

from domain.errors import IntakeError

_UNITS: Final = {
    "d": "days", "h": "hours", "min": "minutes", "s": "seconds", "ms": "milliseconds", "us": "microseconds",
    "ns": "nanoseconds", "By": "bytes", "KiBy": "kibibytes", "MiBy": "mebibytes", "GiBy": "gibibytes",
    "TiBy": "tibibytes", "KBy": "kilobytes", "MBy": "megabytes", "GBy": "gigabytes", "TBy": "terabytes",
    "m": "meters", "V": "volts", "A": "amperes", "J": "joules", "W": "watts", "g": "grams", "Cel": "celsius",
    "Hz": "hertz", "1": "", "%": "percent",
}  # fmt: skip
_PER_UNITS: Final = {
    "s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year",
}  # fmt: skip
_TOKEN: Final = re.compile(r"[A-Za-z0-9:]+")
_NOT_IN_UNIT: Final = re.compile(r"[^A-Za-z0-9:]+")
_NOT_IN_LABEL: Final = re.compile(r"[^A-Za-z0-9_]")


class MetricType(Enum):
    """What decides about a metric's suffixes."""

    GAUGE = auto()
    COUNTER = auto()
    UP_DOWN_COUNTER = auto()
    HISTOGRAM = auto()
    SUMMARY = auto()


def metric_name(name: str, *, unit: str, metric_type: MetricType) -> str:
    """The Prometheus name of an OTLP metric: ``http.server.duration`` in ``s`` is ``http_server_duration_seconds``.

    Raises:
        IntakeError: Nothing is left of the name.
    """
    tokens = _with_unit(_TOKEN.findall(name), unit)
    if metric_type is MetricType.COUNTER:
        tokens = [token for token in tokens if token != "total"] + ["total"]
    if unit == "1" and metric_type is MetricType.GAUGE:
        tokens = [token for token in tokens if token != "ratio"] + ["ratio"]
    full = "_".join(tokens)
    if not _TOKEN.search(name):
        raise IntakeError(f"metric name {name[:80]!r} holds no letter or digit")
    return f"_{full}" if full[0].isdigit() else full


def label_name(attribute: str) -> str:
    """The Prometheus label of an attribute: ``http.route`` is ``http_route``; empty where nothing is left."""
    name = _NOT_IN_LABEL.sub("_", attribute)
    if not name.strip("_"):
        return ""
    if name[0].isdigit():
        return f"key_{name}"
    return f"key{name}" if name[0] == "_" and not name.startswith("__") else name


def _with_unit(tokens: list[str], unit: str) -> list[str]:
    main, _, per = (part.strip() for part in unit.partition("/"))
    main_suffix = "" if _is_annotation(main) else _clean(_UNITS.get(main, main))
    per_suffix = "" if not per or _is_annotation(per) else _clean(_PER_UNITS.get(per, per)).rstrip("_")
    added = [main_suffix.rstrip("_") if per_suffix else main_suffix, f"per_{per_suffix}" if per_suffix else ""]
    return tokens + [suffix for suffix in added if suffix and suffix not in tokens]


def _is_annotation(unit: str) -> bool:
    return "{" in unit or "}" in unit


def _clean(unit: str) -> str:
    return _NOT_IN_UNIT.sub("_", unit).lstrip("_")
