"""One POST to the address that was checked: no redirect, no proxy, a deadline for all of it, the reply not kept."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from alerts.delivery import addresses, retry
from alerts.delivery.addresses import Resolve
from alerts.delivery.errors import SendError
from domain.clock import Clock

_PORTS: Final = (80, 443)
_MOST_READ: Final = 64 * 1024
TIMEOUT: Final = timedelta(seconds=15)


class HttpPost:
    """Sends; thread-safe."""

    def __init__(
        self, *, allow: Sequence[str], clock: Clock, timeout: timedelta = TIMEOUT, resolve: Resolve = addresses.resolve
    ) -> None:
        """Take the networks and hosts that are allowed beside public ones."""
        self._allow, self._clock, self._timeout, self._resolve = tuple(allow), clock, timeout.total_seconds(), resolve

    def check(self, url: str) -> str:
        """The address behind a URL; ``SendError`` where it may not be called."""
        host, port, _, _ = _parts(url)
        return addresses.checked(host, port, ports=_PORTS, allow=self._allow, resolve=self._resolve)

    def send(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> None:
        """Post it.

        Raises:
            SendError: It was not taken (``GoneError``, ``RefusedError``), or nobody knows.
        """
        host, port, path, secure = _parts(url)
        connection = _Pinned(host, port, address=self.check(url), secure=secure, timeout=self._timeout)
        watch = threading.Timer(self._timeout, connection.cut)
        watch.daemon = True
        watch.start()
        try:
            connection.request("POST", path, body=body, headers={"User-Agent": "Foretide", **headers})
            reply = connection.getresponse()
            reply.read(_MOST_READ)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if connection.was_cut or isinstance(error, TimeoutError):
                raise SendError(f"{host} did not answer within {self._timeout:g} s") from error
            raise SendError(f"{host} cannot be reached: {_words(error)}") from error
        finally:
            watch.cancel()
            connection.close()
        retry.judge(reply.status, asked=retry.retry_after(reply.headers.get("Retry-After"), self._clock.now()))


class _Pinned(http.client.HTTPConnection):
    """Connects to ``address``; the name stands in Host and, with TLS, in SNI and the certificate."""

    def __init__(self, host: str, port: int, *, address: str, secure: bool, timeout: float) -> None:
        super().__init__(host, port, timeout=timeout)
        self._address, self._secure, self.was_cut = address, secure, False
        self.default_port = 443 if secure else 80

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), self.timeout)
        if self._secure:
            self.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)
        else:
            self.sock = plain

    def cut(self) -> None:
        """End it now, whatever it waits for."""
        self.was_cut = True
        with suppress(OSError, AttributeError):
            self.sock.shutdown(socket.SHUT_RDWR)


def _parts(url: str) -> tuple[str, int, str, bool]:
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise SendError("the URL is none") from error
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.password:
        raise SendError("the URL is not an absolute http or https URL without a user")
    secure = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return host, port or (443 if secure else 80), path, secure


def _words(error: Exception) -> str:
    """The kind of it: the text of an HTTP error may hold what the receiver sent."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted ({error.verify_message})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
