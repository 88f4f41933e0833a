"""One API server: requests that always have a time limit, raw bytes as answers, and errors that say what happened.

Package ``kubernetes`` lends configuration and TLS (see ``kube.access``); nothing here decodes objects.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ProtocolError, ReadTimeoutError

from domain.clock import Clock
from domain.errors import KubeError, SettingsError
from kube.decoding import decoded
from kube.metrics import ClientMetrics

logger = logging.getLogger(__name__)

JSON: Final = "application/json"
APPLY: Final = "application/apply-patch+yaml"
MERGE: Final = "application/merge-patch+json"
"""Content types; the last two are never guessed: what is left out would become a strategic merge in most clients."""

_LONGEST_CONNECT_SECONDS: Final = 5.0
_CHUNK_BYTES: Final = 1 << 16
_RELOAD_AFTER_SECONDS: Final = 30.0
"""Credentials that were refused are read anew, at most this often: tokens in files rotate (hourly, as projected)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """What reaches one API server: its URL, sockets with TLS, and the Authorization header of now."""

    host: str
    pool: urllib3.PoolManager
    authorization: Callable[[], str | None]


class Connection:
    """Requests to one API server, from any thread.

    Args:
        load: Reads the credentials and opens a transport; called again after a 401.
        clock: Whose monotonic time writers, reflectors and electors of this connection go by.
        metrics: Where requests and reflectors are counted.
    """

    def __init__(self, load: Callable[[], Transport], *, clock: Clock, metrics: ClientMetrics | None = None) -> None:
        self.clock, self.metrics = clock, metrics
        self._load = load
        self._transport = load()
        self._loaded_at = clock.monotonic()
        self._reloading = threading.Lock()

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | Mapping[str, Any] | None = None,
        content_type: str | None = None,
        timeout_seconds: float = 10.0,
    ) -> bytes:
        """The answer's body.

        Raises:
            KubeError: Any answer but 2xx, or none within ``timeout_seconds``. Nothing is tried twice, but a GET whose
                idle connection the server had closed, and a request refused with 401 once credentials were read anew.
        """
        deadline = self.clock.monotonic() + timeout_seconds
        response = self._answered(method, path, query, body, content_type, timeout_seconds)
        return _read(response, f"{method} {path}", late=lambda: self.clock.monotonic() > deadline)

    def stream(self, path: str, *, query: Mapping[str, str] | None = None, stall_seconds: float) -> Stream:
        """Lines as they come (a watch); opened when this returns.

        Args:
            path: The resource's path.
            query: The URL's query.
            stall_seconds: A stream that is silent for so long, from the beginning on, is dead: a half-open connection
                never says so.

        Raises:
            KubeError: As for ``request``.
        """
        return Stream(self._answered("GET", path, query, None, None, stall_seconds), f"GET {path}")

    def server_time(self) -> datetime | None:
        """The server's clock, by the Date of an answer, to the second; None where it tells none.

        Raises:
            KubeError: As for ``request``.
        """
        response = self._answered("GET", "/version", None, None, None, 10.0)
        told = response.headers.get("Date", "")
        response.drain_conn()
        response.release_conn()
        try:
            return parsedate_to_datetime(told)
        except ValueError:
            return None

    def close(self) -> None:
        """Closes the sockets that nothing uses."""
        self._transport.pool.clear()

    def _answered(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: bytes | Mapping[str, Any] | None,
        content_type: str | None,
        timeout_seconds: float,
    ) -> urllib3.BaseHTTPResponse:
        """An answer with status 2xx whose body is not read yet."""
        url = f"{path}?{urlencode(query)}" if query else path
        raw = body if body is None or isinstance(body, bytes) else msgspec.json.encode(body)
        kind = content_type or (JSON if raw is not None else None)
        timeout = urllib3.Timeout(connect=min(timeout_seconds, _LONGEST_CONNECT_SECONDS), read=timeout_seconds)
        transport = self._transport
        response = self._counted(transport, method, url, raw, kind, timeout)
        if response.status == 401 and self._reloaded(transport):
            response.drain_conn()
            response.release_conn()
            response = self._counted(self._transport, method, url, raw, kind, timeout)
        if not 200 <= response.status < 300:
            raise _error_of(response, f"{method} {path}")
        return response

    def _counted(
        self,
        transport: Transport,
        method: str,
        url: str,
        body: bytes | None,
        content_type: str | None,
        timeout: urllib3.Timeout,
    ) -> urllib3.BaseHTTPResponse:
        status = 0
        try:
            response = _sent(transport, method, url, body, content_type, timeout)
            status = response.status
            return response
        finally:
            if self.metrics is not None:
                self.metrics.answered(method, status)

    def _reloaded(self, refused: Transport) -> bool:
        """Whether there are credentials that ``refused`` did not have."""
        with self._reloading:
            if self._transport is refused and self.clock.monotonic() - self._loaded_at >= _RELOAD_AFTER_SECONDS:
                self._loaded_at = self.clock.monotonic()
                try:
                    self._transport = self._load()
                except SettingsError as error:
                    logger.warning("credentials cannot be read anew", extra={"error": str(error)})
            return self._transport is not refused


