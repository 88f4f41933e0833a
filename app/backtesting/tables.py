"""A report as text: the verdict in words first, then the figures beside each other."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import Final, TextIO

from app.backtesting.report import Contender, Point, Report
from controller.simulate.figures import Figures

WIDTH: Final = 110
Row = tuple[str, Callable[[Figures], float | None], str]
ROWS: Final[tuple[Row, ...]] = (
    ("replica-hours", lambda one: one.replica_hours, "{:,.0f}"),
    ("mean replicas", lambda one: one.mean_replicas, "{:.2f}"),
    ("node-hours", lambda one: one.node_hours, "{:,.0f}"),
    ("cost of nodes", lambda one: one.node_cost, "{:,.2f}"),
    ("violated minutes", lambda one: one.violated_minutes, "{:,.1f}"),
    ("violated time %", lambda one: one.violated_pct, "{:.3f}"),
    ("violated requests", lambda one: one.violated_load, "{:,.0f}"),
    ("violated requests %", lambda one: one.violated_load_pct, "{:.3f}"),
    ("θU %", lambda one: one.elasticity.theta_under if one.elasticity else None, "{:.2f}"),
    ("θO %", lambda one: one.elasticity.theta_over if one.elasticity else None, "{:.1f}"),
    ("τU %", lambda one: one.elasticity.tau_under if one.elasticity else None, "{:.2f}"),
    ("τO %", lambda one: one.elasticity.tau_over if one.elasticity else None, "{:.1f}"),
    ("υ %", lambda one: one.elasticity.upsilon if one.elasticity else None, "{:.1f}"),
    ("scale events per day", lambda one: one.events_per_day, "{:.1f}"),
    ("utilisation %", lambda one: None if one.utilization is None else 100 * one.utilization, "{:.1f}"),
    ("largest number", lambda one: one.peak_replicas, "{:d}"),
)


def write(report: Report, out: TextIO) -> None:
    """The whole report."""
    print(f"{report.rule} on {report.source}", file=out)
    learned = f" after {report.warm_up_hours:.0f} h of learning" if report.warm_up_hours >= 1 else ""
    print(
        f"{report.start:%Y-%m-%d %H:%M} to {report.end:%Y-%m-%d %H:%M} UTC, {length_words(report)}{learned}", file=out
    )
    print(file=out)
    _wrapped(f"{report.word.value.upper()}: {report.verdict.message}", out)
    _wrapped(f"Fidelity: {fidelity_words(report)}", out)
    if report.plain is not None:
        _wrapped(f"Plain HPA: {report.plain.message}", out)
    print(file=out)
    _figures(report, out)
    if report.sweep:
        print(file=out)
        _sweep(report, out)
    if report.plain is not None and report.plain.patch:
        print(f"\nPlain HPA at its best:\n{textwrap.indent(report.plain.patch.rstrip(), '  ')}", file=out)
    print("\nAssumed:", file=out)
    for one in report.assumed:
        _wrapped(f"  {one.name}: {one.value} ({one.origin}; {one.why})", out, hang=4)
    for note in report.notes:
        _wrapped(f"  {note}", out, hang=4)


def length_words(report: Report) -> str:
    """How long what was replayed lasted: in minutes up to two hours, in hours up to two days."""
    hours = (report.end - report.start).total_seconds() / 3600
    if hours <= 2:
        return f"{60 * hours:.0f} minutes"
    return f"{hours:.1f} hours" if hours <= 48 else f"{hours / 24:.1f} days"


def fidelity_words(report: Report) -> str:
    """How well what runs now was reproduced."""
    one = report.fidelity
    if one.within is None:
        seen = f"replicas were recorded for {one.compared} ticks only" if one.compared else "no replicas were recorded"
        return f"not proven, {seen} (what runs now is taken to be {report.present})"
    said = (
        f"{report.present}, replayed, comes to the recorded replicas (±1 or 5 %) in {100 * one.within:.1f} % of the"
        f" ticks, {100 * one.threshold:g} % are needed"
    )
    if one.recorded_violated_minutes is not None:
        said += (
            f"; on the second half {one.recorded_violated_minutes:.0f} violated minutes were recorded and"
            f" {one.replayed_violated_minutes:.0f} are replayed"
        )
    return said


def value(contender: Contender, row: Row) -> str:
    """One figure as text."""
    found = row[1](contender.figures)
    return "–" if found is None else row[2].format(found)


def rows_of(report: Report) -> list[Row]:
    """The rows of which anybody has a figure."""
    return [row for row in ROWS if any(row[1](one.figures) is not None for one in report.contenders)]


def _figures(report: Report, out: TextIO) -> None:
    heads = [one.name for one in report.contenders]
    lines = [[row[0], *(value(one, row) for one in report.contenders)] for row in rows_of(report)]
    if report.currency:
        costs = ["–" if one.cost is None else f"{one.cost:,}" for one in report.contenders]
        lines.insert(1, [f"cost {report.currency}", *costs])
    _table(["", *heads], lines, out)


def _sweep(report: Report, out: TextIO) -> None:
    """The variants that none beats, cheapest first."""
    best = thinned(report.sweep)
    print(f"{len(report.sweep)} variants; of those that none beats in cost and in misses:", file=out)
    lines = [
        [f"{one.replica_hours:,.0f}", f"{one.violated_pct:.3f}", f"{one.events_per_day:.1f}"]
        + [changes_words(one.changes)]
        for one in best
    ]
    _table(["replica-hours", "violated %", "events/day", "change"], lines, out)
    if report.advice:
        _wrapped(report.advice, out)


def thinned(points: Sequence[Point], *, most: int = 12) -> list[Point]:
    """The variants that none beats, cheapest first; of neighbours that hardly differ only one."""
    best = sorted((one for one in points if one.best), key=lambda one: one.replica_hours)
    apart = 0.01
    while True:
        kept: list[Point] = []
        for one in best:
            if not kept or one.replica_hours >= (1 + apart) * kept[-1].replica_hours:
                kept.append(one)
        if len(kept) <= most:
            return kept
        apart *= 1.5


def changes_words(changes: dict[str, str]) -> str:
    """What a variant changes."""
    return ", ".join(f"{name}: {text}" for name, text in changes.items()) or "(the rule as it is)"


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]], out: TextIO) -> None:
    widths = [max(len(line[k]) for line in (heads, *lines)) for k in range(len(heads))]
    for line in (heads, *lines):
        cells = [
            text.ljust(width) if _is_text(heads, k) else text.rjust(width)
            for k, (text, width) in enumerate(zip(line, widths, strict=True))
        ]
        print("  ".join(cells).rstrip(), file=out)


def _is_text(heads: Sequence[str], place: int) -> bool:
    return heads[place] in ("", "change")


def _wrapped(text: str, out: TextIO, *, hang: int = 2) -> None:
    print(textwrap.fill(text, WIDTH, subsequent_indent=" " * hang), file=out)
