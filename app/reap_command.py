"""``foretide reap``, ``restore`` and ``freeze``: they need a cluster and nothing else, no database, no rules.

What they import is the client, the steps and the annotations, so that they start in a second in a CronJob's pod.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from app.system_clock import SystemClock
from controller.actuation.stamp import FREEZE
from controller.budgets.cron_jobs import CronJobs
from controller.budgets.minima import Minima
from controller.budgets.notes import Hand
from controller.budgets.quotas import Quotas
from controller.budgets.sleepers import Sleepers
from controller.cluster.kubernetes_switch import Switch, freeze, thaw
from controller.reaped_buffers import reap_buffers
from controller.reaper import Orders, Reaper, Returned
from controller.resizing.giving_back import Reaped, reap
from controller.resizing.raw import MANAGER
from kube import Access, Connection, Writer, connect
from kube.kinds import HPA

_COLUMNS = ("NAMESPACE", "KIND", "NAME", "BOUNDS", "NOW", "RESULT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Which cluster, and where Foretide lives in it."""

    context: str | None
    kubeconfig: Path | None
    in_cluster: bool
    namespace: str

    def connection(self) -> Connection:
        """Raises ``SettingsError``."""
        access = Access(kubeconfig=self.kubeconfig, context=self.context, in_cluster=self.in_cluster)
        return connect(access, clock=SystemClock())


def give_back(
    where: Where, orders: Orders, out: TextIO, *, unfinished: list[Reaped] | None = None
) -> list[Returned]:  # fmt: skip
    """One run of the reaper, and its table.

    Args:
        where: Which cluster.
        orders: What is to be given back.
        out: Takes the table.
        unfinished: Takes the workloads whose size is still to be given back.

    Raises:
        ForetideError: The cluster cannot be reached, or does not let us look.
    """
    connection = where.connection()
    waiting = threading.Event()
    switch, writer = Switch(connection, namespace=where.namespace).why, Writer(connection)
    hands: list[Hand] = [
        CronJobs(connection, writer, switch=switch),
        Quotas(connection, writer, switch=switch, own_namespace=where.namespace),
        Minima(connection, writer, switch=switch, own_namespace=where.namespace),
        Sleepers(connection, writer, switch=switch, own_namespace=where.namespace),
    ]
    now = connection.clock.now()
    budgets = [told for hand in hands for told in hand.expired(now, everything=orders.everything)]
    resized = reap(
        connection, Writer(connection, MANAGER), switch=switch, everything=orders.everything, now=now
    )  # fmt: skip
    reaper = Reaper(
        connection, writer, now=connection.clock.now, wait=lambda seconds: _wait(waiting, seconds), switch=switch,
        orders=orders,
    )  # fmt: skip
    told = reaper.run() + reap_buffers(
        connection, writer, switch=switch(), everything=orders.everything, now=connection.clock.now()
    )
    _print(told, out)
    for name, outcome in budgets:
        print(f"{name}: {outcome.failure or outcome.said}", file=out)
    for one in resized:
        print(f"{one.ref}: {one.said}", file=out)
    if unfinished is not None:
        unfinished += [one for one in resized if not one.done]
    return told


def set_freeze(where: Where, *, target: str | None, reason: str, undo: bool, out: TextIO) -> None:
    """The kill switch, or one HPA's annotation.

    Raises:
        ForetideError: The cluster cannot be reached, or refuses.
    """
    writer = Writer(where.connection(), "foretide-cli")
    if target is not None:
        namespace, _, name = target.partition("/")
        body = {"metadata": {"annotations": {FREEZE: None if undo else reason}}}
        writer.patch_merge(HPA, namespace, name, body)
        print(f"HorizontalPodAutoscaler {target} is {'free again' if undo else 'left as it is'}", file=out)
    elif undo:
        thaw(writer, namespace=where.namespace)
        print("the kill switch is off: writes go on within 2 seconds", file=out)
    else:
        freeze(writer, namespace=where.namespace, reason=reason)
        print("the kill switch is on: nothing is written, from 2 seconds on; foretide freeze --undo ends it", file=out)


def _wait(waiting: threading.Event, seconds: float) -> None:
    waiting.wait(seconds)


def _print(told: Sequence[Returned], out: TextIO) -> None:
    if not told:
        print("nothing is left to give back", file=out)
        return
    rows = [(one.namespace, one.kind, one.name, str(one.before), str(one.after), one.said) for one in told]
    widths = [max(len(row[column]) for row in (_COLUMNS, *rows)) for column in range(len(_COLUMNS))]
    for row in (_COLUMNS, *rows):
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip(), file=out)
