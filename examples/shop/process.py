"""What both programs of the demo share: the socket that they are given, and the parent that they do not outlive."""

from __future__ import annotations

import argparse
import os
import socket
import stat
import threading


def listen_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--fd`` and ``--port``, of which one is needed, and ``--host``."""
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--fd", type=int, help="a listening socket handed over by the parent")
    where.add_argument("--port", type=int, help="listen here; 0 takes a free port")
    parser.add_argument("--host", default="127.0.0.1", help="with --port (default: %(default)s)")


def listening_socket(arguments: argparse.Namespace) -> socket.socket:
    """The socket that the arguments name; ends the program with a sentence where there is none."""
    try:
        if arguments.fd is not None:
            return socket.socket(fileno=arguments.fd)
        return socket.create_server((arguments.host, arguments.port), backlog=256)
    except (OSError, OverflowError) as error:
        where = f"fd {arguments.fd}" if arguments.fd is not None else f"{arguments.host}:{arguments.port}"
        raise SystemExit(f"cannot listen on {where}: {error}") from error


def end_with_parent() -> None:
    """End this process when its stdin reaches EOF: then the parent that holds the other end is gone.

    Only where stdin is a pipe or a socket; on a terminal or /dev/null (a container) nobody holds it.
    """
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        threading.Thread(target=_exit_at_eof, name="parent", daemon=True).start()


def _exit_at_eof() -> None:
    try:
        while os.read(0, 4096):
            pass
    except OSError:  # a reset socket says the same
        pass
    os._exit(0)
