"""OTLP's messages as we read them: the official ones, with the parts that we skip or cache left as bytes.

A field that holds a message and one that holds bytes look the same on the wire. Declaring ``attributes`` as bytes lets
the decoder pass over them, and their bytes serve as the cache key of what they mean: three times as fast on metrics.
Links, events and exemplars are not stored, so they are passed over as well. The descriptors are made at import from the
official package, which keeps them in step with it; the tests read each field through both.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from google.protobuf import (  # type: ignore[import-untyped]
    descriptor_pb2,
    descriptor_pool,
    message_factory,
)
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

AS_BYTES: Final = frozenset({"attributes", "filtered_attributes", "exemplars", "events", "links", "entity_refs"})

_FILES: Final = (common_pb2, resource_pb2, metrics_pb2, metrics_service_pb2, trace_pb2, trace_service_pb2)


def _with_bytes(messages: Iterable[Any]) -> None:
    for message in messages:
        for field in message.field:
            if field.name in AS_BYTES:
                field.type = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
                field.ClearField("type_name")
        _with_bytes(message.nested_type)


def _pool() -> Any:
    pool = descriptor_pool.DescriptorPool()
    for module in _FILES:
        file = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        _with_bytes(file.message_type)
        pool.Add(file)
    return pool


def _message_class(pool: Any, name: str) -> Any:
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"opentelemetry.proto.collector.{name}"))


_POOL: Final = _pool()
MetricsRequest: Final = _message_class(_POOL, "metrics.v1.ExportMetricsServiceRequest")
TraceRequest: Final = _message_class(_POOL, "trace.v1.ExportTraceServiceRequest")