class Stream:
    """The lines of one answer that does not end by itself; ``close`` may come from another thread."""

    def __init__(self, response: urllib3.BaseHTTPResponse, what: str) -> None:
        self._response, self._what = response, what
        self._closing = False

    def __iter__(self) -> Iterator[bytes]:
        """Each whole line; ends when the server ends the answer or ``close`` was called.

        Raises:
            KubeError: The stream stalled or broke.
        """
        rest = b""
        try:
            for chunk in self._response.stream(_CHUNK_BYTES):
                *lines, rest = (rest + chunk).split(b"\n") if rest else chunk.split(b"\n")
                yield from (line for line in lines if line)
        except (HTTPError, OSError, ValueError) as error:
            if not self._closing:
                raise _no_answer(error, self._what) from error

    def close(self) -> None:
        """Ends the iteration at once, also while it waits for bytes."""
        self._closing = True
        try:
            self._response.shutdown()
        except (ValueError, RuntimeError, OSError):
            pass  # Nobody is reading any more.

    def __enter__(self) -> Stream:
        """Closes the socket on leaving."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Only the thread that reads leaves."""
        self._closing = True
        self._response.close()


def _sent(
    transport: Transport, method: str, url: str, body: bytes | None, content_type: str | None, timeout: urllib3.Timeout
) -> urllib3.BaseHTTPResponse:
    headers = {"Accept": JSON, "User-Agent": "foretide"}
    if content_type is not None:
        headers["Content-Type"] = content_type
    authorization = transport.authorization()
    if authorization is not None:
        headers["Authorization"] = authorization

    def send() -> urllib3.BaseHTTPResponse:
        return transport.pool.request(
            method, transport.host + url, body=body, headers=headers, timeout=timeout, retries=False, redirect=False,
            preload_content=False,
        )  # fmt: skip

    try:
        try:
            return send()
        except ProtocolError:
            if method != "GET":
                raise
            return send()  # The server closed an idle connection while we took it out of the pool.
    except (HTTPError, OSError) as error:
        raise _no_answer(error, f"{method} {url.partition('?')[0]}") from error


def _read(response: urllib3.BaseHTTPResponse, what: str, *, late: Callable[[], bool]) -> bytes:
    """The whole body; a server that sends drop by drop gets no more time than one that is silent."""
    parts: list[bytes] = []
    try:
        for chunk in response.stream(_CHUNK_BYTES):
            parts.append(chunk)
            if late():
                response.close()
                raise KubeError(f"{what}: the answer did not end in time", status=0, reason="Timeout")
    except (HTTPError, OSError) as error:
        response.close()
        raise _no_answer(error, what) from error
    response.release_conn()
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _no_answer(error: Exception, what: str) -> KubeError:
    timed_out = isinstance(error, (ReadTimeoutError, ConnectTimeoutError, TimeoutError))
    refused = isinstance(error, NewConnectionError)  # urllib3 counts a refused connection among the timeouts.
    reason = "Timeout" if timed_out and not refused else "Unreachable"
    return KubeError(f"{what}: {type(error).__name__}: {error}", status=0, reason=reason)


class _Cause(msgspec.Struct):
    reason: str = ""
    message: str = ""
    field: str = ""


class _Details(msgspec.Struct, rename="camel"):
    causes: list[_Cause] | None = None
    retry_after_seconds: int | None = None


class Status(msgspec.Struct):
    """``v1.Status``, the body of every refusal; also inside a watch's ERROR event."""

    message: str = ""
    reason: str = ""
    code: int = 0
    details: _Details | None = None


def error_from(status: Status, what: str, *, code: int, retry_after: str | None = None) -> KubeError:
    """The error that a Status tells of."""
    details = status.details or _Details()
    after = float(retry_after) if retry_after is not None and retry_after.isdigit() else details.retry_after_seconds
    causes = [(cause.reason, cause.field, cause.message) for cause in details.causes or ()]
    said = f"{what}: {code} {status.reason}".rstrip() + (f": {status.message}" if status.message else "")
    return KubeError(said, status=code, reason=status.reason, retry_after_seconds=after, causes=causes)


def _error_of(response: urllib3.BaseHTTPResponse, what: str) -> KubeError:
    retry_after = response.headers.get("Retry-After")
    try:
        raw = response.read(_CHUNK_BYTES)
        status = decoded(raw, Status)
    except (HTTPError, OSError, msgspec.DecodeError):
        status = Status()  # A proxy's page, or nothing at all: the number must do.
    response.drain_conn()
    response.release_conn()
    return error_from(status, what, code=response.status, retry_after=retry_after)
