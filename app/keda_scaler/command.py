"""``foretide keda-scaler``: its door, and its life until SIGTERM. Only this package imports grpc (extra ``keda``)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

try:
    import grpc
except ImportError as missing:
    from domain.errors import SettingsError

    raise SettingsError("the package grpcio is missing: pip install 'foretide[keda]'") from missing

from app.forecast_doors.feed import Feed
from app.forecast_doors.foretide import Foretide
from app.keda_scaler.service import Scaler, handlers
from app.system_clock import SystemClock
from app.telemetry import set_up_logging
from domain.errors import SettingsError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The command's options; with ``client_ca`` only who shows a certificate of that authority may ask."""

    server: str
    token_file: Path | None
    host: str
    port: int
    certificate: Path
    key: Path
    client_ca: Path | None


def serve(wanted: Wanted) -> None:
    """Run until SIGINT or SIGTERM.

    Raises:
        ForetideError: The certificate, the port or the token cannot be used.
    """
    set_up_logging(level="info", form="auto", stream=sys.stderr, color=False)
    clock = SystemClock()
    scaler = Scaler(Feed(Foretide(wanted.server, wanted.token_file).ask, clock=clock), clock.now)
    asyncio.run(_serve(scaler, wanted))


async def _serve(scaler: Scaler, wanted: Wanted) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", 64 * 1024), ("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((handlers(scaler),))
    host = f"[{wanted.host}]" if ":" in wanted.host else wanted.host
    try:
        port = server.add_secure_port(f"{host}:{wanted.port}", Renewing(wanted).credentials())
    except RuntimeError as error:
        raise SettingsError(f"{wanted.host}:{wanted.port} cannot be used: {error}") from error
    await server.start()
    print(f"foretide: grpcs://{wanted.host}:{port}", file=sys.stderr, flush=True)
    await ended.wait()
    await server.stop(3.0)


class Renewing:
    """The certificate of now: grpc asks before each handshake, and gets a new one where the files have changed."""

    def __init__(self, wanted: Wanted) -> None:
        self._files = tuple(one for one in (wanted.key, wanted.certificate, wanted.client_ca) if one is not None)
        self._seen: tuple[int, ...] = ()

    def credentials(self) -> Any:
        """Raises ``SettingsError`` where the files cannot be read."""
        self._seen = self._versions()
        try:
            first = self._read()
        except OSError as error:
            raise SettingsError(f"the certificate cannot be used: {error}") from error
        must_show = len(self._files) > 2
        return grpc.dynamic_ssl_server_credentials(first, self.renewed, require_client_authentication=must_show)

    def renewed(self) -> Any:
        """None where nothing is new; a pair of which only one half is new is looked at again at the next handshake."""
        versions = self._versions()
        if versions in (self._seen, ()):
            return None
        try:
            found = self._read()
        except OSError as error:
            log.warning("a renewed certificate cannot be used", extra={"reason": str(error)})
            return None
        self._seen = versions
        return found

    def _read(self) -> Any:
        """Checked by TLS itself: grpc would only close every connection."""
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self._files[1], self._files[0])
        key, certificate, *client_ca = (one.read_bytes() for one in self._files)
        authority = client_ca[0] if client_ca else None
        return grpc.ssl_server_certificate_configuration([(key, certificate)], root_certificates=authority)

    def _versions(self) -> tuple[int, ...]:
        with contextlib.suppress(OSError):
            return tuple(file.stat().st_mtime_ns for file in self._files)
        return ()
