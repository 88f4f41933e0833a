"""A small API server over real sockets: lists, watches, server-side apply, and the ways in which a real one fails.

Tests of ``kube`` run on this one (quick) and on the real one of ``tests/cluster`` (slow), so that it is held to the
truth. What is faulty is said from outside: ``fail``, ``freeze``, ``drop_watches``, ``mute_watches``, ``lie_empty``,
``restart``, ``objects.compact``.
"""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.fakes.kube_objects import Object, Objects, Place, Refused, chosen, placed, scale_of

TOKEN = "token-of-tests"
PAGE_LIVES = 64


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: dict[str, str]
    content_type: str


@dataclass
class Fault:
    """Answers so many requests that fit with a refusal."""

    times: int
    code: int
    retry_after: int | None = None
    method: str = ""
    part: str = ""
    after: bool = False
    """Refuses when it is done: the answer is lost."""

    def fits(self, asked: Asked) -> bool:
        return self.times > 0 and self.method in ("", asked.method) and self.part in asked.path


class KubeApi:
    """The server; use as a context manager."""

    def __init__(self, *, bookmark_seconds: float = 0.05) -> None:
        self.objects = Objects()
        self.bookmark_seconds = bookmark_seconds
        self.asked: list[Asked] = []
        self.tokens = {TOKEN}
        self.changed = threading.Condition(threading.RLock())
        self.faults: list[Fault] = []
        self.forbidden: set[tuple[str, str]] = set()
        """Methods and parts of paths that are answered with 403."""
        self.groups: dict[str, Object] = {"autoscaling/v2": {}}
        """What is served below /apis besides objects: a group, or group/version."""
        self.core = ["pods", "pods/resize"]
        """Names of the resources that /api/v1 tells of."""
        self.git_version = "v1.36.2"
        self.denied: set[tuple[str, str]] = set()
        """Verbs and resources (``deployments/scale``) that access reviews answer with no."""
        self.reviewed: list[Object] = []
        self.muted = False
        self.lies = 0
        self.watchers: set[socket.socket] = set()
        self._sockets: set[socket.socket] = set()
        self._pages: dict[str, list[Object]] = {}
        self._thawed = threading.Event()
        self._thawed.set()
        self._server: ThreadingHTTPServer | None = None
        self._port = 0

    def __enter__(self) -> KubeApi:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        api = self

        class Handler(_Handler):
            server_api = api

        self._server = _Server(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        """Closes every connection, as a process that dies does."""
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()
        self._thawed.set()
        with self.changed:
            for one in [*self._sockets]:
                _shut(one)
            self.changed.notify_all()

    def restart(self) -> None:
        self.stop()
        self.start()

    def kubeconfig(self, folder: Path, *, token: str = TOKEN) -> Path:
        """A kubeconfig with the context ``fake``."""
        file = folder / "kubeconfig"
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "fake",
            "clusters": [{"name": "fake", "cluster": {"server": self.url}}],
            "users": [{"name": "tests", "user": {"token": token}}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "tests"}}],
        }  # fmt: skip
        file.write_text(json.dumps(config), encoding="utf-8")
        return file

    # ---- what a test does behind the client's back

    @contextmanager
    def changing(self) -> Iterator[Objects]:
        with self.changed:
            yield self.objects
            self.changed.notify_all()

    # ---- faults

    def fail(
        self,
        times: int,
        code: int,
        *,
        retry_after: int | None = None,
        method: str = "",
        part: str = "",
        after: bool = False,
    ) -> None:
        self.faults.append(Fault(times, code, retry_after, method, part, after))

    def freeze(self) -> None:
        """No answer to anything, as after SIGSTOP; connections are still accepted by the kernel."""
        self._thawed.clear()

    def thaw(self) -> None:
        self._thawed.set()

    def drop_watches(self) -> int:
        with self.changed:
            dropped = len(self.watchers)
            for one in [*self.watchers]:
                _shut(one)
            self.changed.notify_all()
        return dropped

    def mute_watches(self, muted: bool = True) -> None:
        """Open watches stay open and say nothing: half-open connections."""
        self.muted = muted

    def lie_empty(self, times: int) -> None:
        """So many lists are answered with 200 and no items."""
        self.lies = times

    def expire_pages(self) -> None:
        self._pages.clear()

    # ---- answering

    def answer(self, asked: Asked, token: str, body: bytes) -> Object:
        self._thawed.wait()
        with self.changed:
            self.asked.append(asked)
            if token not in self.tokens:
                raise Refused(401, "Unauthorized", "Unauthorized")
            for fault in self.faults:
                if fault.fits(asked):
                    fault.times -= 1
                    raise Refused(
                        fault.code, _REASONS.get(fault.code, "Unknown"), "by test", retry_after=fault.retry_after
                    )
            if any(asked.method == method and part in asked.path for method, part in self.forbidden):
                words = f'User "tests" cannot {asked.method.lower()} resource "{asked.path}"'
                raise Refused(403, "Forbidden", f"it is forbidden: {words}")
            if asked.query.get("watch") == "true":
                return {}
            told = self._about_itself(asked, body)
            if told is not None:
                return told
            place = placed(asked.path)
            answer = self._read(place, asked) if asked.method == "GET" else self._written(place, asked, body)
            self.changed.notify_all()
            self._refuse(asked, after=True)
            return answer

    def _about_itself(self, asked: Asked, body: bytes) -> Object | None:
        """Version, discovery, access reviews; None for what is kept."""
        if asked.path == "/version":
            major, minor = self.git_version.removeprefix("v").split(".")[:2]
            return {"major": major, "minor": minor, "gitVersion": self.git_version}
        if asked.path == "/api/v1":
            return {"kind": "APIResourceList", "resources": [{"name": name} for name in self.core]}
        if asked.path.endswith("subjectaccessreviews"):
            review: Object = json.loads(body)
            wanted = review["spec"]["resourceAttributes"]
            self.reviewed.append(review)
            resource = "/".join(part for part in (wanted["resource"], wanted.get("subresource")) if part)
            return {**review, "status": {"allowed": (wanted["verb"], resource) not in self.denied}}
        if asked.path == "/apis":
            names = {name.partition("/")[0] for name in self.groups}
            return {"kind": "APIGroupList", "groups": [{"name": name} for name in sorted(names)]}
        group = asked.path.removeprefix("/apis/")
        if group == asked.path or group.count("/") > 1:
            return None
        if group not in self.groups:
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        return self.groups[group]

    def _refuse(self, asked: Asked, *, after: bool) -> None:
        for fault in self.faults:
            if fault.after == after and fault.fits(asked):
                fault.times -= 1
                reason = _REASONS.get(fault.code, "Unknown")
                raise Refused(fault.code, reason, "by test", retry_after=fault.retry_after)

    def _read(self, place: Place, asked: Asked) -> Object:
        if place.name:
            found = self.objects.get(place.resource, place.key)
            return scale_of(found) if place.subresource == "scale" else found
        return self._page(place, asked.query)

    def _page(self, place: Place, query: dict[str, str]) -> Object:
        version, rest = str(self.objects.version), None
        if token := query.get("continue"):
            version, position = json.loads(base64.b64decode(token))
            rest = self._pages.pop(position, None)
            if rest is None:
                raise Refused(410, "Expired", "The provided continue parameter is too old")
        items = rest if rest is not None else self._chosen(place, query)
        limit = int(query.get("limit", "0")) or len(items)
        metadata: Object = {"resourceVersion": version}
        if len(items) > limit:
            position = str(len(self.asked))
            self._pages[position] = items[limit:]
            metadata["continue"] = base64.b64encode(json.dumps([version, position]).encode()).decode()
            metadata["remainingItemCount"] = len(items) - limit
        return {"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": items[:limit]}

    def _chosen(self, place: Place, query: dict[str, str]) -> list[Object]:
        if self.lies > 0:
            self.lies -= 1
            return []
        return [kept for _, kept in sorted(self.objects.of(place.resource).items()) if chosen(kept, place, query)]

    def _written(self, place: Place, asked: Asked, raw: bytes) -> Object:
        body = json.loads(raw) if raw else {}
        manager, dry_run = asked.query.get("fieldManager", ""), asked.query.get("dryRun") == "All"
        objects = self.objects
        if asked.method == "POST":
            key = (place.namespace, body["metadata"]["name"])
            return objects.create(place.resource, key, body, manager=manager, dry_run=dry_run)
        if asked.method == "PUT":
            return objects.replace(place.resource, place.key, body, manager=manager, dry_run=dry_run)
        if asked.method == "DELETE":
            uid = body.get("preconditions", {}).get("uid")
            return objects.delete(place.resource, place.key, uid=uid, dry_run=dry_run)
        if asked.content_type == "application/merge-patch+json":
            subresource = "" if place.subresource == "scale" else place.subresource
            if place.subresource == "scale":
                manager = ""  # as on the real one: by a merge patch of `scale` nobody comes to own the replicas
            new = objects.merge(
                place.resource, place.key, body, manager=manager, subresource=subresource, dry_run=dry_run
            )
            return scale_of(new) if place.subresource == "scale" else new
        if asked.content_type != "application/apply-patch+yaml":
            raise Refused(415, "UnsupportedMediaType", f"the body of the request was in an unknown format: {asked}")
        if not manager:
            raise Refused(422, "Invalid", "PatchOptions.fieldManager: Required value: is required for apply patch")
        return objects.apply(
            place.resource, place.key, body, manager=manager, force=asked.query.get("force") == "true",
            subresource=place.subresource, dry_run=dry_run,
        )  # fmt: skip

    # ---- watching

    def watched(self, asked: Asked, send: Callable[[Object], None]) -> None:
        """Sends events until the time is over; ends early when the server stops."""
        place, server = placed(asked.path), self._server
        position = int(asked.query.get("resourceVersion") or self.objects.version)
        until = time.monotonic() + float(asked.query.get("timeoutSeconds", "300"))
        bookmark_at = time.monotonic() + self.bookmark_seconds
        while server is self._server and (now := time.monotonic()) < until:
            with self.changed:
                if position < self.objects.oldest:
                    send({"type": "ERROR", "object": Refused(410, "Expired", "too old resource version").status})
                    return
                news = [one for one in self.objects.happened if one.version > position]
                upto = self.objects.version
                if not news:
                    self.changed.wait(min(0.02, until - now))
            if self.muted:
                continue
            for one in news:
                if one.resource == place.resource and chosen(one.object, place, asked.query):
                    send({"type": one.type, "object": one.object})
            position = upto
            if now >= bookmark_at and asked.query.get("allowWatchBookmarks") == "true":
                send({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(position)}}})
                bookmark_at = now + self.bookmark_seconds

    def opened(self, one: socket.socket) -> None:
        with self.changed:
            self._sockets.add(one)

    def closed(self, one: socket.socket) -> None:
        with self.changed:
            self._sockets.discard(one)
            self.watchers.discard(one)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that the client closed is nothing to print."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_api: KubeApi

    def setup(self) -> None:
        super().setup()
        self.server_api.opened(self.connection)

    def finish(self) -> None:
        self.server_api.closed(self.connection)
        try:
            super().finish()
        except OSError:
            pass

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def _answer(self) -> None:
        split = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(split.query).items()}
        asked = Asked(self.command, unquote(split.path), query, self.headers.get("Content-Type") or "")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        try:
            answer = self.server_api.answer(asked, token, body)
        except Refused as refused:
            self._send(refused.code, refused.status, retry_after=refused.retry_after)
            return
        if query.get("watch") == "true":
            self._watch(asked)
        else:
            self._send(201 if self.command == "POST" else 200, answer)

    def _send(self, code: int, answer: Object, *, retry_after: int | None = None) -> None:
        raw = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        if retry_after is not None:
            self.send_header("Retry-After", str(retry_after))
        self.end_headers()
        self.wfile.write(raw)

    def _watch(self, asked: Asked) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with self.server_api.changed:
            self.server_api.watchers.add(self.connection)

        def send(event: Object) -> None:
            raw = json.dumps(event).encode() + b"\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(raw), raw))

        self.server_api.watched(asked, send)
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *arguments: Any) -> None:
        """Silent."""


_REASONS = {429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable", 504: "Timeout", 409: "Conflict"}


def _shut(one: socket.socket) -> None:
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
