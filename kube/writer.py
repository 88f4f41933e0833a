"""Every write to the cluster: named manager, explicit content type, bounded rate, bounded tries, fenced.

What is worth trying again is tried at most five times: an overloaded or silent server after a pause (Retry-After when
it names one), an outdated object with what the caller makes of a fresh read. Fields that another manager owns are
never tried again, and never taken by force unless the caller says so.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from domain.errors import KubeError, NotLeadingError
from kube.connection import APPLY, JSON, MERGE, Connection
from kube.decoding import decoded
from kube.kinds import Kind
from kube.throttle import TokenBucket

Body = Mapping[str, Any]

EPOCH: Final = "foretide.dev/epoch"
"""The annotation by which the admission policy refuses a deposed leader's late write."""
TRIES: Final = 5
_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 10.0
"""Between tries: 0.5, 1, 2, 4 s, half to all of it by chance; a Retry-After above 10 s is left to the next pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """Leave to write: of which epoch, and for how many seconds nobody else can rightly lead."""

    epoch: int
    holds_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    """What to write instead, after a fresh read."""

    body: Body
    resource_version: str


class Writer:
    """Writes of one manager over one connection; from any thread.

    Args:
        connection: The API server.
        field_manager: Our name in managedFields.
        qps: Writes a second in the long run.
        burst: Writes at once.
        fence: ``Elector.fence`` where several processes could write; asked before every single send, so that a write
            that had to wait is not sent by a deposed leader. A body that carries ``foretide.dev/epoch`` must carry
            the epoch of now.
        pause: Waits so many seconds.
        chance: Between 0 and 1, for pauses that do not fall together. Pauses decide nothing.
    """

    def __init__(
        self,
        connection: Connection,
        field_manager: str = "foretide",
        qps: float = 20.0,
        burst: int = 40,
        *,
        fence: Callable[[], Fence] | None = None,
        pause: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._connection, self._manager, self._fence = connection, field_manager, fence
        self._bucket = TokenBucket(qps=qps, burst=burst, clock=connection.clock)
        self._pause, self._chance = pause, chance

    def apply(
        self,
        kind: Kind[Any],
        namespace: str | None,
        name: str,
        body: Body,
        *,
        resource_version: str | None = None,
        uid: str | None = None,
        force: bool = False,
        subresource: str | None = None,
        dry_run: bool = False,
        again: Callable[[], Fresh | None] | None = None,
    ) -> dict[str, Any]:
        """Server-side apply: ``body`` holds the fields that shall be ours, and only those.

        Args:
            kind: The object's kind; apiVersion, kind and name are filled in.
            namespace: None for kinds without.
            name: The object's name.
            body: What to apply. Fields that were ours and are left out are given up (a default takes their place).
            resource_version: Refused with 409 when the object is another by now.
            uid: Refused (``is_recreated``) when the object is another or gone; without, an apply creates it.
            force: Takes fields that other managers own.
            subresource: ``status`` or ``scale``.
            dry_run: Checked by the server (admission too), not kept.
            again: Reads the object and says what to write now; asked after a 409 because of ``resource_version``.
                None ends it: nothing is to be written any more, and the 409 is raised.

        Raises:
            KubeError: Refused, or not answered after all tries. ``is_owned_by_another`` names the rival in ``causes``.
            NotLeadingError: The fence is closed.
        """
        query = self._query(dry_run=dry_run, strict=True, force=force)
        path = kind.path(namespace=namespace, name=name, subresource=subresource)

        def send(wanted: Body, version: str | None) -> dict[str, Any]:
            whole = _named(kind, namespace, name, wanted, resource_version=version, uid=uid)
            return self._sent("PATCH", path, query, whole, APPLY)

        return _while_outdated(send, body, resource_version, again)

    def patch_merge(
        self,
        kind: Kind[Any],
        namespace: str | None,
        name: str,
        body: Body,
        *,
        resource_version: str | None = None,
        uid: str | None = None,
        subresource: str | None = None,
        dry_run: bool = False,
        again: Callable[[], Fresh | None] | None = None,
    ) -> dict[str, Any]:
        """JSON merge patch (None removes a field); the arguments are those of ``apply``, nothing is ever created.

        Raises:
            KubeError: 404 when there is no such object; else as ``apply``.
            NotLeadingError: The fence is closed.
        """
        path = kind.path(namespace=namespace, name=name, subresource=subresource)
        query = self._query(dry_run=dry_run, strict=True)

        def send(wanted: Body, version: str | None) -> dict[str, Any]:
            return self._sent("PATCH", path, query, _with_metadata(wanted, resourceVersion=version, uid=uid), MERGE)

        return _while_outdated(send, body, resource_version, again)

    def create(self, kind: Kind[Any], namespace: str | None, body: Body, *, dry_run: bool = False) -> dict[str, Any]:
        """A new object, its name in ``body``.

        Raises:
            KubeError: 409 with reason ``AlreadyExists`` when there is one, also when an earlier try that was not
                answered had made it.
            NotLeadingError: The fence is closed.
        """
        whole = {"apiVersion": kind.api_version, "kind": kind.kind, **body}
        query = self._query(dry_run=dry_run, strict=True)
        return self._sent("POST", kind.path(namespace=namespace), query, whole, JSON)

    def delete(
        self, kind: Kind[Any], namespace: str | None, name: str, *, uid: str | None = None, dry_run: bool = False
    ) -> None:
        """Deletes one object, only the one with ``uid`` when that is given; none there is as good.

        Raises:
            KubeError: ``is_recreated`` when it is there under another uid.
            NotLeadingError: The fence is closed.
        """
        options = {"preconditions": {"uid": uid}} if uid is not None else {}
        query = {"dryRun": "All"} if dry_run else {}
        try:
            self._sent("DELETE", kind.path(namespace=namespace, name=name), query, options, JSON)
        except KubeError as error:
            if error.status != 404:
                raise

    def _query(self, *, dry_run: bool, strict: bool, force: bool = False) -> dict[str, str]:
        query = {"fieldManager": self._manager}
        if strict:
            query["fieldValidation"] = "Strict"
        if force:
            query["force"] = "true"
        if dry_run:
            query["dryRun"] = "All"
        return query

    def _sent(self, method: str, path: str, query: Mapping[str, str], body: Body, content_type: str) -> dict[str, Any]:
        """The object as the server keeps it now."""
        raw = msgspec.json.encode(body)
        for tried in range(1, TRIES + 1):
            self._pause_for(self._bucket.take())
            try:
                answer = self._connection.request(
                    method, path, query=query, body=raw, content_type=content_type,
                    timeout_seconds=self._allowed_seconds(body),
                )  # fmt: skip
                return decoded(answer, dict[str, Any])
            except KubeError as error:
                after = error.retry_after_seconds or 0.0
                if not error.is_passing or tried == TRIES or after > _LONGEST_PAUSE_SECONDS:
                    raise
                if error.status == 429:
                    self._bucket.close_for(after)
                self._pause_for(max(after, self._backoff_seconds(tried)))
        raise AssertionError("the last try returns or raises")

    def _allowed_seconds(self, body: Body) -> float:
        """How long a send may take now: a fenced one not beyond the time for which nobody else can lead."""
        if self._fence is None:
            return 10.0
        fence = self._fence()
        stamped = (body.get("metadata", {}).get("annotations") or {}).get(EPOCH)
        if stamped is not None and stamped != str(fence.epoch):
            raise NotLeadingError(f"planned in epoch {stamped}, now it is {fence.epoch}: not written")
        return min(10.0, fence.holds_seconds)

    def _backoff_seconds(self, tried: int) -> float:
        return float(_FIRST_PAUSE_SECONDS * 2 ** (tried - 1) * (0.5 + 0.5 * self._chance()))

    def _pause_for(self, seconds: float) -> None:
        if seconds > 0.0:
            self._pause(seconds)


def _while_outdated(
    send: Callable[[Body, str | None], dict[str, Any]],
    body: Body,
    resource_version: str | None,
    again: Callable[[], Fresh | None] | None,
) -> dict[str, Any]:
    """Sends, and after a 409 because of the resourceVersion what a fresh read says, at most five times."""
    for tried in range(1, TRIES + 1):
        try:
            return send(body, resource_version)
        except KubeError as error:
            fresh = again() if again is not None and error.is_outdated and tried < TRIES else None
            if fresh is None:
                raise
            body, resource_version = fresh.body, fresh.resource_version
    raise AssertionError("the last try returns or raises")


def _named(
    kind: Kind[Any],
    namespace: str | None,
    name: str,
    body: Body,
    *,
    resource_version: str | None,
    uid: str | None,
) -> dict[str, Any]:
    with_metadata = _with_metadata(body, name=name, namespace=namespace, resourceVersion=resource_version, uid=uid)
    return {"apiVersion": kind.api_version, "kind": kind.kind, **with_metadata}


def _with_metadata(body: Body, **fields: str | None) -> dict[str, Any]:
    given = {field: value for field, value in fields.items() if value is not None}
    return {**body, "metadata": {**body.get("metadata", {}), **given}} if given else dict(body)
