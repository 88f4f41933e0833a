"""The Lease as the API server keeps it: read, made, and replaced as it was read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from domain.errors import KubeError
from kube.connection import Connection
from kube.decoding import decoded
from kube.kinds import LEASE, Lease


class LeaseObject:
    """One Lease by its name; every method raises a ``KubeError``."""

    def __init__(self, connection: Connection, *, namespace: str, name: str) -> None:
        self._connection, self._namespace, self._name = connection, namespace, name

    def read(self, *, timeout_seconds: float) -> Lease | None:
        """None where there is none."""
        path = LEASE.path(namespace=self._namespace, name=self._name)
        try:
            return _decoded(self._connection.request("GET", path, timeout_seconds=timeout_seconds))
        except KubeError as error:
            if error.status == 404:
                return None
            raise

    def create(self, spec: Mapping[str, Any], *, timeout_seconds: float) -> Lease:
        """Where there is none; with the times of now."""
        body = {**self._header(""), "spec": {**spec, "acquireTime": self._wall(), "renewTime": self._wall()}}
        path = LEASE.path(namespace=self._namespace)
        try:
            return _decoded(self._connection.request("POST", path, body=body, timeout_seconds=timeout_seconds))
        except KubeError as error:
            if error.status != 404:
                raise
            raise KubeError(
                f"namespace {self._namespace} does not exist, or has no Leases: make it, or name another one as "
                f"kubernetes.namespace ({error.message})", status=404, reason=error.reason,
            ) from error  # fmt: skip

    def write(self, lease: Lease, spec: Mapping[str, Any], *, anew: bool = False, timeout_seconds: float) -> Lease:
        """Replaces ``lease`` as it was read: whoever changed it in between makes this a 409.

        Args:
            lease: As it was read.
            spec: What it says now, but for its times.
            anew: Whether its time begins now.
            timeout_seconds: For the answer.
        """
        acquired = self._wall() if anew else lease.spec.acquire_time
        kept = {"acquireTime": acquired} if acquired else {}
        body = {**self._header(lease.metadata.resource_version), "spec": {**kept, "renewTime": self._wall(), **spec}}
        path = LEASE.path(namespace=self._namespace, name=self._name)
        return _decoded(self._connection.request("PUT", path, body=body, timeout_seconds=timeout_seconds))

    def _header(self, resource_version: str) -> dict[str, Any]:
        version = {"resourceVersion": resource_version} if resource_version else {}
        metadata = {"namespace": self._namespace, "name": self._name, **version}
        return {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": metadata}

    def _wall(self) -> str:
        """For people who look at the Lease; nobody judges by it."""
        return self._connection.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _decoded(raw: bytes) -> Lease:
    try:
        return decoded(raw, Lease)
    except msgspec.DecodeError as error:
        raise KubeError(f"the Lease cannot be read: {error}", status=0, reason="NoLease") from error
