"""A span, as OpenTelemetry means it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

AttributeValue = str | bool | int | float | list["AttributeValue"] | dict[str, "AttributeValue"] | None


class SpanKind(StrEnum):
    """The role of a span in a call; names as the OTel spanmetrics connector writes them."""

    UNSPECIFIED = "SPAN_KIND_UNSPECIFIED"
    INTERNAL = "SPAN_KIND_INTERNAL"
    SERVER = "SPAN_KIND_SERVER"
    CLIENT = "SPAN_KIND_CLIENT"
    PRODUCER = "SPAN_KIND_PRODUCER"
    CONSUMER = "SPAN_KIND_CONSUMER"


class StatusCode(StrEnum):
    """How a span ended; names as the OTel spanmetrics connector writes them."""

    UNSET = "STATUS_CODE_UNSET"
    OK = "STATUS_CODE_OK"
    ERROR = "STATUS_CODE_ERROR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One operation of one service.

    ``trace_id`` and ``span_id`` are lower-case hex (32 and 16 digits); ``parent_span_id`` is empty for a root.
    Times are nanoseconds since the epoch. ``service`` is ``service.name``, ``unknown_service`` where it is missing.
    """

    trace_id: str
    span_id: str
    parent_span_id: str
    name: str
    kind: SpanKind
    status: StatusCode
    service: str
    service_namespace: str
    start_ns: int
    end_ns: int
    attributes: Mapping[str, AttributeValue]
    resource: Mapping[str, AttributeValue]

    @property
    def duration_seconds(self) -> float:
        """Never negative: a clock that stepped back counts as 0."""
        return max(self.end_ns - self.start_ns, 0) / 1e9
