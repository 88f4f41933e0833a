"""``foretide doctor``: before anything is enforced, what a cluster would make of it. It asks and writes nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from app.check import check_query
from app.doctor import rights, surroundings, targets
from app.doctor.findings import WRITERS, Finding, Level, ranked
from app.doctor.gitops import GitOps
from app.system_clock import SystemClock
from domain.clock import Clock
from domain.errors import KubeError, RuleDocumentError, SettingsError
from kube import Access, Connection, connect
from rules import RuleSet, load_paths
from rules.policy import Effective, effective

ACCOUNT = "foretide-controller"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options of the command.

    Attributes:
        namespace: Foretide's own.
        account: Whose rights are asked for: ``self``, a ServiceAccount NAMESPACE/NAME; None: our controller's from
            outside, our own from within.
    """

    rules: tuple[Path, ...] = ()
    access: Access
    namespace: str = "foretide"
    account: str | None = None
    output: str = "table"


def run(asked: Asked, out: TextIO, *, clock: Clock | None = None) -> int:
    """The exit code: 0 nothing stands against it, 1 an error was found, 2 an option, 4 no server that answers us."""
    try:
        if asked.output not in WRITERS:
            raise SettingsError(f"-o {asked.output}: expected one of {', '.join(WRITERS)}")
        account = _account(asked)
        if missing := [path for path in asked.rules if not path.exists()]:
            raise SettingsError(f"{missing[0]}: no such file or folder")
        connection = connect(asked.access, clock=clock or SystemClock())
        try:
            findings = ranked(list(_findings(asked, account, connection)))
        finally:
            connection.close()
    except (SettingsError, KubeError) as error:
        print(f"foretide: {error}", file=sys.stderr)
        return 2 if isinstance(error, SettingsError) else 4
    WRITERS[asked.output](findings, out)
    return 1 if any(one.level is Level.ERROR for one in findings) else 0


def _account(asked: Asked) -> str:
    default = rights.SELF if asked.access.in_cluster else f"{asked.namespace}/{ACCOUNT}"
    account = asked.account or default
    if account != rights.SELF and account.count("/") != 1:
        raise SettingsError(f"--account {account}: expected self, or NAMESPACE/NAME of a ServiceAccount")
    return account


def _findings(asked: Asked, account: str, connection: Connection) -> Iterator[Finding]:
    now = connection.clock.now()
    loaded, mistakes = _loaded(asked.rules)
    yield from mistakes
    seen = targets.see(
        connection,
        {one.metadata.namespace for one in loaded.rules} | {one.metadata.namespace for one in loaded.policies},
        targets.of_other_kinds(loaded.rules),
    )
    found = effective(loaded, seen.workloads, check_query=check_query)
    rules = found.ruleset.rules
    yield from _left_out(found)
    if seen.unseen:
        says = f"whoever runs this may not list {', '.join(seen.unseen)}: what is there was not looked at"
        yield Finding(level=Level.WARNING, object="doctor", says=says, do="run it as somebody who may")
    keda = any(rule.spec.actuate.scaled_object is not None for rule in rules)
    yield from surroundings.looked(connection, namespace=asked.namespace, keda_wanted=keda, now=now)
    yield from rights.Rights(connection, account).looked(rights.needs(rules, namespace=asked.namespace, keda=keda))
    yield from targets.looked(rules, seen, GitOps(connection), namespace=asked.namespace)
    yield from surroundings.left_behind(seen.scalers.values(), {rule.key for rule in rules}, now)


def _loaded(paths: tuple[Path, ...]) -> tuple[RuleSet, list[Finding]]:
    """The documents; with mistakes, none of them."""
    try:
        return load_paths(paths, check_query=check_query), []
    except RuleDocumentError as error:
        mistakes = [Finding(level=Level.ERROR, object="rules", says=str(one)) for one in error.mistakes]
        return load_paths((), check_query=check_query), mistakes


def _left_out(found: Effective) -> Iterator[Finding]:
    for one in found.left_out:
        yield Finding(level=Level.WARNING, object="policies", says=f"left out: {one}")
