"""A process that wants to lead: writes its epoch to an HPA whenever it may, and tells what became of it.

``python -m tests.kube.candidate KUBECONFIG CONTEXT NAMESPACE IDENTITY TIMES`` with the four numbers of ``LeaseTimes``;
one line per happening: ``leads EPOCH``, ``wrote EPOCH``, ``stopped``. SIGTERM gives the Lease back.
"""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from app.system_clock import SystemClock
from domain.errors import KubeError
from kube import Access, Elector, LeaseTimes, Writer, connect, read
from kube.kinds import HPA


def main(kubeconfig: str, context: str, namespace: str, identity: str, times: str) -> None:
    connection = connect(Access(kubeconfig=Path(kubeconfig), context=context), clock=SystemClock())
    lease, renew, retry, request = (float(one) for one in times.split(","))
    elector = Elector(
        connection, namespace=namespace, identity=identity,
        times=LeaseTimes(lease_seconds=lease, renew_seconds=renew, retry_seconds=retry, request_seconds=request),
    )  # fmt: skip
    writer = Writer(connection, qps=1000.0, burst=1000, fence=elector.fence)
    stopping, led = threading.Event(), 0
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    elector.start()
    print("started", flush=True)
    while not stopping.wait(0.02):
        if not elector.leading():
            continue
        epoch = elector.epoch
        if epoch != led:
            led = epoch
            print(f"leads {epoch}", flush=True)
        body = {"metadata": {"annotations": {"foretide.dev/epoch": str(epoch), "foretide.dev/reason": identity}}}
        try:
            # Without the version that it was planned for, a write that a network delivers late would be kept:
            # a proxy that held one back for 8 s showed it.
            version = read(connection, HPA, namespace=namespace, name="checkout").metadata.resource_version
            writer.apply(HPA, namespace, "checkout", body, resource_version=version, force=True)
            print(f"wrote {epoch}", flush=True)
        except KubeError:
            continue
    elector.stop()
    print("stopped", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
