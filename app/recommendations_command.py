"""``foretide cost recommendations``: asks a running Foretide for the list, prints it, and takes somebody's answers."""

from __future__ import annotations

import csv
import json
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TextIO
from urllib.parse import quote, urlencode

from app.server_client import FailedError, Server, ServerError
from app.system_clock import SystemClock
from app.text_table import lines_of, printable
from app.written_times import moment
from domain.errors import SettingsError
from domain.recommendations import RecommendationKind, RecommendationState

OUTPUTS: Final = ("table", "json", "csv")
_AT_ONCE: Final = 200
_PATH: Final = "/api/v1/recommendations"
_COLUMNS: Final = (
    "id", "kind", "target", "monthly", "currency", "p10", "p50", "p90", "realised_when", "freed_cpu_millicores",
    "freed_memory_bytes", "risk", "confidence", "effort", "state", "reason", "until", "digest", "advice", "conflicts",
    "undo",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options of the list."""

    kind: str | None = None
    namespace: str | None = None
    state: str | None = None
    every: bool = False
    patches: bool = False
    output: str = "table"

    def path(self, page: int) -> str:
        """The address of a page."""
        chosen = {"kind": self.kind, "namespace": self.namespace, "state": self.state}
        query = {name: value for name, value in chosen.items() if value is not None}
        return f"{_PATH}?{urlencode({**query, 'all': str(self.every).lower(), 'page': page, 'limit': _AT_ONCE})}"


def run(asked: Asked, *, server: str, token_file: Path | None, out: TextIO) -> int:
    """Print the list; the exit code."""
    try:
        _refuse(asked)
        with Server(server, token_file) as found:
            items, summary = _all(found, asked), found.ask("GET", f"{_PATH}/summary")
    except (SettingsError, FailedError, ServerError) as error:
        return _failed(error)
    write(items, summary, asked, out)
    return 0


def show(id_: str, *, output: str, server: str, token_file: Path | None, out: TextIO) -> int:
    """Print one item; the exit code."""
    try:
        if output not in OUTPUTS[:2]:
            raise SettingsError(f"-o {output}: expected table or json")
        with Server(server, token_file) as found:
            item = found.ask("GET", _of(id_))
    except (SettingsError, FailedError, ServerError) as error:
        return _failed(error)
    _print(json.dumps(item, indent=2, ensure_ascii=False).splitlines() if output == "json" else whole(item), out)
    return 0


def answer(
    id_: str, verb: str, body: Mapping[str, str] | None, *, server: str, token_file: Path | None, out: TextIO
) -> int:
    """Say yes, no, or not now; the exit code."""
    try:
        said = None if body is None else {**body, **({"until": _later(body["until"])} if "until" in body else {})}
        with Server(server, token_file) as found:
            item = found.ask("POST", f"{_of(id_)}/{verb}", said)
    except (SettingsError, FailedError, ServerError) as error:
        return _failed(error)
    _print([f"{item['id']} {_target(item)}: {item['state']}{_until(item)}"], out)
    return 0


def write(items: Sequence[dict[str, Any]], summary: Mapping[str, Any], asked: Asked, out: TextIO) -> None:
    """In the wanted form."""
    if asked.patches:
        _print(_patches(items), out)
    elif asked.output == "json":
        out.write(json.dumps({"summary": summary, "items": items}, indent=2, ensure_ascii=False) + "\n")
    elif asked.output == "csv":
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(_COLUMNS)
        rows.writerows(_row(one) for one in items)
    else:
        _print(_table(items, summary, asked), out)


def whole(item: Mapping[str, Any]) -> Iterator[str]:
    """One item for people."""
    yield f"{item['id']}  {item['kind']} {_target(item)}: {item['state']}{_until(item)}"
    if item["reason"]:
        yield f"  {item['reason']} ({item['by']})"
    yield f"  {item['advice']}"
    yield from (f"    {one['path']}: {one['from'] or 'none'} -> {one['to'] or 'none'}" for one in item["changes"])
    yield f"  saves {_money(item)} a month{_when(item)}"
    if _freed(item):
        yield f"  frees {_freed(item)}"
    if item["together"]:
        yield f"  its node goes only with {', '.join(item['together'])}"
    if item["supersedes"]:
        yield f"  makes void {', '.join(item['supersedes'])}"
    yield f"  risk {item['risk']}, confidence {item['confidence']:.2f}"
    yield from (f"    {one['name']}: {one['value']}" for one in item["evidence"])
    yield from (f"  conflict: {one}" for one in item["conflicts"])
    yield from (f"  {line}" for line in _patches([item]))
    yield f"  undo: {item['undo']}"
    yield f"  digest {item['digest']}"


def _refuse(asked: Asked) -> None:
    for name, value, known in (
        ("-o", asked.output, OUTPUTS), ("--kind", asked.kind, tuple(RecommendationKind)),
        ("--state", asked.state, tuple(RecommendationState)),
    ):  # fmt: skip
        if value is not None and value not in known:
            raise SettingsError(f"{name} {value}: expected one of {', '.join(known)}")


def _all(server: Server, asked: Asked) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for page in range(1, 51):
        some = server.ask("GET", asked.path(page))
        found += some
        if len(some) < _AT_ONCE:
            break
    return found


def _table(items: Sequence[dict[str, Any]], summary: Mapping[str, Any], asked: Asked) -> Iterator[str]:
    if items:
        head = ["id", "kind", "target", "a month", "frees", "when", "risk", "sure", "state"]
        yield from lines_of([head, *(_cells(one) for one in items)], left=3, last_is_text=True)
    elif summary["computed_at"] is not None:
        yield "  nothing that is worth it" if not asked.every else "  nothing"
    if summary["computed_at"] is not None:
        at = f"{datetime.fromisoformat(summary['computed_at']):%Y-%m-%d %H:%M} UTC"
        saved, whole_bill = Decimal(summary["saving_monthly"]), Decimal(summary["current_monthly"])
        yield f"all open items save {saved:,.2f} of {whole_bill:,.2f} {summary['currency']} a month, as of {at}"
    if summary["hidden"] and not asked.every and asked.state is None:
        yield f"{summary['hidden']} more are small, answered or over: --all lists them"
    yield from (f"note: {note}" for note in summary["notes"])


def _cells(one: Mapping[str, Any]) -> list[str]:
    amount = f"{Decimal(one['saving']['monthly']):,.2f}"
    return [
        one["id"], one["kind"], _target(one), amount, _freed(one), one["saving"]["realised_when"], one["risk"],
        f"{one['confidence']:.2f}", f"{one['state']}{_until(one)}",
    ]  # fmt: skip


def _row(one: Mapping[str, Any]) -> list[Any]:
    flat = {
        **one, **one["saving"], "target": _target(one), "conflicts": "; ".join(one["conflicts"]),
        **{f"freed_{name}": value for name, value in one["freed"].items()},
    }  # fmt: skip
    return [flat[name] for name in _COLUMNS]


def _patches(items: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for item in items:
        for one in item["patches"]:
            with_patch = one["patch"] is not None
            patch = f" -p {shlex.quote(json.dumps(one['patch'], separators=(',', ':')))}" if with_patch else ""
            yield f"{one['command']}{patch}  # {item['id']} {item['kind']}"


def _target(item: Mapping[str, Any]) -> str:
    of = item["target"]
    return "/".join(filter(None, (of["namespace"], of["kind"], of["name"])))


def _money(item: Mapping[str, Any]) -> str:
    saving = item["saving"]
    told = f"{Decimal(saving['monthly']):,.2f} {saving['currency']}"
    if saving["p10"] is None or saving["p90"] is None:
        return told
    return f"{told} (p10 {Decimal(saving['p10']):,.2f}, p90 {Decimal(saving['p90']):,.2f})"


def _when(item: Mapping[str, Any]) -> str:
    when = item["saving"]["realised_when"]
    return {"never": "", "nodesRemoved": ", once nodes go"}.get(when, f", {when}")


def _freed(item: Mapping[str, Any]) -> str:
    freed = item["freed"]
    cpu, memory = freed["cpu_millicores"], freed["memory_bytes"]
    return ", ".join(filter(None, (f"{cpu}m" if cpu else "", f"{memory / 1024**3:.2f}Gi" if memory else "")))


def _until(item: Mapping[str, Any]) -> str:
    return "" if item["until"] is None else f" until {datetime.fromisoformat(item['until']):%Y-%m-%d %H:%M} UTC"


def _later(text: str) -> str:
    """``30d`` from now, or the time that is written."""
    try:
        return moment("--until", text, SystemClock().now(), ahead=True).isoformat()
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _of(id_: str) -> str:
    return f"{_PATH}/{quote(id_, safe='')}"


def _print(lines: Iterator[str] | Sequence[str], out: TextIO) -> None:
    out.writelines(f"{printable(line)}\n" for line in lines)


def _failed(error: Exception) -> int:
    print(f"foretide: {error}", file=sys.stderr)
    if not isinstance(error, ServerError):
        return 2
    return 5 if error.unknown else 6 if error.conflict else 4
