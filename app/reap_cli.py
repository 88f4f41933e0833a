"""The options of ``foretide reap``, ``restore`` and ``freeze``; what they do stands in ``reap_command``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

Context = Annotated[str | None, typer.Option("--context", help="Of the kubeconfig; there is no default one.")]
Kubeconfig = Annotated[Path | None, typer.Option("--kubeconfig", help="By default as kubectl looks for it.")]
InCluster = Annotated[bool, typer.Option("--in-cluster", help="In place of --context: as this pod's ServiceAccount.")]
Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Foretide's own, where the kill switch is.")]


def reap(
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    in_cluster: InCluster = False,
    namespace: Namespace = "foretide",
    seconds: Annotated[float, typer.Option("--for", help="End after so many seconds; the next run goes on.")] = 270.0,
) -> None:
    """Give back bounds that have expired because nobody renewed them: ceilings first, floors by a tenth a minute."""
    _given_back(context, kubeconfig, in_cluster, namespace, everything=False, at_once=False, seconds=seconds)


def restore(
    every: Annotated[
        bool, typer.Option("--all", help="Every autoscaler with our annotations; has to be said.")
    ] = False,
    at_once: Annotated[
        bool, typer.Option("--at-once", help="Floors in one step: the HPA may then remove many pods at once.")
    ] = False,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    in_cluster: InCluster = False,
    namespace: Namespace = "foretide",
) -> None:
    """Give every bound back, expired or not, frozen or not, and leave no annotation; stop the controller before."""
    if not every:
        fail("restore gives back every bound that Foretide has set: say so with --all", 2)
    told = _given_back(context, kubeconfig, in_cluster, namespace, everything=True, at_once=at_once, seconds=None)
    raise typer.Exit(0 if told else 1)


def freeze(
    target: Annotated[
        str | None, typer.Argument(metavar="[NAMESPACE/HPA]", help="Only this HPA; by default everything.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Shown in every decision that is held.")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Let writes go on.")] = False,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    in_cluster: InCluster = False,
    namespace: Namespace = "foretide",
) -> None:
    """Stop every write to the cluster within seconds and leave everything as it is; --undo ends it."""
    from app.reap_command import Where, set_freeze
    from domain.errors import ForetideError, SettingsError

    if not undo and not reason:
        fail("say why with --reason: it is what everybody will read", 2)
    if target is not None and target.count("/") != 1:
        fail(f"{target!r} is no NAMESPACE/NAME", 2)
    where = Where(context=context, kubeconfig=kubeconfig, in_cluster=in_cluster, namespace=namespace)
    try:
        set_freeze(where, target=target, reason=reason, undo=undo, out=sys.stdout)
    except ForetideError as error:
        fail(str(error), 2 if isinstance(error, SettingsError) else 4)


def _given_back(
    context: str | None, kubeconfig: Path | None, in_cluster: bool, namespace: str, *,
    everything: bool, at_once: bool, seconds: float | None,
) -> bool:  # fmt: skip
    """Whether nothing is left."""
    from app.reap_command import Where, give_back
    from controller.reaper import Orders
    from controller.resizing.giving_back import Reaped
    from domain.errors import ForetideError, SettingsError

    where = Where(context=context, kubeconfig=kubeconfig, in_cluster=in_cluster, namespace=namespace)
    left: list[Reaped] = []
    try:
        orders = Orders(everything=everything, at_once=at_once, seconds=seconds)
        told = give_back(where, orders, sys.stdout, unfinished=left)
    except ForetideError as error:
        fail(str(error), 2 if isinstance(error, SettingsError) else 4)
    return not left and all(one.done for one in told)


def fail(message: str, code: int) -> NoReturn:
    """Ends the command with a sentence."""
    print(f"foretide: {message}", file=sys.stderr)
    raise typer.Exit(code)
