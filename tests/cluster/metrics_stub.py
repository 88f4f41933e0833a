"""metrics.k8s.io and external.metrics.k8s.io as the HPA controller asks for them, with usage and faults set by a test.

The API server reaches it as it reaches any aggregated API: an APIService names a Service, here of type ExternalName
with 127.0.0.1, and only the aggregator's own client certificate is let in. Which pods there are is asked of the API
server; a pod without set usage is missing, as with a metrics server that has not met it yet.
"""

from __future__ import annotations

import base64
import json
import ssl
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, urlsplit

import httpx

from tests.cluster.accounts import ensure, ensure_namespace
from tests.cluster.api import Api, Object, path
from tests.cluster.credentials import Pair

NAMESPACE: Final = "metrics-stub"
SERVICE: Final = "metrics"
RESOURCE: Final = "metrics.k8s.io"
EXTERNAL: Final = "external.metrics.k8s.io"
_ONLY_METADATA: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_STALE: Final = timedelta(minutes=10)
_HANG_SECONDS: Final = 60.0


class Fault(Enum):
    """How the stub misbehaves; its discovery, and so the APIService, stays well but for GONE."""

    ERROR = auto()
    """500 with a Status."""
    HANG = auto()
    """No answer for a minute, or until the fault is over."""
    NAN = auto()
    """Usage "NaN", which no quantity may be."""
    EMPTY = auto()
    """Lists without items."""
    STALE = auto()
    """Measured ten minutes ago."""
    GARBAGE = auto()
    """200 and a page for people."""
    GONE = auto()
    """500 for everything: the APIService becomes unavailable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What pods use: each of them, or all of them together in equal shares."""

    namespace: str
    prefix: str
    cpu_millicores: Callable[[], float]
    memory_bytes: float
    together: bool

    def covers(self, namespace: str, name: str) -> bool:
        return namespace == self.namespace and name.startswith(self.prefix)


