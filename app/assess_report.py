"""What ``assess`` found, ranked, as a table, JSON or CSV; the page for a browser is ``assess_page``."""

from __future__ import annotations

import csv
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, TextIO

import orjson

from app.assess_replay import FORECAST, HOURS_PER_MONTH, LEAVE, NO_DATA, NOT_CREDIBLE, PATCH, RAISE_MAX, Assessed
from controller.simulate.plain_search import Score
from cost.prices import cost_per_hour
from rules.schema import PriceSheet

ORDER: Final = (RAISE_MAX, PATCH, FORECAST, LEAVE, NOT_CREDIBLE, NO_DATA)
"""What hurts now first, then what is worth most, then what needs nothing, then what nobody can say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All of it.

    Attributes:
        url: Of the server.
        found: One for each autoscaler, ranked.
        sheet: Prices; None tells replicas and core-hours only.
        queries: Asked of the server, and taken from the cache.
        server_seconds: How long the server was kept busy at most.
        wall_seconds: From the first question to the last.
        server_cores: As far as the server says.
        unread: Namespaces that could not be read, each with its reason.
        partial: Whether it was broken off.
    """

    url: str
    start: datetime
    end: datetime
    made_at: datetime
    found: tuple[Assessed, ...]
    kubernetes_minor: int | None
    sheet: PriceSheet | None = None
    queries: tuple[int, int] = (0, 0)
    server_seconds: float = 0.0
    wall_seconds: float = 0.0
    server_cores: float = 1.0
    unread: tuple[str, ...] = ()
    partial: bool = False

    @property
    def load_percent(self) -> float:
        """Of the server's cores, at most."""
        return 100 * self.server_seconds / max(self.wall_seconds, 1e-9) / self.server_cores

    def saved_core_hours(self) -> float:
        """In a month, by the plain settings that are proposed."""
        return sum(
            one.saved_replicas * (one.cpu_request_cores or 0.0) * HOURS_PER_MONTH
            for one in self.found
            if one.advice == PATCH
        )

    def counts(self) -> dict[str, int]:
        """By advice, in the order of the ranking."""
        seen = Counter(one.advice for one in self.found)
        return {advice: seen[advice] for advice in ORDER if seen[advice]}


def ranked(found: Sequence[Assessed]) -> tuple[Assessed, ...]:
    """By advice, then by what it saves in requested cores, then by violated minutes, then by name."""
    return tuple(
        sorted(
            found,
            key=lambda one: (
                ORDER.index(one.advice), -one.saved_replicas * (one.cpu_request_cores or 1.0),
                -(one.violated_minutes or 0.0), one.key,
            ),
        )
    )  # fmt: skip


def cost_now(one: Assessed, sheet: PriceSheet | None) -> str:
    """In a month, by the price sheet; core-hours where there is none."""
    if one.mean_replicas is None:
        return ""
    money = None if sheet is None else cost_per_hour(_requests(one), 1, sheet)
    if money is not None:
        monthly = money.amount * Decimal(repr(one.mean_replicas)) * Decimal(int(HOURS_PER_MONTH))
        return f"{monthly:.0f} {money.currency}"
    hours = one.core_hours_per_month
    return f"{one.mean_replicas * HOURS_PER_MONTH:,.0f} replica-h" if hours is None else f"{hours:,.0f} core-h"


def plain_short(one: Assessed) -> str:
    """What the best plain settings do to the number of replicas and to violated minutes, on the second half."""
    return (
        ""
        if one.plain is None
        else _beside(one.plain.now_second, one.plain.best_second)
        if one.plain.changed
        else "same"
    )


def forecast_short(one: Assessed) -> str:
    """The same of the forecast, against the present settings."""
    return "" if one.plain is None or one.forecast is None else _beside(one.plain.now_second, one.forecast)


def fidelity_short(one: Assessed) -> str:
    """Share of minutes in which the replay has the recorded replicas."""
    if one.fidelity is None or one.fidelity.within is None:
        return ""
    return f"{100 * one.fidelity.within:.0f} %"


def violated_short(one: Assessed) -> str:
    """Minutes and share of the period."""
    if one.violated_minutes is None or one.violated_share is None:
        return ""
    return f"{one.violated_minutes:.0f} ({100 * one.violated_share:.2f} %)"


