"""Certificates and kubeconfigs of a test cluster, signed by authorities of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.cluster.build import programs

MASTERS: Final = "system:masters"
CONTEXT: Final = "foretide-test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


class Credentials:
    """What authenticates whom: one authority for users and servers, another for the aggregator's own calls."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = folder / "ca.crt"
        self.aggregator_ca = folder / "aggregator-ca.crt"
        folder.mkdir()
        self.service_accounts = self._signed(file="service-accounts", name="service-accounts")
        """Its key signs their tokens, its certificate proves them."""

    def server(self, name: str, *hosts: str) -> Pair:
        """For a server that answers to these names and addresses, loopback's included."""
        return self._signed(file=f"server-{name}", name=name, hosts=["localhost", "127.0.0.1", *hosts])

    def client(self, user: str, groups: Sequence[str] = (), *, authority: str = "ca") -> Pair:
        """For a user, or with ``aggregator-ca`` for the API server in front of an extension."""
        return self._signed(file=f"client-{_as_file(user)}", name=user, groups=list(groups), authority=authority)

    def kubeconfig(self, name: str, url: str, user: dict[str, str]) -> Path:
        """A file with one context, ``CONTEXT``."""
        path = self.folder / f"{_as_file(name)}.kubeconfig"
        cluster = {"server": url, "certificate-authority": str(self.ca)}
        path.write_text(json.dumps(kubeconfig_of(cluster, user)))
        path.chmod(0o600)
        return path

    def client_kubeconfig(self, user: str, url: str, groups: Sequence[str] = ()) -> Path:
        """For a user who shows a client certificate."""
        pair = self.client(user, groups)
        return self.kubeconfig(
            user, url, {"client-certificate": str(pair.certificate), "client-key": str(pair.key)}
        )  # fmt: skip

    def _signed(self, *, file: str, authority: str = "ca", **told: Any) -> Pair:
        pair = Pair(certificate=self.folder / f"{file}.crt", key=self.folder / f"{file}.key")
        if not pair.certificate.exists():
            self._sign([{"file": file, "authority": authority, **told}])
        return pair

    def _sign(self, requests: list[dict[str, Any]]) -> None:
        command = [str(programs()["certificates"]), str(self.folder)]
        subprocess.run(command, input=json.dumps(requests), text=True, check=True)


def _as_file(name: str) -> str:
    return name.replace(":", "-").replace("/", "-")


def kubeconfig_of(cluster: dict[str, str], user: dict[str, str]) -> dict[str, Any]:
    name = CONTEXT
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
