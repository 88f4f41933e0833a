"""The options of ``foretide cost recommendations``; what it does stands in ``recommendations_command``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

Output = Annotated[str, typer.Option("--output", "-o", help="table, json or csv.")]
Server = Annotated[str, typer.Option("--server", help="Where Foretide runs.")]
TokenFile = Annotated[Path | None, typer.Option("--token-file", help="Its token; by default FORETIDE_API_TOKEN's.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="Of an item, as the list tells it.")]
Why = Annotated[str, typer.Option("--reason", help="In words, for whoever asks later.")]
_HERE: Final = "http://127.0.0.1:8080"

recommendations = typer.Typer(
    help="What would save money, best first: each after everything before it, together at most the bill.",
    invoke_without_command=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@recommendations.callback()
def listed(
    context: typer.Context,
    kind: Annotated[str | None, typer.Option("--kind", help="Only of this kind, such as rightSizeHpa.")] = None,
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Only in this one.")] = None,
    state: Annotated[str | None, typer.Option("--state", help="Only what stands so, such as snoozed.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Small, snoozed, rejected and finished ones, too.")] = False,
    patches: Annotated[bool, typer.Option("--patches", help="Print commands to paste instead.")] = False,
    output: Output = "table",
    server: Server = _HERE,
    token_file: TokenFile = None,
) -> None:
    """What would save money, best first.

    Exit codes: 0 answered, 2 an option, 4 the server does not answer or refuses, 5 no such item, 6 it is another by
    now, or no such step can be made from where it stands.
    """
    from app.recommendations_command import Asked, run

    if context.invoked_subcommand is None:
        asked = Asked(
            kind=kind, namespace=namespace, state=state, every=every, patches=patches, output=output,
        )  # fmt: skip
        raise typer.Exit(run(asked, server=server, token_file=token_file, out=sys.stdout))


@recommendations.command(short_help="Print one item with all that is known of it.")
def show(id_: Id, output: Output = "table", server: Server = _HERE, token_file: TokenFile = None) -> None:
    """One item: advice, changes, patches, evidence, risk, conflicts, undo, and where it stands."""
    from app.recommendations_command import show as shown

    raise typer.Exit(shown(id_, output=output, server=server, token_file=token_file, out=sys.stdout))


@recommendations.command(short_help="Say yes to one exact patch.")
def accept(
    id_: Id,
    digest: Annotated[str, typer.Option("--digest", help="Of the patch that you have read; show tells it.")],
    server: Server = _HERE,
    token_file: TokenFile = None,
) -> None:
    """Say yes. Exit code 6: the patch is another by now, and nothing was accepted."""
    from app.recommendations_command import answer

    raise typer.Exit(answer(id_, "accept", {"digest": digest}, server=server, token_file=token_file, out=sys.stdout))


@recommendations.command(short_help="Say no, with a reason.")
def reject(
    id_: Id,
    reason: Why,
    until: Annotated[str | None, typer.Option("--until", help="30d, or 2026-12-24T00:00:00Z; else for ever.")] = None,
    server: Server = _HERE,
    token_file: TokenFile = None,
) -> None:
    """Say no: the item is not in the sum any more, and nothing is built on it."""
    from app.recommendations_command import answer

    body = {"reason": reason} | ({} if until is None else {"until": until})
    raise typer.Exit(answer(id_, "reject", body, server=server, token_file=token_file, out=sys.stdout))


@recommendations.command(short_help="Say not now; it comes back.")
def snooze(
    id_: Id,
    reason: Why,
    until: Annotated[str, typer.Option("--until", help="30d, or 2026-12-24T00:00:00Z.")],
    server: Server = _HERE,
    token_file: TokenFile = None,
) -> None:
    """Say not now: the item comes back at that time, with the reason."""
    from app.recommendations_command import answer

    body = {"reason": reason, "until": until}
    raise typer.Exit(answer(id_, "snooze", body, server=server, token_file=token_file, out=sys.stdout))


@recommendations.command(short_help="Take back a yes, a no or a not now.")
def reopen(id_: Id, server: Server = _HERE, token_file: TokenFile = None) -> None:
    """Take back what was answered; what is applied has to be undone instead."""
    from app.recommendations_command import answer

    raise typer.Exit(answer(id_, "reopen", None, server=server, token_file=token_file, out=sys.stdout))
