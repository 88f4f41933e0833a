"""The options of ``foretide doctor``; what it does stands in ``doctor_command``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from app.reap_cli import Context, InCluster, Kubeconfig, Namespace


def doctor(
    rules: Annotated[
        list[Path] | None, typer.Argument(metavar="[RULES...]", help="Rule files and folders; none: only the cluster.")
    ] = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    in_cluster: InCluster = False,
    namespace: Namespace = "foretide",
    account: Annotated[
        str | None,
        typer.Option(
            "--account", metavar="self|NAMESPACE/NAME",
            help="Whose rights: by default our controller's ServiceAccount; with --in-cluster its own.",
        ),
    ] = None,
    output: Annotated[str, typer.Option("--output", "-o", help="table or json.")] = "table",
) -> None:  # fmt: skip
    """Look at a cluster before rules act in it: who would undo us, what to paste, rights, versions. Writes nothing.

    Exit codes: 0 nothing stands against it, 1 an error was found, 2 an option, 4 the server does not answer or refuses.
    """
    from app.doctor_command import Asked, run
    from kube import Access

    access = Access(kubeconfig=kubeconfig, context=context, in_cluster=in_cluster)
    asked = Asked(rules=tuple(rules or ()), access=access, namespace=namespace, account=account, output=output)
    raise typer.Exit(run(asked, sys.stdout))