class MetricsStub:
    """The running server; set usage and faults at any time."""

    HOSTS: ClassVar = (f"{SERVICE}.{NAMESPACE}.svc",)
    """What the aggregator expects in its certificate."""

    def __init__(self, api: Api, *, server: Pair, ca: Path, aggregator_ca: Path) -> None:
        self._api, self._ca = api, ca
        self._usages: list[Usage] = []
        self._external: dict[tuple[str, str], list[Object]] = {}
        self._fault: Fault | None = None
        self.measured: list[tuple[float, str]] = []
        """When (on the monotonic clock) what was measured, by path and query; each pass of an HPA asks once."""
        self._fault_over = threading.Event()
        self._http = _Server(("127.0.0.1", 0), _handler(self))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(server.certificate, server.key)
        context.load_verify_locations(aggregator_ca)
        context.verify_mode = ssl.CERT_REQUIRED
        # The handshake belongs to the connection's own thread: a silent caller must not keep the others out.
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True, do_handshake_on_connect=False)

    def start(self) -> None:
        """Serve, register with the API server, and wait until it has found us."""
        threading.Thread(target=self._http.serve_forever, name="metrics-stub", daemon=True).start()
        ensure_namespace(self._api, NAMESPACE)
        ensure(self._api, {
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": SERVICE, "namespace": NAMESPACE},
            "spec": {"type": "ExternalName", "externalName": "127.0.0.1"},
        })  # fmt: skip
        for group in (RESOURCE, EXTERNAL):
            self._api.create(self._api_service(group))
        for group in (RESOURCE, EXTERNAL):
            self._api.until(f"{group} is available", lambda name=group: self.available(name))  # type: ignore[misc]

    def stop(self) -> None:
        self._fault_over.set()
        self._http.shutdown()
        self._http.server_close()

    def available(self, group: str = RESOURCE) -> bool:
        """Whether the API server says so of its APIService."""
        conditions = self._api.get("APIService", f"v1beta1.{group}").get("status", {}).get("conditions", [])
        return any(one["type"] == "Available" and one["status"] == "True" for one in conditions)

    def set_usage(
        self, namespace: str, prefix: str, *, cpu_millicores: float, memory_bytes: float = 2**26
    ) -> None:  # fmt: skip
        """What each pod uses whose name starts so; the latest word counts."""
        self._set(namespace, prefix, lambda: cpu_millicores, memory_bytes, together=False)

    def set_load(
        self, namespace: str, prefix: str, *, cpu_millicores: float | Callable[[], float], memory_bytes: float = 2**26
    ) -> None:
        """What these pods use together, each the same share: more replicas make each less busy.

        A function is asked at every measurement, so that a load may follow a curve.
        """
        cpu = cpu_millicores if callable(cpu_millicores) else lambda: cpu_millicores
        self._set(namespace, prefix, cpu, memory_bytes, together=True)

    def forget(self, namespace: str) -> None:
        """Its pods are no longer measured."""
        self._usages = [one for one in self._usages if one.namespace != namespace]

    def set_external(self, namespace: str, metric: str, value: float, **labels: str) -> None:
        """An external metric's one value."""
        self._external[namespace, metric] = [{"metricName": metric, "metricLabels": labels, "value": _quantity(value)}]

    @contextmanager
    def failing(self, fault: Fault) -> Iterator[None]:
        """Misbehave for a while."""
        self._fault_over.clear()
        self._fault = fault
        try:
            yield
        finally:
            self._fault = None
            self._fault_over.set()

    def answer(self, target: str) -> tuple[int, bytes]:
        """Status and body for a request's path and query."""
        split = urlsplit(target)
        asked = split.path.strip("/").split("/")
        fault = self._fault
        if fault is Fault.GONE:
            return _status(500, "InternalError", "the stub is told to be gone")
        if len(asked) < 4:
            return self._discovery(asked)
        if fault is Fault.HANG:
            self._fault_over.wait(_HANG_SECONDS)
        if fault in (Fault.ERROR, Fault.HANG):
            return _status(500, "InternalError", "the stub is told to fail")
        if fault is Fault.GARBAGE:
            return 200, b"<html>502 Bad Gateway</html>"
        found = self._measured(asked[1], asked[3:], dict(parse_qsl(split.query)), fault)
        self.measured.append((time.monotonic(), target))
        return _status(404, "NotFound", f"{target} is not known") if found is None else (200, _json(found))

    def _discovery(self, asked: list[str]) -> tuple[int, bytes]:
        if len(asked) != 3 or asked[1] not in (RESOURCE, EXTERNAL):
            return _status(404, "NotFound", "/".join(asked))
        kinds = {"pods": "PodMetrics", "nodes": "NodeMetrics"} if asked[1] == RESOURCE else {}
        resources = [
            {"name": name, "singularName": "", "namespaced": name == "pods", "kind": kind, "verbs": ["get", "list"]}
            for name, kind in kinds.items()
        ]
        group = f"{asked[1]}/v1beta1"
        told = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group, "resources": resources}
        return 200, _json(told)

    def _measured(
        self, group: str, asked: list[str], query: dict[str, str], fault: Fault | None
    ) -> Object | None:  # fmt: skip
        match group, asked:
            case (str(one), ["namespaces", namespace, metric]) if one == EXTERNAL:
                items = self._external.get((namespace, metric))
                return None if items is None else _listed("ExternalMetricValueList", EXTERNAL, _at(items, fault), fault)
            case (_, ["nodes"]):
                return _listed("NodeMetricsList", RESOURCE, self._nodes(fault), fault)
            case (_, ["pods"]):
                return _listed("PodMetricsList", RESOURCE, self._pods(None, query, fault), fault)
            case (_, ["namespaces", namespace, "pods"]):
                return _listed("PodMetricsList", RESOURCE, self._pods(namespace, query, fault), fault)
        return None

    def _pods(self, namespace: str | None, query: dict[str, str], fault: Fault | None) -> list[Object]:
        """Those that the selector asks for; a shared load is shared by all that it covers, whatever the selector."""
        running = {"fieldSelector": "status.phase=Running"}
        pods = self._api.request("GET", path("Pod", None, namespace), query=running, accept=_ONLY_METADATA)["items"]
        found = [
            (one["metadata"], self._usage(one["metadata"]))
            for one in pods or []  # the API server writes null for an empty list of mere metadata
        ]
        among = Counter(usage for _, usage in found if usage and usage.together)
        wanted = _selected(query.get("labelSelector", ""))
        return _at(
            [_of_pod(metadata, usage, among.get(usage, 1), fault) for metadata, usage in found
             if usage and wanted.items() <= metadata.get("labels", {}).items()], fault,
        )  # fmt: skip

    def _usage(self, metadata: Object) -> Usage | None:
        covers = (one for one in reversed(self._usages) if one.covers(metadata["namespace"], metadata["name"]))
        return next(covers, None)

    def _nodes(self, fault: Fault | None) -> list[Object]:
        """All pods' usage as the first node's: there is but one."""
        pods = self._pods(None, {}, None)
        cpu = sum(float(one["containers"][0]["usage"]["cpu"].removesuffix("n")) for one in pods)
        memory = sum(float(one["containers"][0]["usage"]["memory"]) for one in pods)
        nodes = self._api.request("GET", path("Node", None, None), accept=_ONLY_METADATA)["items"]
        return _at(
            [{"metadata": {"name": one["metadata"]["name"]}, "usage": {"cpu": f"{cpu:.0f}n", "memory": f"{memory:.0f}"}}
             for one in nodes[:1]], fault,
        )  # fmt: skip

    def _set(
        self, namespace: str, prefix: str, cpu: Callable[[], float], memory: float, *, together: bool
    ) -> None:  # fmt: skip
        kept = [one for one in self._usages if (one.namespace, one.prefix) != (namespace, prefix)]
        usage = Usage(namespace=namespace, prefix=prefix, cpu_millicores=cpu, memory_bytes=memory, together=together)
        self._usages = [*kept, usage]

    def _api_service(self, group: str) -> Object:
        port = self._http.server_address[1]
        return {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": f"v1beta1.{group}"},
            "spec": {
                "group": group, "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100,
                "service": {"name": SERVICE, "namespace": NAMESPACE, "port": port},
                "caBundle": base64.b64encode(self._ca.read_bytes()).decode(),
            },
        }  # fmt: skip


