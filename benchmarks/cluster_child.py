"""Processes of their own for the cluster's figures: a cache of 5,000 HPAs, and candidates for many Leases.

``python -m benchmarks.cluster_child cache|lead KUBECONFIG …`` prints JSON lines; monotonic time is the machine's, so
that the parent may compare it with its own.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import psutil

from app.system_clock import SystemClock
from kube import Access, Connection, Elector, Reflector, connect
from kube.kinds import HPA
from tests.cluster.credentials import CONTEXT

POLL_SECONDS: Final = 0.02


def main(arguments: Sequence[str]) -> int:
    """Run one of the two; the exit code."""
    what, kubeconfig, *rest = arguments
    connection = connect(Access(kubeconfig=Path(kubeconfig), context=CONTEXT), clock=SystemClock())
    if what == "cache":
        _cache(connection, namespace=rest[0])
    else:
        _lead(connection, namespace=rest[0], leases=int(rest[1]))
    return 0


def _cache(connection: Connection, *, namespace: str) -> None:
    """The first list of a reflector: how long it takes and what it holds afterwards."""
    connection.request("GET", "/version")  # the package kubernetes is loaded and TLS is shaken hands on
    gc.collect()
    before = _rss_bytes()
    reflector = Reflector(connection, HPA, namespace=namespace)
    began = time.monotonic()
    reflector.start()
    if not reflector.wait_synced(60):
        raise SystemExit(f"no whole list within a minute: {reflector.problem}")
    seconds = time.monotonic() - began
    gc.collect()
    _say(seconds=seconds, held_bytes=_rss_bytes() - before, objects=len(reflector.objects()))
    reflector.stop()


def _rss_bytes() -> int:
    rss: int = psutil.Process().memory_info().rss
    return rss


def _lead(connection: Connection, *, namespace: str, leases: int) -> None:
    """Candidates for all Leases, each saying when it leads; SIGTERM gives them back."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    identity = f"candidate-{os.getpid()}"
    electors = [
        Elector(connection, namespace=namespace, name=f"lease-{number}", identity=identity) for number in range(leases)
    ]
    for elector in electors:
        elector.start()
    leading: set[int] = set()
    while not ended.wait(POLL_SECONDS):
        for number, elector in enumerate(electors):
            if number not in leading and elector.leading():
                leading.add(number)
                _say(lease=number, at=time.monotonic(), epoch=elector.epoch)
    # Each real program has one Lease: they are given back side by side, as many programs would.
    ends = [threading.Thread(target=elector.stop) for elector in electors]
    for end in ends:
        end.start()
    for end in ends:
        end.join()


def _say(**told: object) -> None:
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