def summary(report: Report) -> list[str]:
    """Some sentences for the top."""
    days = (report.end - report.start).total_seconds() / 86_400
    lines = [
        f"{len(report.found)} autoscalers, "
        f"{report.start:%Y-%m-%d} to {report.end:%Y-%m-%d %H:%M} UTC ({days:.0f} days): "
        + ", ".join(f"{count} {advice}" for advice, count in report.counts().items())
    ]
    saved = report.saved_core_hours()
    if saved > 0:
        lines.append(
            f"The patches alone would free {saved:,.0f} requested core-hours a month; no forecast is needed for that."
        )
    if report.partial:
        lines.append(
            "Broken off: this is only what was read until then. Run it again; what was read is not asked twice."
        )
    lines += [f"not read: {reason}" for reason in report.unread]
    asked, kept = report.queries
    lines.append(
        f"{asked} queries ({kept} answers from the cache) kept the server busy for {report.server_seconds:.0f} s "
        f"in {report.wall_seconds:.0f} s: at most {report.load_percent:.1f} % of its {report.server_cores:.0f} cores."
    )
    return lines


def to_table(report: Report, out: TextIO) -> None:
    """For people: one line for each, then what is advised, and the patches."""
    head = ("autoscaler", "fidelity", "violated min", "now a month", "best settings", "a forecast", "advice")
    rows = [
        (one.key, fidelity_short(one), violated_short(one), cost_now(one, report.sheet), plain_short(one),
         forecast_short(one), one.advice)
        for one in report.found
    ]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        out.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n")
    out.write("\n")
    for one in report.found:
        if one.advice == LEAVE:
            continue
        out.write(textwrap.fill(f"{one.key}: {one.advice}: {one.reason}", 118, subsequent_indent="  ") + "\n")
        if one.advice == PATCH:
            out.write(textwrap.indent(one.patch, "    "))
    out.write("\n" + "\n".join(summary(report)) + "\n")


def to_csv(report: Report, out: TextIO) -> None:
    """For a spreadsheet."""
    rows = [_flat(one) for one in report.found]
    writer = csv.DictWriter(out, fieldnames=list(_flat(_EMPTY)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def to_json(report: Report, out: TextIO) -> None:
    """For programs."""
    body = {
        "prometheus": report.url, "start": report.start.isoformat(), "end": report.end.isoformat(),
        "made_at": report.made_at.isoformat(), "kubernetes_minor": report.kubernetes_minor,
        "complete": not report.partial and not report.unread, "not_read": list(report.unread),
        "counts": report.counts(), "queries": report.queries[0], "answers_from_cache": report.queries[1],
        "server_busy_seconds": round(report.server_seconds, 2), "server_load_percent": round(report.load_percent, 3),
        "autoscalers": [{**_flat(one), "notes": list(one.notes), "patch": one.patch} for one in report.found],
    }  # fmt: skip
    out.write(orjson.dumps(body, option=orjson.OPT_INDENT_2).decode() + "\n")


def _beside(now: Score, then: Score) -> str:
    saving = 1 - then.mean_replicas / now.mean_replicas
    sign = "-" if saving >= 0 else "+"
    return f"{sign}{100 * abs(saving):.0f} %, {now.violated_minutes:.0f} → {then.violated_minutes:.0f} min"


def _requests(one: Assessed) -> dict[str, float]:
    given = {"cpu": one.cpu_request_cores, "memory": one.memory_request_bytes}
    return {name: amount for name, amount in given.items() if amount is not None}


def _flat(one: Assessed) -> dict[str, Any]:
    plain, faith = one.plain, one.fidelity
    return {
        "namespace": one.namespace, "name": one.name, "workload": one.workload, "advice": one.advice,
        "reason": one.reason, "confidence": one.confidence, "min_replicas": one.bounds[0],
        "max_replicas": one.bounds[1], "target": one.target, "load": one.load_by, "safe_load": one.safe_by,
        "startup": one.startup, "fidelity": None if faith is None else faith.within,
        "mean_replicas": _round(one.mean_replicas), "violated_minutes": one.violated_minutes,
        "violated_share": one.violated_share, "core_hours_per_month": _round(one.core_hours_per_month),
        "saved_replicas": round(one.saved_replicas, 3), "settings": one.plain_text,
        **_scores("now", None if plain is None else plain.now_second),
        **_scores("settings", None if plain is None else plain.best_second),
        **_scores("forecast", one.forecast),
    }  # fmt: skip


def _scores(name: str, score: Score | None) -> dict[str, Any]:
    """Of the second half, on which nothing was chosen."""
    fields = ("mean_replicas", "violated_minutes", "events_per_day")
    known = None if score is None else asdict(score)
    return {f"{name}_second_half_{field}": None if known is None else _round(known[field]) for field in fields}


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


_EMPTY: Final = Assessed(namespace="", name="", workload="", bounds=(0, 0), advice="", reason="")
WRITERS: Final = {"table": to_table, "json": to_json, "csv": to_csv}