def _selected(selector: str) -> dict[str, str]:
    """The labels of a selector of equalities, as that of any Deployment in these tests is."""
    return dict(one.replace("==", "=").split("=") for one in selector.split(",") if one)


def _of_pod(metadata: Object, usage: Usage, among: int, fault: Fault | None) -> Object:
    share = 1.0 / among
    cpu, memory = f"{usage.cpu_millicores() * share * 1e6:.0f}n", f"{usage.memory_bytes * share:.0f}"
    cpu, memory = ("NaN", "NaN") if fault is Fault.NAN else (cpu, memory)
    known = {name: metadata[name] for name in ("name", "namespace", "labels") if name in metadata}
    return {"metadata": known, "containers": [{"name": "app", "usage": {"cpu": cpu, "memory": memory}}]}


def _at(items: list[Object], fault: Fault | None) -> list[Object]:
    """With the instant and the window of the measurement; external metrics say the window in seconds."""
    now = datetime.now(UTC) - (_STALE if fault is Fault.STALE else timedelta())
    return [
        {**one, "timestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ"), **({} if "value" in one else {"window": "15s"})}
        for one in items
    ]


def _listed(kind: str, group: str, items: list[Object], fault: Fault | None) -> Object:
    if fault is Fault.EMPTY:
        items = []
    if fault is Fault.NAN:
        items = [{**one, "value": "NaN"} if "value" in one else one for one in items]
    return {"kind": kind, "apiVersion": f"{group}/v1beta1", "metadata": {}, "items": items}


def _status(code: int, reason: str, message: str) -> tuple[int, bytes]:
    told = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code}
    return code, _json({**told, "message": message})


def _quantity(value: float) -> str:
    return f"{value * 1000:.0f}m"


def _json(told: Any) -> bytes:
    return json.dumps(told).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that would not wait for a hanging answer, or an API server that has ended, is nothing to tell."""
        if not isinstance(sys.exception(), (ConnectionError, ssl.SSLError, httpx.TransportError)):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def _handler(stub: MetricsStub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, body = stub.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: the API server's log tells what it asked."""

    return Handler
