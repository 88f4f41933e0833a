"""A Kubernetes of the tests' own: the real API server and real controllers over etcd, on loopback, with kwok's pods.

`started()` gives a running `Cluster`; the fixture `cluster` (tests/conftest.py) shares one among all tests of a run.
There is no scheduler and no network: pods name their node, ``kwok-0``, and become ready as ``stages.yaml`` says. The
horizontal-pod-autoscaler controller is the real one, with a sync of 1 s in place of 15 s.
"""

from __future__ import annotations

import base64
import json
import shutil
import signal
import ssl
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import httpx

from tests.cluster import accounts
from tests.cluster.accounts import SERVICE_ACCOUNT
from tests.cluster.api import Api, ApiError, Object
from tests.cluster.build import programs
from tests.cluster.credentials import MASTERS, Credentials
from tests.cluster.metrics_stub import MetricsStub
from tests.cluster.programs import Program
from tests.e2e.program import free_port

HERE: Final = Path(__file__).parent
NODE: Final = "kwok-0"
ADMIN: Final = "admin"
_AGGREGATOR: Final = "aggregator"
_CONTROLLERS: Final = (
    "clusterrole-aggregation-controller", "deployment-controller", "disruption-controller", "endpointslice-controller",
    "garbage-collector-controller", "horizontal-pod-autoscaler-controller", "namespace-controller",
    "replicaset-controller", "resourcequota-controller", "root-ca-certificate-publisher-controller",
    "serviceaccount-controller", "serviceaccount-token-controller", "statefulset-controller",
    "validatingadmissionpolicy-status-controller",
)  # fmt: skip


