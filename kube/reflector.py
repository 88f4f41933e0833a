"""All objects of a kind, kept up to date on a thread by list and watch.

A watch that breaks is taken up where it was; only 410 (too old) lists anew. A watch that is silent for 90 s is dead: a
server sends a bookmark a minute. A list on which more than half of the known objects are missing is asked for a second
time before it is believed. Until a list was whole nothing is known (``synced``), and ``age_seconds`` tells how long
nothing was heard: who lowers capacity asks for it first.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import msgspec

from domain.errors import KubeError
from kube.cache import Cache
from kube.connection import Connection, Status, Stream, error_from
from kube.decoding import decoded, decoder
from kube.kinds import Key, Kind
from kube.listing import Listing, key_of, listed, resource_version_of

logger = logging.getLogger(__name__)

T = TypeVar("T")
_SUSPECT_SHARE: Final = 0.5
_BELIEVED_REFUSALS: Final = 3
"""A server that has just started refuses with 403 until its authorizer has read the roles: one such is no verdict."""
_LIVED_SECONDS: Final = 1.0
"""A watch that ends sooner, having said nothing, counts as a failure: it would be opened in a hot loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long a reflector waits for what.

    ``watch_seconds``: the server ends a watch after so long (± a tenth, so that many do not end together).
    ``stall_seconds``: silence after which a watch is dead; the server's bookmarks come every 60 s.
    ``first_pause_seconds``, ``longest_pause_seconds``: between failures, doubling, half to all of it by chance.
    ``forbidden_seconds``: after 403, which nobody mends within seconds.
    ``confirm_seconds``: until a suspicious list is asked for again.
    """

    watch_seconds: float = 270.0
    stall_seconds: float = 90.0
    first_pause_seconds: float = 0.8
    longest_pause_seconds: float = 30.0
    forbidden_seconds: float = 60.0
    confirm_seconds: float = 1.0


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _Bookmark(msgspec.Struct):
    metadata: dict[str, Any]


class Reflector(Generic[T]):
    """Keeps one kind, of one namespace or of all.

    Args:
        connection: The API server.
        kind: What to keep.
        namespace: Only of this namespace (whoever may not list the whole cluster has one reflector for each).
        label_selector: Only these, chosen by the server.
        field_selector: Only these, chosen by the server.
        pace: How long to wait for what.
        chance: Between 0 and 1, for pauses and watches that do not end together. It decides nothing.
        changed: Called on the reflector's thread after each list and each change; it must not raise.
    """

    def __init__(
        self,
        connection: Connection,
        kind: Kind[T],
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        pace: Pace | None = None,
        chance: Callable[[], float] = random.random,
        changed: Callable[[], object] = lambda: None,
    ) -> None:
        self._connection, self._kind, self._namespace = connection, kind, namespace
        self._labels, self._fields = label_selector, field_selector
        self._pace, self._chance, self._announce = pace or Pace(), chance, changed
        self._cache: Cache[T] = Cache()
        self._version: str | None = None
        self._alive_at: float | None = None
        self._failures = self._refusals = 0
        self._synced, self._stopping = threading.Event(), threading.Event()
        self._stream: Stream | None = None
        self._stream_lock = threading.Lock()
        self._decoder = decoder(kind.type)
        self._thread = threading.Thread(target=self._run, name=f"reflect-{kind.plural}", daemon=True)
        self.problem = ""
        """What fails at the moment, as a sentence; empty while all is well."""
        self.lists = 0
        """How many lists were asked for."""

    def start(self) -> None:
        """Begins to list and watch; returns at once."""
        if self._connection.metrics is not None:
            self._connection.metrics.follow(self._kind.kind, self.age_seconds)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread; the objects stay as they are."""
        self._stopping.set()
        with self._stream_lock:
            if self._stream is not None:
                self._stream.close()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)

    @property
    def synced(self) -> bool:
        """Whether one whole list was taken: before that, an object that is not there may well exist."""
        return self._synced.is_set()

    def wait_synced(self, timeout_seconds: float) -> bool:
        """Waits for ``synced`` and says whether it is."""
        return self._synced.wait(timeout_seconds)

    @property
    def revision(self) -> int:
        """Grows with every change of the objects."""
        return self._cache.revision

    def objects(self) -> Mapping[Key, T]:
        """Every object by (namespace, name), as a mapping that never changes; cheap to ask for."""
        return self._cache.objects()

    def age_seconds(self) -> float:
        """Seconds since the server was last heard (a list, an event, a bookmark, a watch that it opened)."""
        alive_at = self._alive_at
        return float("inf") if alive_at is None else self._connection.clock.monotonic() - alive_at

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                if self._version is None:
                    self._version = self._listed()
                self._watch(self._version)
            except KubeError as error:
                if not self._stopping.is_set():
                    self._failed(error)
            except Exception:
                logger.exception("a reflector's pass broke", extra={"k8s.kind": self._kind.kind})
                self._version = None
                self._failed(KubeError("a fault of our own", status=0, reason="Broken"))

    def _failed(self, error: KubeError) -> None:
        """Remembers, says it once, and pauses."""
        if error.is_gone:
            self._version = None
        if self.problem != error.message:
            # The first failure after a watch that spoke is a connection that ended: every load balancer does that.
            level = logging.INFO if self._failures == 0 and error.status == 0 else logging.WARNING
            fields = {"k8s.kind": self._kind.kind, "k8s.namespace.name": self._namespace or "", "error": error.message}
            logger.log(level, "a watch or list failed", extra=fields)
        self.problem = error.message
        pace = self._pace
        longest = min(pace.longest_pause_seconds, pace.first_pause_seconds * 2.0 ** min(self._failures, 16))
        self._failures += 1
        pause = max(longest * (0.5 + 0.5 * self._chance()), min(error.retry_after_seconds or 0.0, 30.0))
        self._refusals = self._refusals + 1 if error.status == 403 else 0
        self._stopping.wait(pace.forbidden_seconds if self._refusals >= _BELIEVED_REFUSALS else pause)

    def _heard(self) -> None:
        self._alive_at = self._connection.clock.monotonic()

    # ---- list

    def _listed(self) -> str:
        """Takes a whole list and returns its version."""
        found = self._list()
        if self.synced and self._cache.share_gone(found.objects) > _SUSPECT_SHARE:
            logger.warning("more than half is gone from a list: asking again", extra={"k8s.kind": self._kind.kind})
            self._stopping.wait(self._pace.confirm_seconds)
            found = self._list()
        self._cache.replace(found.objects)
        self._heard()
        self._synced.set()
        self._announce()
        return found.resource_version

    def _list(self) -> Listing[T]:
        self.lists += 1
        if self._connection.metrics is not None:
            self._connection.metrics.listed(self._kind.kind)
        return listed(
            self._connection, self._kind, namespace=self._namespace,
            label_selector=self._labels, field_selector=self._fields,
        )  # fmt: skip

    # ---- watch

    def _watch(self, version: str) -> None:
        """One watch until its end.

        Raises:
            KubeError: It was refused, stalled, broke, or ended before it said anything.
        """
        clock, pace = self._connection.clock, self._pace
        seconds = max(1, round(pace.watch_seconds * (0.9 + 0.2 * self._chance())))
        query = {
            "watch": "true", "allowWatchBookmarks": "true", "resourceVersion": version, "timeoutSeconds": str(seconds),
            **({"labelSelector": self._labels} if self._labels else {}),
            **({"fieldSelector": self._fields} if self._fields else {}),
        }  # fmt: skip
        path = self._kind.path(namespace=self._namespace)
        opened, said = clock.monotonic(), False
        with self._connection.stream(path, query=query, stall_seconds=pace.stall_seconds) as stream:
            with self._stream_lock:
                self._stream = stream
            self._heard()
            self.problem = ""
            for line in stream if not self._stopping.is_set() else ():
                self._happened(line)
                self._heard()
                self._failures, said = 0, True
        if not said and not self._stopping.is_set():
            if clock.monotonic() - opened < _LIVED_SECONDS:
                raise KubeError(f"GET {path}: the watch ended at once", status=0, reason="Unreachable")
            self._failures = 0

    def _happened(self, line: bytes) -> None:
        try:
            event = decoded(line, _Event)
            if event.type == "ERROR":
                status = decoded(event.object, Status)
                raise error_from(status, f"watch {self._kind.plural}", code=status.code)
            if event.type == "BOOKMARK":
                bookmark = decoded(event.object, _Bookmark)
                self._version = str(bookmark.metadata["resourceVersion"])
                return
        except (msgspec.DecodeError, KeyError) as error:
            raise KubeError(f"watch {self._kind.plural}: no event: {error}", status=0, reason="NoEvent") from error
        self._changed(event)

    def _changed(self, event: _Event) -> None:
        """Takes an object; one that cannot be read any more hides itself, as it would in a list."""
        try:
            one: Any = self._decoder.decode(event.object)
        except msgspec.ValidationError as error:
            logger.warning("an object cannot be read", extra={"k8s.kind": self._kind.kind, "error": str(error)})
            one, event = decoded(event.object, dict[str, Any]), _Event("DELETED", event.object)
        self._version = resource_version_of(one)
        if event.type == "DELETED":
            self._cache.drop(key_of(one))
        else:
            self._cache.put(key_of(one), one)
        self._announce()
