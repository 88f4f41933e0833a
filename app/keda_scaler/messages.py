"""The messages of KEDA's external scaler, described here in place of generated code.

Source: ``pkg/scalers/externalscaler/externalscaler.proto`` of github.com/kedacore/keda (v2, Apache-2.0), which stands
beside this file; a test holds it to that. ``StreamMetricSpec`` is not served: KEDA takes UNIMPLEMENTED for "the targets
never change".
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]

PACKAGE: Final = "externalscaler"
SERVICE: Final = f"{PACKAGE}.ExternalScaler"

_FIELDS: Final[dict[str, dict[str, str]]] = {
    "ScaledObjectRef": {"name": "string", "namespace": "string", "scalerMetadata": "map"},
    "IsActiveResponse": {"result": "bool"},
    "GetMetricSpecResponse": {"metricSpecs": "repeated MetricSpec"},
    "MetricSpec": {"metricName": "string", "targetSize": "int64", "targetSizeFloat": "double"},
    "GetMetricsRequest": {"scaledObjectRef": "ScaledObjectRef", "metricName": "string"},
    "GetMetricsResponse": {"metricValues": "repeated MetricValue"},
    "MetricValue": {"metricName": "string", "metricValue": "int64", "metricValueFloat": "double"},
}
"""Numbered from 1 in their order. ``map`` is of text to text."""


def _described() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="externalscaler.proto", package=PACKAGE, syntax="proto3")
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for number, (field, kind) in enumerate(fields.items(), start=1):
            _add(message, field, kind, number)
    return file


def _add(message: descriptor_pb2.DescriptorProto, name: str, kind: str, number: int) -> None:
    kinds = descriptor_pb2.FieldDescriptorProto
    many, _, of = kind.rpartition(" ")
    if kind == "map":
        entry = message.nested_type.add(name=name[0].upper() + name[1:] + "Entry")
        entry.options.map_entry = True
        _add(entry, "key", "string", 1)
        _add(entry, "value", "string", 2)
        many, of = "repeated", f"{message.name}.{entry.name}"
    field = message.field.add(
        name=name, number=number, label=kinds.LABEL_REPEATED if many else kinds.LABEL_OPTIONAL
    )  # fmt: skip
    if of[0].isupper():
        field.type, field.type_name = kinds.TYPE_MESSAGE, f".{PACKAGE}.{of}"
    else:
        field.type = kinds.Type.Value(f"TYPE_{of.upper()}")


_pool = descriptor_pool.DescriptorPool()
"""Our own: in the process-wide one two programs' descriptions of the same file would clash."""
_pool.Add(_described())


def _message(name: str) -> Any:
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))


ScaledObjectRef: Final = _message("ScaledObjectRef")
IsActiveResponse: Final = _message("IsActiveResponse")
GetMetricSpecResponse: Final = _message("GetMetricSpecResponse")
MetricSpec: Final = _message("MetricSpec")
GetMetricsRequest: Final = _message("GetMetricsRequest")
GetMetricsResponse: Final = _message("GetMetricsResponse")
MetricValue: Final = _message("MetricValue")