class Cluster:
    """A running control plane: its address, its users, its programs, and the usage that its pods report."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.credentials = Credentials(folder / "credentials")
        self._port, self._etcd_port, self._kwok_port = free_port(), free_port(), free_port()
        self.url = f"https://127.0.0.1:{self._port}"
        self._users: dict[str, Api] = {}
        self.api = self.as_user(ADMIN, [MASTERS])
        self.etcd = self._program("etcd", self._etcd_flags(), self._etcd_ready)
        self.api_server = self._program("kube-apiserver", self._api_server_flags(), self._api_server_ready)
        self.controllers = self._program("kube-controller-manager", self._controller_flags(), self._controllers_ready)
        self.kwok = self._program("kwok", self._kwok_flags(), self._kwok_ready)

    @cached_property
    def metrics(self) -> MetricsStub:
        """metrics.k8s.io and external.metrics.k8s.io, from the first use on."""
        stub = MetricsStub(
            self.api,
            server=self.credentials.server("metrics", *MetricsStub.HOSTS),
            ca=self.credentials.ca,
            aggregator_ca=self.credentials.aggregator_ca,
        )
        stub.start()
        return stub

    def as_user(self, user: str, groups: Sequence[str] = ()) -> Api:
        """The API as that user sees it; a ServiceAccount is named system:serviceaccount:NAMESPACE:NAME."""
        if user not in self._users:
            self._users[user] = self._connected(user, groups)
        return self._users[user]

    def _connected(self, user: str, groups: Sequence[str]) -> Api:
        if user.startswith(SERVICE_ACCOUNT):
            return Api(self.url, ssl.create_default_context(cafile=self.credentials.ca), token=self.token(user))
        pair = self.credentials.client(user, groups)
        context = ssl.create_default_context(cafile=self.credentials.ca)
        context.load_cert_chain(pair.certificate, pair.key)
        return Api(self.url, context)

    def kubeconfig(self, user: str = ADMIN, groups: Sequence[str] = ()) -> Path:
        """A file for that user, or with a token for system:serviceaccount:NAMESPACE:NAME."""
        if user.startswith(SERVICE_ACCOUNT):
            return self.credentials.kubeconfig(user, self.url, {"token": self.token(user)})
        return self.credentials.client_kubeconfig(user, self.url, [MASTERS] if user == ADMIN else groups)

    def token(self, service_account: str, *, seconds: int = 3600) -> str:
        """A token of system:serviceaccount:NAMESPACE:NAME by TokenRequest; the account is made where it is missing."""
        return accounts.token(self.api, service_account, seconds=seconds)

    def namespace(self, prefix: str = "t") -> str:
        """A fresh one, with its ServiceAccount `default`."""
        return accounts.fresh_namespace(self.api, prefix)

    def restart_api(self, *, number: signal.Signals = signal.SIGKILL) -> None:
        """End the API server and start it again on the same port; watches break, and old versions are 410 Gone."""
        self.api_server.stop(number)
        self.api_server.start()
        self.api_server.wait_ready()

    def compact(self) -> None:
        """Let etcd forget every version but the newest, as Kubernetes does every five minutes."""
        found = self._etcd("kv/range", key=_in_base64("a"))
        self._etcd("kv/compaction", revision=found["header"]["revision"], physical=True)

    def writes(self, user: str | None = None) -> list[Object]:
        """Audit entries of all writes, or of one user's, but the control plane's own; the oldest first."""
        with (self.folder / "audit.log").open() as lines:
            entries: list[Object] = [json.loads(line) for line in lines if line.endswith("\n")]
        return [one for one in entries if user is None or one["user"]["username"] == user]

    def start(self) -> None:
        """Some 10 s; what fails says so with the end of its log."""
        self.etcd.start()
        self.etcd.wait_ready()
        self.api_server.start()
        self.api_server.wait_ready()
        self.api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}})
        self.controllers.start()
        self.kwok.start()
        self.controllers.wait_ready()
        self.kwok.wait_ready()

    def stop(self) -> None:
        if "metrics" in self.__dict__:
            self.metrics.stop()
        for program in (self.kwok, self.controllers, self.api_server, self.etcd):
            program.stop()
        for user in self._users.values():
            user.close()

    def _program(self, name: str, flags: dict[str, object], ready: Any) -> Program:
        command = [str(programs()[name]), *(f"--{flag}={value}" for flag, value in flags.items())]
        return Program(name, command, folder=self.folder, ready=ready)

    def _etcd_flags(self) -> dict[str, object]:
        url, peer = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{free_port()}"
        return {
            "data-dir": self.folder / "etcd",
            "listen-client-urls": url,
            "advertise-client-urls": url,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"default={peer}",
            "unsafe-no-fsync": "true",
        }

    def _api_server_flags(self) -> dict[str, object]:
        pair = self.credentials.server("api", "kubernetes", "kubernetes.default.svc", "10.0.0.1")
        aggregator = self.credentials.client(_AGGREGATOR, authority="aggregator-ca")
        return {
            "etcd-servers": f"http://127.0.0.1:{self._etcd_port}",
            "bind-address": "127.0.0.1",
            "secure-port": self._port,
            "tls-cert-file": pair.certificate,
            "tls-private-key-file": pair.key,
            # Loopback may not stand in EndpointSlices; without an address a host with no default route is refused.
            "advertise-address": "127.0.0.1",
            "endpoint-reconciler-type": "none",
            "service-cluster-ip-range": "10.0.0.0/24",
            "authorization-mode": "RBAC",
            "anonymous-auth": "false",
            "client-ca-file": self.credentials.ca,
            "service-account-issuer": self.url,
            "service-account-key-file": self.credentials.service_accounts.certificate,
            "service-account-signing-key-file": self.credentials.service_accounts.key,
            "requestheader-client-ca-file": self.credentials.aggregator_ca,
            "requestheader-allowed-names": _AGGREGATOR,
            "requestheader-extra-headers-prefix": "X-Remote-Extra-",
            "requestheader-group-headers": "X-Remote-Group",
            "requestheader-username-headers": "X-Remote-User",
            "proxy-client-cert-file": aggregator.certificate,
            "proxy-client-key-file": aggregator.key,
            "audit-policy-file": HERE / "audit.yaml",
            "audit-log-path": self.folder / "audit.log",
        }

    def _controller_flags(self) -> dict[str, object]:
        kubeconfig = self.credentials.client_kubeconfig("system:kube-controller-manager", self.url)
        return {
            "kubeconfig": kubeconfig,
            "authentication-kubeconfig": kubeconfig,
            "authorization-kubeconfig": kubeconfig,
            "secure-port": 0,
            "leader-elect": "false",
            "use-service-account-credentials": "true",
            "service-account-private-key-file": self.credentials.service_accounts.key,
            "root-ca-file": self.credentials.ca,
            "controllers": ",".join(_CONTROLLERS),
            "kube-api-content-type": "application/json",  # the metrics stub does not speak protobuf
            "kube-api-qps": 200,
            "kube-api-burst": 400,
            # Kubernetes' defaults: 15 s, 5 min, 5 min, 30 s.
            "horizontal-pod-autoscaler-sync-period": "1s",
            "horizontal-pod-autoscaler-downscale-stabilization": "10s",
            "horizontal-pod-autoscaler-cpu-initialization-period": "1s",
            "horizontal-pod-autoscaler-initial-readiness-delay": "1s",
        }

    def _kwok_flags(self) -> dict[str, object]:
        return {
            "kubeconfig": self.credentials.client_kubeconfig("kwok", self.url, [MASTERS]),
            "config": HERE / "stages.yaml",
            "manage-all-nodes": "true",
            "server-address": f"127.0.0.1:{self._kwok_port}",
            "node-lease-duration-seconds": 0,
        }

    def _etcd(self, what: str, **told: object) -> Object:
        answer = httpx.post(f"http://127.0.0.1:{self._etcd_port}/v3/{what}", json=told, trust_env=False)
        found: Object = answer.raise_for_status().json()
        return found

    def _etcd_ready(self) -> bool:
        return _answers(f"http://127.0.0.1:{self._etcd_port}/readyz")

    def _api_server_ready(self) -> bool:
        with suppress(ApiError, httpx.TransportError):
            self.api.request("GET", "/readyz")
            return True
        return False

    def _controllers_ready(self) -> bool:
        """They serve no port: that one of them has made the first ServiceAccount shows that they work."""
        with suppress(ApiError, httpx.TransportError):
            return bool(self.api.get("ServiceAccount", "default", "default"))
        return False

    def _kwok_ready(self) -> bool:
        with suppress(ApiError, httpx.TransportError):
            conditions = self.api.get("Node", NODE).get("status", {}).get("conditions", [])
            return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
        return False


@contextmanager
def started() -> Iterator[Cluster]:
    """A cluster in a temporary folder, which is gone afterwards with everything in it.

    Raises:
        NoClusterError: Its programs cannot be built here.
    """
    folder = Path(tempfile.mkdtemp(prefix="foretide-cluster-"))
    cluster = Cluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _answers(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(url, trust_env=False).is_success
    return False


def _in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
