"""A cluster of the user's own, named by FORETIDE_TEST_KUBECONFIG, in place of one started here.

Tests make namespaces in it, which are deleted afterwards. What only a cluster of ours can do (restart, suspension,
made-up usage, users' certificates) is left out with a sentence.
"""

from __future__ import annotations

import json
import shutil
import ssl
import tempfile
from pathlib import Path
from typing import Any, Final, NoReturn

import pytest
from kubernetes import client, config

from tests.cluster import accounts
from tests.cluster.accounts import SERVICE_ACCOUNT
from tests.cluster.api import Api, ApiError
from tests.cluster.credentials import kubeconfig_of

VARIABLE: Final = "FORETIDE_TEST_KUBECONFIG"


class ForeignCluster:
    """The same face as ``control_plane.Cluster``, as far as a cluster that is not ours can show it."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig
        settings = client.Configuration()
        config.load_kube_config(str(kubeconfig), client_configuration=settings)  # type: ignore[no-untyped-call]
        self.url, self._ca = str(settings.host), settings.ssl_ca_cert
        self._folder = Path(tempfile.mkdtemp(prefix="foretide-foreign-"))
        self._made: list[str] = []
        self._users: list[Api] = []
        context = self._context()
        if settings.cert_file:
            context.load_cert_chain(settings.cert_file, settings.key_file)
        bearer = (settings.get_api_key_with_prefix("authorization") or "").removeprefix("Bearer ")
        self.api = Api(self.url, context, token=bearer or None)

    def namespace(self, prefix: str = "t") -> str:
        self._made.append(accounts.fresh_namespace(self.api, prefix))
        return self._made[-1]

    def token(self, service_account: str, *, seconds: int = 3600) -> str:
        return accounts.token(self.api, service_account, seconds=seconds)

    def kubeconfig(self, user: str = "admin", groups: object = ()) -> Path:
        if user == "admin":
            return self._kubeconfig
        if not user.startswith(SERVICE_ACCOUNT):
            self._only_ours("users by certificate")
        path = self._folder / f"{user.replace(':', '-')}.kubeconfig"
        cluster = {"server": self.url, "certificate-authority": str(self._ca)}
        path.write_text(json.dumps(kubeconfig_of(cluster, {"token": self.token(user)})))
        return path

    def as_user(self, user: str, groups: object = ()) -> Api:
        if not user.startswith(SERVICE_ACCOUNT):
            self._only_ours("users by certificate")
        self._users.append(Api(self.url, self._context(), token=self.token(user)))
        return self._users[-1]

    def __enter__(self) -> ForeignCluster:
        return self

    def __exit__(self, *_: object) -> None:
        """Delete what the tests made."""
        for name in self._made:
            try:
                self.api.delete("Namespace", name)
            except ApiError as error:
                if error.status != 404:
                    raise
        for user in (self.api, *self._users):
            user.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __getattr__(self, name: str) -> Any:
        self._only_ours(f"`{name}`")

    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._ca)

    def _only_ours(self, what: str) -> NoReturn:
        pytest.skip(f"{what} needs a cluster started by the tests, not the one of {VARIABLE}")
