"""``foretide check``: the documents' mistakes as a compiler would show them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from app.alert_rules import files as alert_rules
from app.sources import LOCAL
from rules import check_files, load_paths, render, source_texts
from store.promql import check, check_syntax


def check_query(expr: str, source: str | None = None, *, traces: bool = False) -> None:
    """As far as it goes without foretide.yaml: the sources' names are only known where Foretide runs.

    Raises:
        QueryError: The text is no PromQL, or Foretide, which would evaluate it, cannot.
    """
    if traces:
        return
    if source in (None, LOCAL):
        check(expr)
    else:
        check_syntax(expr)


def check_paths(paths: Sequence[Path], *, lint_fatal: bool = False) -> int:
    """Say what is wrong; the exit code: 0 all right, 1 there are mistakes, 2 a path that is not there, 3 lint."""
    missing = [path for path in paths if not path.exists()]
    if missing:
        print("\n".join(f"foretide: {path}: no such file or folder" for path in missing), file=sys.stderr)
        return 2
    ours, named = alert_rules.apart(paths)
    alerting = alert_rules.load(named)
    mistakes = [*(check_files(ours, check_query) if ours else ()), *alerting.mistakes]
    if mistakes:
        print(render(mistakes, source_texts(mistakes)), file=sys.stderr)
        count = len(mistakes)
        print(f"\n{count} mistake{'s' if count > 1 else ''}", file=sys.stderr)
        return 1
    found = load_paths(ours, check_query=check_query)
    for warning in (*found.warnings, *alerting.warnings):
        print(f"warning: {warning}", file=sys.stderr)
    counts = (
        ("rule", found.rules), ("budget", found.budgets), ("price sheet", found.price_sheets),
        ("forecast", found.forecasts), ("SLO", found.slos), ("policy", found.policies),
    )  # fmt: skip
    said = [f"{len(items)} {_plural(name) if len(items) > 1 else name}" for name, items in counts if items]
    if alerting.files:
        groups = sum(len(file.groups) for file in alerting.files)
        said.append(f"{_many(alerting.count, 'alerting or recording rule')} in {_many(groups, 'group')}")
    print(f"ok: {', '.join(said) if said else 'no documents'}")
    return 3 if lint_fatal and (found.warnings or alerting.warnings) else 0


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _plural(name: str) -> str:
    return f"{name.removesuffix('y')}ies" if name.endswith("y") else f"{name}s"
