"""The options of ``foretide rings``; what it does stands in ``rings_command``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from app.reap_cli import Context, InCluster, Kubeconfig, fail


def rings(
    resume: Annotated[bool, typer.Option("--resume", help="Let what was halted go on where it stands.")] = False,
    finish: Annotated[bool, typer.Option("--finish", help="Let everything new act everywhere at once.")] = False,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    in_cluster: InCluster = False,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Foretide's own, where its ConfigMap is.")
    ] = "foretide",
) -> None:
    """Tell how far new rules, policies and versions have come in their rings; exits 1 while one is halted."""
    from app.reap_command import Where
    from app.rings_command import tell_rings
    from domain.errors import ForetideError, SettingsError

    where = Where(context=context, kubeconfig=kubeconfig, in_cluster=in_cluster, namespace=namespace)
    try:
        halted = tell_rings(where, resume=resume, finish=finish, out=sys.stdout)
    except ForetideError as error:
        fail(str(error), 2 if isinstance(error, SettingsError) else 4)
    raise typer.Exit(1 if halted else 0)
