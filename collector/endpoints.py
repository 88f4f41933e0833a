"""OTLP's HTTP door: ``POST /v1/metrics`` and ``POST /v1/traces``, answering in OTLP's own protocol.

The routes are Starlette's, on raw bytes: they stand in the main application and, alone, on port 4318. A body is
acknowledged after its commit. 503 with Retry-After asks the sender to come again; other refusals are final.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import json_format  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from collector.otlp import BodyTooLargeError, Format
from collector.receive import Accepted, Receiver
from domain.errors import IntakeError, OverloadedError, StoreError

logger = logging.getLogger(__name__)

_ENCODINGS: Final = ("", "identity", "gzip", "deflate")
_INVALID_ARGUMENT, _RESOURCE_EXHAUSTED, _UNAVAILABLE = 3, 8, 14  # google.rpc.Code
_RETRY_AFTER_SECONDS: Final = "2"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refusal:
    """How an error is told to the sender: HTTP status, google.rpc code, and the ``result`` in our own metrics."""

    status: int
    code: int
    result: str


_UNSUPPORTED: Final = _Refusal(status=415, code=_INVALID_ARGUMENT, result="unsupported")
_REFUSALS: Final = (
    (BodyTooLargeError, _Refusal(status=413, code=_RESOURCE_EXHAUSTED, result="too_large")),
    (IntakeError, _Refusal(status=400, code=_INVALID_ARGUMENT, result="bad_request")),
    (OverloadedError, _Refusal(status=503, code=_UNAVAILABLE, result="overloaded")),
    (StoreError, _Refusal(status=503, code=_UNAVAILABLE, result="failed")),
)


class _UnsupportedError(IntakeError):
    """A media type or encoding that OTLP/HTTP does not know."""


def routes(receiver: Receiver) -> list[Route]:
    """The routes of OTLP/HTTP for an application."""

    async def metrics(request: Request) -> Response:
        return await _answer(request, receiver, "metrics", receiver.take_metrics, _metrics_response)

    async def traces(request: Request) -> Response:
        return await _answer(request, receiver, "traces", receiver.take_traces, _traces_response)

    return [
        Route("/v1/metrics", metrics, methods=["POST"], name="otlp_metrics"),
        Route("/v1/traces", traces, methods=["POST"], name="otlp_traces"),
    ]


async def _answer(
    request: Request,
    receiver: Receiver,
    signal: str,
    take: Callable[..., Awaitable[Accepted]],
    response: Callable[[Accepted], Any],
) -> Response:
    requests, reply_format = receiver.telemetry.requests, Format.JSON
    reserved = 0
    try:
        reply_format = _format(request)
        encoding = _encoding(request)
        body = bytearray()
        async for chunk in request.stream():
            receiver.reserve(len(chunk))
            reserved += len(chunk)
            if reserved > receiver.limits.body_bytes:
                raise BodyTooLargeError(f"the body is larger than {receiver.limits.body_bytes} bytes")
            body += chunk
        receiver.telemetry.received_bytes.labels(signal).inc(len(body))
        accepted = await take(bytes(body), body_format=reply_format, content_encoding=encoding)
    except (IntakeError, OverloadedError, StoreError) as error:
        refusal = _refusal(error)
        requests.labels(signal, refusal.result).inc()
        logger.debug("OTLP request refused", extra={"signal": signal, "error": str(error)})
        return _refused(refusal, str(error), reply_format)
    except ClientDisconnect:
        requests.labels(signal, "disconnected").inc()
        return Response(status_code=400)
    finally:
        receiver.release(reserved)
    requests.labels(signal, "partial" if accepted.rejected else "ok").inc()
    receiver.telemetry.rejected.labels(signal).inc(accepted.rejected)
    return _response(response(accepted), reply_format, status=200)


def _format(request: Request) -> Format:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        return Format(media_type)
    except ValueError as error:
        raise _UnsupportedError(
            f"Content-Type {media_type[:80]!r} is not supported; send {Format.PROTOBUF} or {Format.JSON}"
        ) from error


def _encoding(request: Request) -> str:
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in _ENCODINGS:
        raise _UnsupportedError(f"Content-Encoding {encoding[:80]!r} is not supported; send gzip, deflate or none")
    return encoding


def _refusal(error: Exception) -> _Refusal:
    if isinstance(error, _UnsupportedError):
        return _UNSUPPORTED
    return next(refusal for kind, refusal in _REFUSALS if isinstance(error, kind))


def _refused(refusal: _Refusal, message: str, reply_format: Format) -> Response:
    headers = {"Retry-After": _RETRY_AFTER_SECONDS} if refusal.status == 503 else {}
    return _response(Status(code=refusal.code, message=message), reply_format, status=refusal.status, headers=headers)


def _response(message: Any, reply_format: Format, *, status: int, headers: dict[str, str] | None = None) -> Response:
    if reply_format is Format.JSON:
        content = json_format.MessageToJson(message, indent=None).encode()
    else:
        content = message.SerializeToString()
    return Response(content, status_code=status, media_type=reply_format.value, headers=headers)


def _metrics_response(accepted: Accepted) -> ExportMetricsServiceResponse:
    response = ExportMetricsServiceResponse()
    if accepted.rejected:
        response.partial_success.rejected_data_points = accepted.rejected
        response.partial_success.error_message = accepted.reason
    return response


def _traces_response(accepted: Accepted) -> ExportTraceServiceResponse:
    response = ExportTraceServiceResponse()
    if accepted.rejected:
        response.partial_success.rejected_spans = accepted.rejected
        response.partial_success.error_message = accepted.reason
    return response
