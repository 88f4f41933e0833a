"""KEDA's five questions, and their answers or the gRPC status that says why there is none.

INVALID_ARGUMENT names the field of the trigger; NOT_FOUND: nobody forecasts this; UNAVAILABLE: it is stale or was never
read, and KEDA's ``fallback`` takes over.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any, Final, TypeAlias

import grpc

from app.forecast_doors.feed import Feed
from app.forecast_doors.question import BadQuestionError, NotNowError, UnknownForecastError, answers
from app.keda_scaler import messages
from app.keda_scaler.trigger import Trigger, trigger_of
from domain.errors import ForetideError

_LOOK_EVERY_SECONDS: Final = 5.0
"""For who holds a stream (``external-push``): as often as forecasts are read again at most."""
_INT64: Final = 2**63 - 1

Context: TypeAlias = Any
"""``grpc.aio.ServicerContext``; grpcio brings no types."""


class Scaler:
    """Answers from what ``feed`` knows."""

    def __init__(self, feed: Feed, now: Callable[[], datetime]) -> None:
        self._feed, self._now = feed, now

    async def is_active(self, request: Any, context: Context) -> Any:
        """Whether there shall be replicas at all."""
        return messages.IsActiveResponse(result=await self._asked(self._active, request, context))

    async def stream_is_active(self, request: Any, context: Context) -> AsyncIterator[Any]:
        """The same at once, and whenever it changes."""
        said: bool | None = None
        while True:
            active = await self._asked(self._active, request, context)
            if active is not said:
                said = active
                yield messages.IsActiveResponse(result=active)
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def get_metric_spec(self, request: Any, context: Context) -> Any:
        """What one replica carries: by the trigger alone, whatever is forecast."""
        trigger = await self._asked(_trigger, request, context)
        spec = messages.MetricSpec(
            metricName=trigger.metric, targetSize=_whole(trigger.target), targetSizeFloat=trigger.target
        )
        return messages.GetMetricSpecResponse(metricSpecs=[spec])

    async def get_metrics(self, request: Any, context: Context) -> Any:
        """The forecast; under the name that KEDA asks by."""
        value = await self._asked(self._value, request.scaledObjectRef, context)
        told = messages.MetricValue(
            metricName=request.metricName, metricValue=_whole(value), metricValueFloat=value
        )  # fmt: skip
        return messages.GetMetricsResponse(metricValues=[told])

    def _active(self, reference: Any) -> bool:
        return self._value(reference) > _trigger(reference).activation

    def _value(self, reference: Any) -> float:
        """The sum of all series that the trigger chooses."""
        question = _trigger(reference).question
        return sum(one.value for one in answers(question, self._feed.of(question.key), self._now()))

    async def _asked(self, what: Callable[[Any], Any], reference: Any, context: Context) -> Any:
        """In a thread, because Foretide may have to be asked; ends the call with a status where there is no answer."""
        try:
            return await asyncio.to_thread(what, reference)
        except ForetideError as error:
            await context.abort(_code(error), str(error))


def handlers(scaler: Scaler) -> Any:
    """The service by its calls' names."""
    named = {
        "IsActive": _unary(scaler.is_active, messages.ScaledObjectRef),
        "GetMetricSpec": _unary(scaler.get_metric_spec, messages.ScaledObjectRef),
        "GetMetrics": _unary(scaler.get_metrics, messages.GetMetricsRequest),
        "StreamIsActive": grpc.unary_stream_rpc_method_handler(
            scaler.stream_is_active, request_deserializer=messages.ScaledObjectRef.FromString,
            response_serializer=_bytes,
        ),
    }  # fmt: skip
    return grpc.method_handlers_generic_handler(messages.SERVICE, named)


def _unary(call: Any, request: Any) -> Any:
    return grpc.unary_unary_rpc_method_handler(
        call, request_deserializer=request.FromString, response_serializer=_bytes
    )


def _bytes(message: Any) -> bytes:
    raw: bytes = message.SerializeToString()
    return raw


def _trigger(reference: Any) -> Trigger:
    return trigger_of(reference.namespace, dict(reference.scalerMetadata))


def _code(error: ForetideError) -> Any:
    if isinstance(error, BadQuestionError):
        return grpc.StatusCode.INVALID_ARGUMENT
    if isinstance(error, UnknownForecastError):
        return grpc.StatusCode.NOT_FOUND
    return grpc.StatusCode.UNAVAILABLE if isinstance(error, NotNowError) else grpc.StatusCode.INTERNAL


def _whole(value: float) -> int:
    """For a KEDA that does not know the floats yet; up."""
    return min(math.ceil(value), _INT64)
