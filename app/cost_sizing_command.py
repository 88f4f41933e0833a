"""``foretide cost sizing``: asks a running Foretide what containers should ask for, and prints it."""

from __future__ import annotations

import csv
import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO
from urllib.parse import urlencode

from app.server_client import FailedError, Server, ServerError
from cost.sizing.observed import Resource
from cost.sizing.patches import quantity
from domain.errors import SettingsError

_AT_ONCE: Final = 10
OUTPUTS: Final = ("table", "json", "csv")
ENGINES: Final = ("vpa", "krr", "forecast")
_COLUMNS: Final = (
    "target", "container", "resource", "engine", "unit", "current_request", "current_limit", "wanted_request",
    "wanted_limit", "hpa_target_percent", "severity", "confidence", "risk", "verdict", "window_seconds", "samples",
    "pods", "p95", "peak", "ooms", "reasons",
)  # fmt: skip


_HEADING: Final = ("CONTAINER", "", "REQUEST", "WANTED", "LIMIT", "WANTED", "PEAK", "RISK", "VERDICT", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options of the command."""

    engine: str = "forecast"
    namespace: str | None = None
    days: int = 8
    patches: bool = False
    output: str = "table"


def run(asked: Asked, *, server: str, token_file: Path | None, out: TextIO) -> int:
    """The exit code: 0 answered, 2 an option, 4 the server does not answer or refuses."""
    try:
        if asked.output not in OUTPUTS or asked.engine not in ENGINES:
            raise SettingsError(f"-o is one of {', '.join(OUTPUTS)}, --engine one of {', '.join(ENGINES)}")
        with Server(server, token_file) as found:
            write(_all(found, asked), asked, out)
    except (SettingsError, FailedError, ServerError) as error:
        print(f"foretide: {error}", file=sys.stderr)
        return 4 if isinstance(error, ServerError) else 2
    return 0


def write(workloads: Sequence[dict[str, Any]], asked: Asked, out: TextIO) -> None:
    """In the wanted form; sentences about what could not be read go to standard error."""
    for one in workloads:
        if one["problem"]:
            print(f"foretide: {one['target']}: {one['problem']}", file=sys.stderr)
    if asked.patches:
        out.writelines(f"{line}\n" for line in _patches(workloads))
    elif asked.output == "json":
        out.write(json.dumps(workloads, indent=2, ensure_ascii=False) + "\n")
    elif asked.output == "csv":
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(_COLUMNS)
        rows.writerows(_rows(workloads))
    else:
        out.writelines(f"{line}\n" for line in _table(workloads))


def _all(server: Server, asked: Asked) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for page in range(1, 10_001):
        query = {"engine": asked.engine, "days": asked.days, "page": page, "limit": _AT_ONCE}
        query |= {} if asked.namespace is None else {"namespace": asked.namespace}
        some = server.ask("GET", f"/api/v1/cost/sizing?{urlencode(query)}")
        found += some
        if len(some) < _AT_ONCE:
            break
    return found


def _rows(workloads: Sequence[dict[str, Any]]) -> Iterator[list[Any]]:
    for workload in workloads:
        for one in workload["sizings"]:
            flat = {**one, "target": workload["target"], "engine": workload["engine"],
                    "reasons": "; ".join(one["reasons"])}  # fmt: skip
            for side in ("current", "wanted"):
                flat |= {f"{side}_{part}": (one[side] or {}).get(part) for part in ("request", "limit")}
            yield [flat[name] for name in _COLUMNS]


def _table(workloads: Sequence[dict[str, Any]]) -> Iterator[str]:
    rows: list[tuple[str, ...]] = [
        ("CONTAINER", "", "REQUEST", "WANTED", "LIMIT", "WANTED", "PEAK", "RISK", "VERDICT", "")
    ]
    rows += [_line(workload, one) for workload in workloads for one in workload["sizings"]]
    if len(rows) == 1:
        yield "no workload that kube-state-metrics, or Foretide in a cluster, tells of"
        return
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        yield "  ".join([*cells, row[-1]]).rstrip()


def _line(workload: dict[str, Any], one: dict[str, Any]) -> tuple[str, ...]:
    resource = Resource(one["resource"])

    def told(amount: int | None, none: str = "-") -> str:
        return none if amount is None else quantity(amount, resource)

    wanted = one["wanted"]
    request, limit = (told(wanted[part]) if wanted else "?" for part in ("request", "limit"))
    return (
        f"{workload['target']}:{one['container']}", resource.value, told(one["current"]["request"]), request,
        told(one["current"]["limit"]), limit, told(one["peak"], "?"), one["risk"], one["verdict"],
        "; ".join(one["reasons"]),
    )  # fmt: skip


def _patches(workloads: Sequence[dict[str, Any]]) -> Iterator[str]:
    for workload in workloads:
        for one in workload["patches"]:
            yield f"{one['command']} -p {shlex.quote(json.dumps(one['patch'], separators=(',', ':')))}"
        for one in workload["sizings"]:
            if one["verdict"] != "go":
                yield f"# {workload['target']}:{one['container']} {one['resource']} waits: {'; '.join(one['reasons'])}"
