"""``foretide rings``: needs a cluster and nothing else; the leader takes up within one pass what is said here."""

from __future__ import annotations

from typing import TextIO

from app.reap_command import Where
from controller.actuation.rings import Plan, resumed
from controller.cluster.kubernetes_rings import EVERYWHERE, RingShelf
from kube import Writer


def tell_rings(where: Where, *, resume: bool, finish: bool, out: TextIO) -> bool:
    """Prints how far it is; whether something is halted and stays so.

    Raises:
        ForetideError: The cluster cannot be reached, or refuses.
    """
    connection = where.connection()
    writer = Writer(connection, "foretide-cli")
    shelf = RingShelf(connection, writer, namespace=where.namespace, plan=Plan(), leads=lambda: True)
    state = shelf.read()
    print(shelf.status or EVERYWHERE, file=out)
    if not (resume or finish) or not state.releases:
        return any(one.halted for one in state.releases)
    shelf.write(resumed(state, finish=finish), told="an operator has let it go on: the next pass takes it up")
    print("it acts everywhere from the next pass on" if finish else "it goes on from the next pass on", file=out)
    return False
