"""Pictures of a report as plain SVG: lines over time, the load under them, cost against misses. No script, no network.

Colours are classes, so that the page's style gives them in both themes; every line also has its own dash.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from html import escape
from typing import Final

from app.backtesting.report import Contender, Lines, Point, Report
from app.backtesting.tables import changes_words, thinned

WIDTH: Final = 1080
LEFT: Final = 44
RIGHT: Final = 12
REPLICAS: Final = 250
LOAD: Final = 70
MARKS: Final = 26
SCATTER: Final = 330
COARSE_SECONDS: Final = 300.0
"""Cells as long as this are drawn by their means: hundreds of moves on a few pixels are a smear."""
SHOWN: Final = (("needed", "needed"), ("recorded", "recorded"), ("present", "what runs now"), ("rule", "this rule"))


def over_time(lines: Lines, title: str) -> str:
    """Replicas of everybody, where the objective was missed, and the load below."""
    names = [name for name, _ in SHOWN if name in lines.high]
    most = max((value for name in names for value in lines.high[name] if value is not None), default=1.0)
    top, ticks = _nice(most)
    count, height = len(lines.load), REPLICAS + MARKS + LOAD + 34
    parts = [_grid_y(ticks, top, 8, REPLICAS), *_time_axis(lines, count, height - 6)]
    coarse = lines.seconds > COARSE_SECONDS
    for name in names:
        if name == "needed":
            parts.append(f'<path class="room" d="{_steps(lines.high[name], top, 8, REPLICAS)}"/>')
        elif coarse:
            parts.append(f'<path class="{name}" d="{_band(lines.mean[name], lines.mean[name], top, 8, REPLICAS)}"/>')
        else:
            parts.append(f'<path class="{name}" d="{_band(lines.low[name], lines.high[name], top, 8, REPLICAS)}"/>')
    for row, name in enumerate(one for one in ("present", "rule") if one in lines.missed):
        parts.append(_marks(lines.missed[name], name, REPLICAS + 12 + 9 * row, count))
    base = REPLICAS + MARKS + 8
    largest = max(lines.load, default=1.0) or 1.0
    parts.append(f'<path class="load" d="{_area(lines.load, largest, base, LOAD)}"/>')
    parts.append(f'<text class="axis" x="{LEFT - 6}" y="{base + 10}" text-anchor="end">{_short(largest)}</text>')
    parts.append(f'<text class="axis" x="{LEFT - 6}" y="{REPLICAS + 19}" text-anchor="end">missed</text>')
    parts.append(f'<text class="axis" x="{LEFT - 6}" y="{base + LOAD - 2}" text-anchor="end">load</text>')
    return _svg("".join(parts), height, title)


def legend(lines: Lines) -> str:
    """The names of the lines, as the picture draws them."""
    made = []
    for name, words in SHOWN:
        if name in lines.high:
            shape = (
                '<path class="room" d="M1 1H25V10H1Z"/>' if name == "needed" else f'<path class="{name}" d="M1 6H25"/>'
            )
            sample = f'<svg class="key" viewBox="0 0 26 10" aria-hidden="true">{shape}</svg>'
            made.append(f"<li>{sample}{escape(words)}</li>")
    return f'<ul class="legend">{"".join(made)}</ul>'


def pareto(report: Report) -> str:
    """Cost against missed time, which is logarithmic; 0.001 % and less lies at the bottom."""
    best = thinned(report.sweep, most=30)
    others = [one for one in report.sweep if not one.best]
    named = [one for one in report.contenders if one.role != "oracle"]
    costs = [one.replica_hours for one in report.sweep] + [one.figures.replica_hours for one in report.contenders]
    low, high = 0.96 * min(costs), 1.03 * max(costs)
    height = SCATTER + 40

    def x(cost: float) -> float:
        return LEFT + (cost - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(violated: float) -> float:
        return 8 + (1 - (math.log10(min(max(violated, 0.001), 100)) + 3) / 5) * SCATTER

    parts = [_log_grid(y), _cost_axis(low, high, x, height)]
    parts += [_dot(x(one.replica_hours), y(one.violated_pct), "other", 2.5, _told(one)) for one in others]
    if best:
        path = "L".join(f"{x(one.replica_hours):.1f} {y(one.violated_pct):.1f}" for one in best)
        parts.append(f'<path class="front" d="M{path}"/>')
    parts += [_dot(x(one.replica_hours), y(one.violated_pct), "best", 4, _told(one)) for one in best]
    oracle = report.contender("oracle")
    if oracle is not None:
        at = x(oracle.figures.replica_hours)
        parts.append(f'<path class="oracle" d="M{at:.1f} 8V{SCATTER + 8}"/>')
        parts.append(f'<text class="name" x="{at + 5:.1f}" y="{SCATTER}">perfect foresight</text>')
    for one in sorted(named, key=lambda each: each.role):
        parts.append(_named(one, x(one.figures.replica_hours), y(one.figures.violated_pct)))
    return _svg("".join(parts), height, "Replica-hours against missed time")


def _named(one: Contender, x: float, y: float) -> str:
    words = f"{one.name}: {one.figures.replica_hours:,.0f} replica-hours, {one.figures.violated_pct:.3f} % missed"
    anchor, at = ("end", x - 10) if x > WIDTH - 220 else ("start", x + 10)
    short = {"rule": "this rule", "present": "what runs now", "plain": "plain HPA at its best"}[one.role]
    above = y + 18 if one.role == "plain" else y - 7  # it is often where the rule is
    label = f'<text class="name strong" x="{at:.1f}" y="{above:.1f}" text-anchor="{anchor}">{escape(short)}</text>'
    return _dot(x, y, f"who {one.role}", 7, words) + label


def _told(one: Point) -> str:
    return (
        f"{changes_words(one.changes)}: {one.replica_hours:,.0f} replica-hours, {one.violated_pct:.3f} % missed,"
        f" {one.events_per_day:.0f} moves a day"
    )


def _dot(x: float, y: float, kind: str, size: float, words: str) -> str:
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{size}"><title>{escape(words)}</title></circle>'


def _log_grid(y: object) -> str:
    parts = []
    for violated in (0.001, 0.01, 0.1, 1.0, 10.0, 100.0):
        at = y(violated)  # type: ignore[operator]
        parts.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}"/>')
        words = "≤.001" if violated == 0.001 else f"{violated:g}"
        parts.append(f'<text class="axis" x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{words}</text>')
    return "".join(parts) + f'<text class="axis" x="{LEFT + 4}" y="20">% of the time missed</text>'


def _cost_axis(low: float, high: float, x: object, height: int) -> str:
    parts, step = [], _nice((high - low) / 5)[0]
    value = math.ceil(low / step) * step
    while value <= high:
        at = x(value)  # type: ignore[operator]
        parts.append(f'<text class="axis" x="{at:.1f}" y="{height - 14}" text-anchor="middle">{value:,.0f}</text>')
        value += step
    end = WIDTH - RIGHT
    return "".join(parts) + f'<text class="axis" x="{end}" y="{height - 1}" text-anchor="end">replica-hours</text>'


def _svg(inside: str, height: int, title: str) -> str:
    words = escape(title, quote=True)
    return (
        f'<svg class="picture" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{words}">'
        f"<title>{escape(title)}</title>{inside}</svg>"
    )


def _place(k: int, count: int) -> float:
    return LEFT + k / max(count - 1, 1) * (WIDTH - LEFT - RIGHT)


def _band(low: Sequence[float | None], high: Sequence[float | None], top: float, above: float, height: float) -> str:
    """From the least to the most of each cell, one stroke: a peak of a moment stays visible."""
    parts, count, pen = [], len(high), False
    for k, (least, most) in enumerate(zip(low, high, strict=True)):
        if least is None or most is None:
            pen = False
            continue
        x = _place(k, count)
        first, second = (above + (1 - value / top) * (height - above) for value in (most, least))
        parts.append(f"{'L' if pen else 'M'}{x:.1f} {first:.1f}" + (f"V{second:.1f}" if second != first else ""))
        pen = True
    return "".join(parts)


def _steps(values: Sequence[float | None], top: float, above: float, height: float) -> str:
    """The room below a line, as steps."""
    parts, count = [f"M{LEFT} {height}"], len(values)
    for k, value in enumerate(values):
        parts.append(f"V{above + (1 - (value or 0.0) / top) * (height - above):.1f}H{_place(k + 1, count + 1):.1f}")
    return "".join(parts) + f"V{height}Z"


def _area(values: Sequence[float], largest: float, base: float, height: float) -> str:
    count = len(values)
    line = "L".join(f"{_place(k, count):.1f} {base + (1 - one / largest) * height:.1f}" for k, one in enumerate(values))
    return f"M{LEFT} {base + height}L{line}L{WIDTH - RIGHT} {base + height}Z"


def _marks(shares: Sequence[float], name: str, y: float, count: int) -> str:
    """A tick where time was missed, higher where more of it was."""
    path = "".join(
        f"M{_place(k, count):.1f} {y + 7:.1f}v{-max(7 * min(2 * share, 1), 2):.1f}"
        for k, share in enumerate(shares) if share > 0
    )  # fmt: skip
    return f'<path class="miss {name}" d="{path}"/>' if path else ""


def _grid_y(ticks: Sequence[float], top: float, above: float, height: float) -> str:
    parts = []
    for value in ticks:
        y = above + (1 - value / top) * (height - above)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text class="axis" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    return "".join(parts)


def _time_axis(lines: Lines, count: int, y: float) -> list[str]:
    """Midnights, or every three hours of one day; at most ten of them."""
    length = lines.seconds * max(count - 1, 1)
    end = lines.start + timedelta(seconds=length)
    step = timedelta(hours=3) if length <= 2 * 86_400 else timedelta(days=max(math.ceil(length / 86_400 / 10), 1))
    at = datetime(lines.start.year, lines.start.month, lines.start.day, tzinfo=lines.start.tzinfo)
    form, parts = ("%H:%M" if step < timedelta(days=1) else "%d %b"), []
    while at <= end:
        if at >= lines.start:
            x = LEFT + (at - lines.start).total_seconds() / length * (WIDTH - LEFT - RIGHT)
            anchor = "start" if x < LEFT + 20 else "end" if x > WIDTH - 30 else "middle"
            parts.append(f'<path class="grid" d="M{x:.1f} 8V{y - 14:.1f}"/>')
            parts.append(f'<text class="axis" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{at:{form}}</text>')
        at += step
    return parts


def _nice(most: float) -> tuple[float, list[float]]:
    """A round end of an axis, and its four or five steps."""
    most = max(most, 1e-9)
    power = 10.0 ** math.floor(math.log10(most))
    top = next(power * factor for factor in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if power * factor >= most)
    step = top / (3 if round(top / power) in (3, 6) or top / power == 1.5 else 4 if top / power in (2, 4, 8) else 5)
    return top, [step * k for k in range(round(top / step) + 1)]


def _short(value: float) -> str:
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g}{letter}"
    return f"{value:.3g}"
