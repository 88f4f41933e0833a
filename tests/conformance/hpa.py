"""Runs Kubernetes' own HPA tables: ``python -m tests.conformance.hpa FILE…``.

One line for each failing case and, last, ``N passed, M failed, K skipped``. Three kinds of table are told apart by
their keys: the replica calculator (replicas, reported usage and utilisation, error or none), the rates of ``behavior``
(replicas and reason), and whole passes of the controller (replicas). A case with a column that nobody knows, or
that the upstream test changes in code, is skipped by itself, with the reason.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.conformance.hpa_behavior import check_behavior
from tests.conformance.hpa_calculator import check_calculator
from tests.conformance.hpa_harness import Mismatch
from tests.conformance.hpa_literals import Skip
from tests.conformance.hpa_reconcile import check_reconcile

_CODE_REPLACES_A_CLIENT = re.compile(r"TestCondition(Failed|InvalidSelector)|OneMetricEmpty")
"""Their literal cannot say which client errs; they are counted only where they pass all the same."""


def run(path: Path) -> Iterator[tuple[str, str]]:
    """Verdict (``passed``, ``failed``, ``skipped``) and message of every case of a file."""
    table = json.loads(path.read_text(encoding="utf-8"))
    found = table if isinstance(table, list) else table.get("cases") or []
    columns = table.get("columns") if isinstance(table, dict) else None
    for number, case in enumerate(found, start=1):
        name, fields = _read(case, columns, number)
        verdict, message = _checked(name, fields)
        yield verdict, f"{path.name}: {name}: {message}"


def _read(case: Any, columns: Any, number: int) -> tuple[str, Any]:
    """Name and fields of a case: a row under ``columns``, a mapping, or ``{"name", "case"}``."""
    if isinstance(case, list) and isinstance(columns, list):
        case = dict(zip(columns, case, strict=False))
    if not isinstance(case, dict):
        return f"case {number}", None
    name = str(case.get("name") or case.get("test") or f"case {number}")
    inner = case.get("case")
    return name, inner if isinstance(inner, dict) else {k: v for k, v in case.items() if k not in ("name", "test")}


def _checked(name: str, fields: Any) -> tuple[str, str]:
    try:
        _check_of(fields)(fields)
    except Skip as reason:
        return "skipped", str(reason)
    except Mismatch as mismatch:
        if _CODE_REPLACES_A_CLIENT.search(name):
            return "skipped", f"the upstream test replaces a client in code ({mismatch})"
        return "failed", str(mismatch)
    except Exception as error:  # a crash is a failing case, not the end of the run
        return "failed", f"crashed with {type(error).__name__}: {error}"
    return "passed", ""


def _check_of(fields: Any) -> Callable[[dict[str, Any]], None]:
    if not isinstance(fields, dict):
        raise Skip("it is no mapping")
    keys = {key.replace("_", "").lower() for key in fields}
    if "prenormalizeddesiredreplicas" in keys:
        return check_behavior
    if keys & {"expecteddesiredreplicas", "metricstarget", "reportedlevels", "cputarget"}:
        return check_reconcile
    if keys & {"resource", "metric"}:
        return check_calculator
    raise Skip(f"neither calculator, behaviour nor whole pass: {', '.join(sorted(keys))}")


def main(paths: list[str]) -> int:
    """Run the files; 1 where a case fails, 2 without files."""
    if not paths:
        print("usage: python -m tests.conformance.hpa FILE…", file=sys.stderr)
        return 2
    verdicts: Counter[str] = Counter()
    for path in paths:
        for verdict, message in run(Path(path)):
            verdicts[verdict] += 1
            if verdict != "passed":
                print(message, file=sys.stdout if verdict == "failed" else sys.stderr)
    print(f"{verdicts['passed']} passed, {verdicts['failed']} failed, {verdicts['skipped']} skipped")
    return 1 if verdicts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
