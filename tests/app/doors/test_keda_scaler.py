"""``foretide keda-scaler``, a process of its own, asked as KEDA asks: gRPC, TLS, a client certificate."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor

import app.keda_scaler
from app.forecast_doors.question import BadQuestionError
from app.keda_scaler import messages
from app.keda_scaler.command import Renewing, Wanted
from app.keda_scaler.trigger import trigger_of
from domain.errors import SettingsError
from tests.cluster.programs import Program
from tests.e2e.program import FORETIDE, free_port
from tests.fakes.foretide_api import TOKEN, ForetideApi, forecast, serving
from tests.store.prometheus.certificates import Paths, make

METADATA = {"scalerAddress": "foretide-keda-scaler.foretide:9445", "forecast": "checkout:soon", "targetValue": "50"}
PROTO = Path(app.keda_scaler.__file__).parent / "externalscaler.proto"


def test_the_messages_are_those_that_keda_has_published() -> None:
    published = {}
    for name, body in re.findall(r"message (\w+) {(.*?)}", PROTO.read_text(encoding="utf-8"), flags=re.DOTALL):
        published[name] = re.findall(r"^\s*(.*?) (\w+) = (\d+);", body, flags=re.MULTILINE)

    assert len(published) == 7
    for name, fields in published.items():
        own = getattr(messages, name).DESCRIPTOR.fields
        assert [(written(one), one.name, str(one.number)) for one in own] == fields, name


def written(field: FieldDescriptor) -> str:
    """A field's type as a .proto says it."""
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return "map<string, string>"
    kinds = {FieldDescriptor.TYPE_BOOL: "bool", FieldDescriptor.TYPE_INT64: "int64"}
    kinds |= {FieldDescriptor.TYPE_STRING: "string", FieldDescriptor.TYPE_DOUBLE: "double"}
    kind = field.message_type.name if field.message_type is not None else kinds[field.type]
    return f"repeated {kind}" if field.is_repeated else kind


def test_a_trigger_is_read_strictly() -> None:
    read = trigger_of("shop", {**METADATA, "lead": "10m", "quantile": "0.95", "series": "zone!=a", "enableTLS": "true"})
    assert (read.metric, read.question.key, read.target) == ("foretide-checkout-soon", "shop/checkout/soon", 50.0)
    assert trigger_of("shop", {**METADATA, "targetValue": "500m"}).target == 0.5
    for field, value in (
        ("forecast", ""), ("targetValue", ""), ("targetValue", "0"), ("targetValue", "50 rps"),
        ("activationValue", "x"), ("lead", "5"), ("quantile", "90"), ("series", "zone>a"), ("quantil", "0.9"),
    ):  # fmt: skip
        with pytest.raises(BadQuestionError) as refused:
            trigger_of("shop", {**METADATA, field: value})
        assert refused.value.field == field


class Keda:
    """What KEDA's operator calls, by a channel with its credentials."""

    def __init__(self, channel: grpc.Channel) -> None:
        def call(name: str, answer: Any, *, many: bool = False) -> Any:
            made = channel.unary_stream if many else channel.unary_unary
            return made(
                f"/{messages.SERVICE}/{name}", request_serializer=lambda one: one.SerializeToString(),
                response_deserializer=answer.FromString,
            )  # fmt: skip

        self.is_active = call("IsActive", messages.IsActiveResponse)
        self.stream_is_active = call("StreamIsActive", messages.IsActiveResponse, many=True)
        self.metric_spec = call("GetMetricSpec", messages.GetMetricSpecResponse)
        self.metrics = call("GetMetrics", messages.GetMetricsResponse)


def reference(**metadata: str) -> Any:
    return messages.ScaledObjectRef(name="checkout", namespace="shop", scalerMetadata={**METADATA, **metadata})


