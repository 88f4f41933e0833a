"""``foretide cost -o focus``: the API's allocation, hour by hour or day by day, as rows of FOCUS 1.2.

Days and hours are UTC's, the first and the last begin and end where the window does, to the minute. Each is asked for
by itself, so that its cost is exactly that of its minutes, and all rows add up to what the answers add up to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TextIO

from cost.allocation.ledger import COMPONENTS
from cost.allocation.report import Report, Row
from cost.billing.export import Period, allocation_rows, write

LENGTHS: Final[Mapping[str, timedelta]] = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
MOST_PIECES: Final = 168
"""A week of hours: each is a question of its own, a second of work on a cluster of 30,000 pods."""
NOBODY: Final = "foretide"
"""The account of rows of several clusters."""


def pieces(start: datetime, end: datetime, every: str) -> list[tuple[datetime, datetime]]:
    """The window cut at whole hours or days of UTC, from minute to minute.

    Raises:
        ValueError: There would be too many, or none, or ``every`` is neither.
    """
    if every not in LENGTHS:
        raise ValueError(f"--every {every}: expected {' or '.join(LENGTHS)}")
    at, until = (moment.astimezone(UTC).replace(second=0, microsecond=0) for moment in (start, end))
    if at >= until:
        raise ValueError("--from must lie before --to, by a minute or more")
    length = LENGTHS[every]
    if (until - at) / length > MOST_PIECES:
        raise ValueError(f"more than {MOST_PIECES} {every}s at once: ask for fewer, or with --every day")
    found = []
    while at < until:
        whole = at.replace(minute=0) if every == "hour" else at.replace(hour=0, minute=0)
        found.append((at, min(whole + length, until)))
        at = found[-1][1]
    return found


def export(
    windows: Iterable[tuple[datetime, datetime]], ask: Callable[[datetime, datetime], Mapping[str, Any]], out: TextIO
) -> None:
    """Write the allocation of each window, as ``ask`` answers it."""
    write((row for start, end in windows for row in _rows(ask(start, end))), out)


def _rows(found: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    report = report_of(found)
    clusters = [*report.idle] if report.idle else []
    period = Period(
        start=datetime.fromisoformat(found["start"]), end=datetime.fromisoformat(found["end"]),
        account=clusters[0] if len(clusters) == 1 else NOBODY, basis=found["basis"],
    )  # fmt: skip
    return allocation_rows(report, tuple(found["by"]), period)


def report_of(found: Mapping[str, Any]) -> Report:
    """The report that the API's view was made of, without efficiencies; what its limit left out is a line."""
    lines = {name: Decimal(amount) for name, amount in found["lines"].items()}
    if left_out := Decimal(found["left_out"]):
        lines["__left_out__"] = left_out
    return Report(
        currency=found["currency"], rows=tuple(map(_row, found["rows"])), lines=lines,
        idle={cluster: Decimal(amount) for cluster, amount in found["idle"].items()},
        filtered=Decimal(found["filtered"]), system_reserved=Decimal(found["system_reserved"]),
        total=Decimal(found["total"]), notes=tuple(found["notes"]),
    )  # fmt: skip


def _row(row: Mapping[str, Any]) -> Row:
    idle, shared, overhead, unused = (Decimal(row[name]) for name in ("idle", "shared", "overhead", "requested_unused"))
    return Row(
        key=tuple(row["key"].values()), costs=tuple(Decimal(row["components"][name]) for name in COMPONENTS),
        idle=idle, shared=shared, overhead=overhead, unused=unused, efficiency=None,
    )  # fmt: skip
