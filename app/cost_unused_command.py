"""``foretide cost unused``: asks a running Foretide, or one cluster by a kubeconfig, what nobody uses, and prints it.

By a kubeconfig there are no figures of the last week: what stands on them is told as not known.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TextIO
from urllib.parse import urlencode

from app.server_client import Server, ServerError
from app.text_table import lines_of, printable
from cost.unused.finding import Kind
from domain.errors import ForetideError, SettingsError
from kube.access import Access

OUTPUTS: Final = ("table", "json", "csv")
HERE: Final = "http://127.0.0.1:8080"
PATIENCE: Final = timedelta(minutes=5)
"""A week of every pod is read for the first answer after a start."""
_MOST: Final = 10_000
_COLUMNS: Final = (
    "finding", "namespace", "kind", "name", "monthly", "currency", "since", "evidence", "advice", "command", "undo",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options of the command."""

    context: str | None = None
    kubeconfig: Path | None = None
    namespace: str | None = None
    kind: str | None = None
    prices: Path | None = None
    commands: bool = False
    output: str = "table"
    server: str | None = None
    token_file: Path | None = None


def run(asked: Asked, out: TextIO) -> int:
    """The exit code: 0 answered, 2 an option, 4 the server or the cluster does not answer or refuses."""
    try:
        _check(asked)
        found = _of_server(asked) if asked.context is None else _of_cluster(asked)
    except ServerError as error:
        return _refused(error, 4)
    except ForetideError as error:
        return _refused(error, 2)
    if asked.commands:
        out.writelines(f"{printable(line)}\n" for line in commands(found))
    else:
        {"table": table, "json": _json, "csv": _csv}[asked.output](found, out)
    if asked.commands or asked.output == "csv":
        sys.stderr.writelines(f"foretide: {printable(line)}\n" for line in _limits(found))
    return 0


def _check(asked: Asked) -> None:
    if asked.output not in OUTPUTS:
        raise SettingsError(f"-o {asked.output}: expected {', '.join(OUTPUTS)}")
    if asked.kind is not None and asked.kind not in set(Kind):
        raise SettingsError(f"--kind {asked.kind}: expected one of {', '.join(Kind)}")
    if asked.context is not None and asked.server is not None:
        raise SettingsError("give --context or --server, not both")
    if asked.context is None and asked.prices is not None:
        raise SettingsError("--prices goes with --context: a running Foretide has prices of its own")


def _of_server(asked: Asked) -> dict[str, Any]:
    pairs = {"namespace": asked.namespace, "kind": asked.kind, "limit": _MOST}
    query = urlencode({name: value for name, value in pairs.items() if value is not None})
    with Server(asked.server or HERE, asked.token_file, patience=PATIENCE) as server:
        found: dict[str, Any] = server.ask("GET", f"/api/v1/cost/unused?{query}")
        return found


def _of_cluster(asked: Asked) -> dict[str, Any]:
    from app.cost_unused_direct import of_cluster  # a second of imports, which asking a server needs not

    return of_cluster(
        Access(kubeconfig=asked.kubeconfig, context=asked.context), namespace=asked.namespace or "",
        kind=None if asked.kind is None else Kind(asked.kind), prices=asked.prices, limit=_MOST,
    )  # fmt: skip


def _refused(error: Exception, code: int) -> int:
    print(f"foretide: {error}", file=sys.stderr)
    return code


def table(found: Mapping[str, Any], out: TextIO) -> None:
    """Findings, what somebody keeps, and what nobody can say."""
    out.writelines(f"{printable(line)}\n" for line in _table(found))


def commands(found: Mapping[str, Any]) -> Iterator[str]:
    """What a human could run, one after the other, each with its reason and its way back as comments."""
    for one in found["findings"]:
        yield f"# {one['kind']} {_object(one['target'])}: {one['advice']}"
        yield one["command"]
        yield f"# undo: {one['undo']}"


def _table(found: Mapping[str, Any]) -> Iterator[str]:
    rows = [
        (one["kind"], _object(one["target"]), _money(one["monthly"]), _day(one["since"]), _because(one["evidence"]))
        for one in found["findings"]
    ]
    if rows:
        head = ("FINDING", "OBJECT", f"{found['currency']} A MONTH", "SINCE", "BECAUSE")
        yield from lines_of([head, *rows], left=2, last_is_text=True)
    count = found["findings_total"]
    yield f"{count} {'finding' if count == 1 else 'findings'}, {_money(found['monthly'])} {found['currency']} a month"
    yield from _limits(found)


def _limits(found: Mapping[str, Any]) -> Iterator[str]:
    beyond = found["findings_total"] - len(found["findings"])
    if beyond:
        yield f"{beyond} more are not shown"
    unpriced = sum(one["monthly"] is None for one in found["findings"])
    if unpriced:
        yield f"{unpriced} of them have no price and are not in the sum"
    for one in found["kept"]:
        yield f"kept: {one['kind']} {_object(one['target'])}: {one['reason']}"
    by_why: dict[str, list[str]] = {}
    for one in found["not_known"]:
        by_why.setdefault(one["why"], []).append(one["kind"])
    for why, kinds in by_why.items():
        yield f"not known: {'everything' if len(kinds) == len(Kind) else ', '.join(kinds)}: {why}"
    for note in found["notes"]:
        yield f"note: {note}"


def _json(found: Mapping[str, Any], out: TextIO) -> None:
    json.dump(found, out, indent=2, ensure_ascii=False)
    out.write("\n")


def _csv(found: Mapping[str, Any], out: TextIO) -> None:
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(_COLUMNS)
    for one in found["findings"]:
        of = one["target"]
        rows.writerow([
            one["kind"], of["namespace"], of["kind"], of["name"], one["monthly"], found["currency"], one["since"],
            "; ".join(f"{name}: {text}" for name, text in one["evidence"].items()), one["advice"], one["command"],
            one["undo"],
        ])  # fmt: skip


def _object(target: Mapping[str, str]) -> str:
    return "/".join(filter(None, (target["namespace"], target["kind"], target["name"])))


def _money(amount: str | None) -> str:
    return "?" if amount is None else f"{Decimal(amount):,.2f}"


def _day(since: str | None) -> str:
    return "" if since is None else f"{datetime.fromisoformat(since):%Y-%m-%d}"


_SHORT: Final[Mapping[str, Callable[[str], str]]] = {
    "traffic": lambda text: text, "cpu": lambda text: f"CPU {text}", "referrers": lambda text: "nothing refers to it",
    "size": lambda text: text, "phase": lambda text: text, "was of": lambda text: f"was of {text}",
    "ready endpoints": lambda text: f"{text} ready endpoints",
    "jobs": lambda text: "1 job without a TTL" if text == "1" else f"{text} jobs without a TTL",
    "empty of": lambda text: "no workload, pod, claim or Service", "at its maximum": lambda text: f"at maximum {text}",
    "bounds": lambda text: text, "most used": lambda text: f"{text} used", "would do": lambda text: f"{text} would do",
}  # fmt: skip


def _because(evidence: Mapping[str, str]) -> str:
    """A line of the evidence; all of it is in JSON and CSV."""
    told = [_SHORT[name](text) for name, text in evidence.items() if name in _SHORT]
    return ", ".join(told) or ", ".join(f"{name}: {text}" for name, text in list(evidence.items())[:2])
