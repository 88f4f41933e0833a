"""Candidates for many Leases, each writing its epoch to an HPA of its own, again and again, for as long as it leads.

``python -m benchmarks.cluster_writers KUBECONFIG NAMESPACE LEASES``, ended by SIGTERM, prints a JSON line at its first
write of each term. A write names the version that the last answer told and is sent without a look at the object, as the
controller's are: whoever is cut off has one on its way.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from app.system_clock import SystemClock
from domain.errors import KubeError, NotLeadingError
from kube import Access, Connection, Elector, Writer, connect, read
from kube.kinds import HPA
from tests.cluster.credentials import CONTEXT

PAUSE_SECONDS: Final = 0.1
EPOCH: Final = "foretide.dev/epoch"


class Target:
    """One Lease, and the HPA that its holder writes to."""

    def __init__(self, connection: Connection, *, namespace: str, number: int, ended: threading.Event) -> None:
        self._connection, self._namespace, self._number, self._ended = connection, namespace, number, ended
        self._name, self._identity = f"target-{number}", f"writer-{os.getpid()}"
        self.elector = Elector(connection, namespace=namespace, name=f"lease-{number}", identity=self._identity)
        self._writer = Writer(connection, qps=1000.0, burst=1000, fence=self.elector.fence)
        self._version, self._count, self._told = "", 0, 0

    def run(self) -> None:
        """Until the process ends."""
        while not self._ended.wait(PAUSE_SECONDS):
            if self.elector.leading():
                self._write(self.elector.epoch)

    def _write(self, epoch: int) -> None:
        self._count += 1
        annotations = {EPOCH: str(epoch), "foretide.dev/reason": f"{self._identity} {self._count}"}
        try:
            if not self._version:
                found = read(self._connection, HPA, namespace=self._namespace, name=self._name)
                self._version = found.metadata.resource_version
            told: dict[str, Any] = self._writer.apply(
                HPA, self._namespace, self._name, {"metadata": {"annotations": annotations}},
                resource_version=self._version, force=True,
            )  # fmt: skip
            self._version = str(told["metadata"]["resourceVersion"])
        except (KubeError, NotLeadingError):
            self._version = ""
            return
        if self._told != epoch:
            self._told = epoch
            told = {"lease": self._number, "at": time.monotonic(), "epoch": epoch}
            sys.stdout.write(json.dumps(told) + "\n")  # whole: 25 threads write
            sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    """Write until SIGTERM; the exit code."""
    kubeconfig, namespace, leases = arguments
    connection = connect(Access(kubeconfig=Path(kubeconfig), context=CONTEXT), clock=SystemClock())
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    targets = [
        Target(connection, namespace=namespace, number=number, ended=ended) for number in range(int(leases))
    ]  # fmt: skip
    writing = [threading.Thread(target=target.run, daemon=True) for target in targets]
    for target, thread in zip(targets, writing, strict=True):
        target.elector.start()
        thread.start()
    while not ended.wait(1.0):
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