def refused(call: Any, request: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as error:
        call(request, timeout=10)
    return error.value.code(), error.value.details()  # type: ignore[attr-defined]


@contextmanager
def connected(port: int, paths: Paths, *, with_certificate: bool = True) -> Iterator[grpc.Channel]:
    shown = (paths.client_key.read_bytes(), paths.client.read_bytes()) if with_certificate else (None, None)
    credentials = grpc.ssl_channel_credentials(paths.ca.read_bytes(), *shown)
    with grpc.secure_channel(f"127.0.0.1:{port}", credentials) as channel:
        yield channel


@pytest.mark.slow
def test_keda_gets_the_forecast_or_a_status_that_says_why_not(tmp_path: Path) -> None:
    paths, token = make(tmp_path), tmp_path / "token"
    token.write_text(TOKEN)
    port = free_port()
    with serving(ForetideApi()) as foretide:
        foretide.put(forecast("shop/checkout/soon", 100.0, 120.0, 10.0))
        command = [FORETIDE, "keda-scaler", "--host", "127.0.0.1", "--port", str(port), "--server", foretide.url]
        command += ["--cert", str(paths.server), "--key", str(paths.server_key), "--client-ca", str(paths.ca)]
        command += ["--token-file", str(token)]

        def ready() -> bool:
            with connected(port, paths) as channel:
                try:
                    grpc.channel_ready_future(channel).result(timeout=1)
                except grpc.FutureTimeoutError:
                    return False
            return True

        program = Program("keda-scaler", command, folder=tmp_path, ready=ready)
        program.start()
        try:
            program.wait_ready()
            with connected(port, paths) as channel:
                asked_as_keda_asks(Keda(channel), foretide)
            with connected(port, paths, with_certificate=False) as channel:
                assert refused(Keda(channel).is_active, reference())[0] is grpc.StatusCode.UNAVAILABLE
        finally:
            program.stop()


def asked_as_keda_asks(keda: Keda, foretide: ForetideApi) -> None:
    (spec,) = keda.metric_spec(reference(targetValue="2500m"), timeout=10).metricSpecs
    assert (spec.metricName, spec.targetSize, spec.targetSizeFloat) == ("foretide-checkout-soon", 3, 2.5)
    ahead = reference(lead="10m", quantile="0.5")
    asked = messages.GetMetricsRequest(scaledObjectRef=ahead, metricName=spec.metricName)
    (value,) = keda.metrics(asked, timeout=10).metricValues
    assert (value.metricName, value.metricValue) == (spec.metricName, 120)
    assert value.metricValueFloat == 120.0
    assert keda.is_active(reference(), timeout=10).result
    assert not keda.is_active(reference(activationValue="1k"), timeout=10).result
    stream = keda.stream_is_active(reference(), timeout=10)
    assert next(iter(stream)).result
    stream.cancel()

    wrong = refused(keda.metric_spec, reference(quantile="p90"))
    assert wrong == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "quantile: expected a number between 0 and 1, for example 0.9; found 'p90'",
    )
    unknown = refused(keda.is_active, reference(forecast="checkout:later"))
    assert unknown == (grpc.StatusCode.NOT_FOUND, "there is no forecast shop/checkout/later")
    stale = forecast("shop/checkout/stale", *[1.0] * 9, age=timedelta(minutes=16), now=datetime.now(tz=UTC))
    foretide.put(stale)
    code, said = refused(keda.is_active, reference(forecast="checkout:stale"))
    assert (code, said.startswith("the forecast shop/checkout/stale is stale")) == (grpc.StatusCode.UNAVAILABLE, True)


def test_a_renewed_certificate_is_taken_when_both_halves_are_there(tmp_path: Path) -> None:
    paths = make(tmp_path)
    wanted = Wanted(
        server="", token_file=None, host="", port=0, certificate=paths.server, key=paths.server_key, client_ca=None
    )
    renewing = Renewing(wanted)
    renewing.credentials()
    assert renewing.renewed() is None
    paths.server.write_bytes(paths.client.read_bytes())
    assert renewing.renewed() is None
    paths.server_key.write_bytes(paths.client_key.read_bytes())
    assert renewing.renewed() is not None
    assert renewing.renewed() is None
    paths.server.write_text("nothing")
    with pytest.raises(SettingsError, match="cannot be used"):
        Renewing(wanted).credentials()


def test_without_its_package_the_command_says_which_one() -> None:
    blocked = "import sys; sys.modules['grpc'] = None; from app.cli import main; main()"
    command = [Path(FORETIDE).parent / "python", "-c", blocked, "keda-scaler", "--cert", "c", "--key", "k"]
    told = subprocess.run([str(one) for one in command], capture_output=True, text=True, check=False)
    assert told.returncode == 2
    assert told.stderr == "foretide: the package grpcio is missing: pip install 'foretide[keda]'\n"
