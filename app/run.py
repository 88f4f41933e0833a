"""``foretide up``: sockets first, then the house, then the server; and everything ends cleanly."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import socket
import sys
import threading
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path

import uvicorn

from app.demo import DEMO_CONFIG, load_history
from app.doors import guarded
from app.settings import Settings, is_loopback, read_settings
from app.system_clock import SystemClock
from app.telemetry import set_up_logging
from app.wiring import House
from domain.errors import ForetideError, SettingsError

log = logging.getLogger(__name__)

_GRACE_SECONDS = 3
"""For answers under way, of the 10 s in which everything has to end."""


def serve(*, config: Path | None, demo: bool, end_with_parent: bool) -> None:
    """Run until SIGINT or SIGTERM.

    Raises:
        ForetideError: It cannot start; the sentence says why.
    """
    parent = os.getppid()
    settings = read_settings(config=DEMO_CONFIG if demo else config, environment=os.environ, working_dir=Path.cwd())
    color = "NO_COLOR" not in os.environ
    set_up_logging(level=settings.log_level, form=settings.log_format, stream=sys.stderr, color=color)
    _make_folder(settings.data_dir)
    with ExitStack() as opened:
        main = opened.enter_context(_bind(settings.host, settings.port, "FORETIDE_PORT"))
        sockets = [main, *(opened.enter_context(one) for one in _otlp_sockets(settings))]
        port = main.getsockname()[1]
        clock, version = SystemClock(), metadata.version("foretide")
        house = House(
            settings, clock=clock, version=version, base_url=f"http://{_reachable(settings.host)}:{port}",
            environment=os.environ,
        )  # fmt: skip
        opened.callback(house.close)
        if demo:
            load_history(house.metrics, now=clock.now())
        house.prepare()
        server = uvicorn.Server(
            uvicorn.Config(
                guarded(house.application(), token=settings.api_token, main_port=port),
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=_GRACE_SECONDS,
            )
        )
        # The server raises the signal again when it has ended: by then nothing is left to do, the exit is a clean one.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        if end_with_parent:
            _end_with(parent, server)
        _greet(settings, port, demo=demo)
        asyncio.run(server.serve(sockets=sockets))
        if not server.started:
            raise ForetideError("the server did not start; the log above says why")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise SettingsError(
            f"data folder {folder}: {error.strerror}; it must be writable (FORETIDE_DATA_DIR names another)"
        ) from error


def _bind(host: str, port: int, variable: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((host.strip("[]"), port))
        opened.listen(512)
    except OSError as error:
        opened.close()
        why = "is in use by another program" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
        raise SettingsError(f"{host}:{port} {why}; set {variable} to another port") from error
    return opened


def _otlp_sockets(settings: Settings) -> list[socket.socket]:
    if settings.otlp_http_port is None:
        return []
    try:
        return [_bind(settings.host, settings.otlp_http_port, "FORETIDE_OTLP_HTTP_PORT")]
    except SettingsError as error:
        # A collector of somebody else's may well be there; the main port takes OTLP too.
        log.warning("the OTLP port is off", extra={"reason": str(error), "instead": f"port {settings.port}"})
        return []


def _reachable(host: str) -> str:
    if host in ("0.0.0.0", "::", "localhost"):  # noqa: S104 (compared, not bound)
        return "127.0.0.1"
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _end_with(parent: int, server: uvicorn.Server) -> None:
    """Stop as soon as the parent is gone, even by SIGKILL: `make up` must leave nothing behind."""

    def watch() -> None:
        gone = threading.Event()
        while not gone.wait(0.5):
            if os.getppid() != parent:
                server.should_exit = True
                return

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def _greet(settings: Settings, port: int, *, demo: bool) -> None:
    url = f"http://{_reachable(settings.host)}:{port}"
    lines = [f"Foretide: {url}   (Ctrl-C ends it; data in {settings.data_dir})"]
    if demo:
        lines.append(
            "The demo shop is started beside it: a demo day lasts 24 minutes; the history before now is generated."
        )
    if settings.api_token is None and is_loopback(settings.host):
        lines.append("Only this machine can reach it; no login. FORETIDE_API_TOKEN changes both.")
    print("\n".join(lines), file=sys.stderr, flush=True)
