"""``foretide cost sizing``: asks a running Foretide what containers should ask for, and prints it."""

from __future__ import annotations

import csv
import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
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
    "pods", "p95", "peak", "ooms", "monthly_saving", "currency", "reasons",
)  # fmt: skip


_HEADING: Final = ("CONTAINER", "", "REQUEST", "WANTED", "LIMIT", "WANTED", "PEAK", "SAVES", "RISK", "VERDICT", "")
_NOTHING: Final = "no workload that kube-state-metrics, or Foretide in a cluster, tells of"


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
                    "currency": (workload["prices"] or {}).get("currency", ""),
                    "reasons": "; ".join(one["reasons"])}  # fmt: skip
            for side in ("current", "wanted"):
                flat |= {f"{side}_{part}": (one[side] or {}).get(part) for part in ("request", "limit")}
            yield [flat[name] for name in _COLUMNS]


def _table(workloads: Sequence[dict[str, Any]]) -> Iterator[str]:
    rows: list[tuple[str, ...]] = [_HEADING]
    rows += [_line(workload, one) for workload in workloads for one in workload["sizings"]]
    if len(rows) == 1:
        yield _NOTHING
        return
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        yield "  ".join([*cells, row[-1]]).rstrip()
    yield ""
    yield _worth(workloads)


def _worth(workloads: Sequence[dict[str, Any]]) -> str:
    """What the sizes that may be tried come to, and what a price stands on."""
    prices = next((one["prices"] for one in workloads if one["prices"]), None)
    if prices is None:
        return f"no saving is told: {next((one['no_prices'] for one in workloads if one['no_prices']), 'no price')}"
    each = [one for workload in workloads for one in workload["sizings"]
            if one["verdict"] == "go" and one["monthly_saving"] is not None]  # fmt: skip
    total = sum((Decimal(one["monthly_saving"]) for one in each), Decimal("0.00"))
    dated = f" of {prices['as_of']}" if prices["as_of"] else ""
    core, gib = (_short(prices[name]) for name in ("cpu_core_hour", "memory_gib_hour"))
    return (
        f"what may be tried now saves {total} {prices['currency']} in a month of 730 h, and {prices['note']}: "
        f"a core {core}, a GiB {gib} an hour, the mean of {prices['nodes']} nodes "
        f"by {prices['source']}{dated} ({prices['confidence']})"
    )


def _short(amount: str) -> str:
    return f"{Decimal(amount).quantize(Decimal('0.000001')).normalize():f}"


def _line(workload: dict[str, Any], one: dict[str, Any]) -> tuple[str, ...]:
    resource = Resource(one["resource"])

    def told(amount: int | None, none: str = "-") -> str:
        return none if amount is None else _read(amount, resource)

    wanted = one["wanted"]
    request, limit = (told(wanted[part]) if wanted else "?" for part in ("request", "limit"))
    return (
        f"{workload['target']}:{one['container']}", resource.value, told(one["current"]["request"]), request,
        told(one["current"]["limit"]), limit, told(one["peak"], "?"), one["monthly_saving"] or "?", one["risk"],
        one["verdict"],
        "; ".join(one["reasons"]),
    )  # fmt: skip


def _read(amount: int, resource: Resource) -> str:
    """As it is read; exact it is in JSON, CSV and the patches."""
    if resource is Resource.CPU or not amount % 2**20 or amount < 2**20:
        return quantity(amount, resource)
    return f"{amount / 2**30:.2f}Gi" if amount >= 2**30 else f"{amount / 2**20:.1f}Mi"


def _patches(workloads: Sequence[dict[str, Any]]) -> Iterator[str]:
    if not any(workload["patches"] for workload in workloads):
        yield f"# nothing to paste: {_why_nothing(workloads)}"
    for workload in workloads:
        for one in workload["patches"]:
            yield f"{one['command']} -p {shlex.quote(json.dumps(one['patch'], separators=(',', ':')))}"
        for one in workload["sizings"]:
            if one["verdict"] != "go":
                yield f"# {workload['target']}:{one['container']} {one['resource']} waits: {'; '.join(one['reasons'])}"


def _why_nothing(workloads: Sequence[dict[str, Any]]) -> str:
    sizings = [one for workload in workloads for one in workload["sizings"]]
    if not sizings:
        return _NOTHING
    waiting = sum(one["verdict"] != "go" for one in sizings)
    return f"{len(sizings) - waiting} sizes fit as they are, {waiting} have to wait"
