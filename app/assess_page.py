"""The report of ``assess`` as one file for a browser: no script from elsewhere, nothing that is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from html import escape
from typing import Final, TextIO

from app.assess_replay import FORECAST, LEAVE, NO_DATA, NOT_CREDIBLE, PATCH, RAISE_MAX, Assessed, Curve
from app.assess_report import (
    Report,
    cost_now,
    fidelity_short,
    forecast_short,
    plain_short,
    summary,
    violated_short,
)
from domain.clock import from_ms

SHOWN_HOURS: Final = 7 * 24
WIDTH, HEIGHT, LEFT, BELOW = 720, 150, 34, 18
_TITLES: Final = {
    RAISE_MAX: "It stands at its upper bound while it is overloaded.",
    PATCH: "Its own settings can do better; nothing else is needed.",
    FORECAST: "A forecast adds what settings cannot.",
    LEAVE: "Nothing to gain.",
    NOT_CREDIBLE: "The replay does not do what was recorded; nothing is proposed.",
    NO_DATA: "It cannot be replayed.",
}
_STYLE: Final = """
:root{--ink:#1c2733;--soft:#5b6b7b;--line:#d9e0e7;--paper:#fff;--shade:#f4f7fa;--need:#8aa1b5;--was:#0b6bcb;
--sim:#d9730d;--good:#12715b;--warn:#a85300;--bad:#b3261e}@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;
--soft:#9aa9b8;--line:#2d3844;--paper:#12181f;--shade:#1a222b;--need:#6d8193;--was:#58a6ff;--sim:#f0a35e;
--good:#4cc3a0;--warn:#f0a35e;--bad:#ff7b72}}*{box-sizing:border-box}body{margin:0 auto;max-width:1180px;
padding:24px 20px 60px;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;margin:0 0 .3rem}h2{font-size:1.15rem;margin:2.2rem 0 .2rem}h2 small,p.soft,
.soft{color:var(--soft);font-weight:400}.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;
font-size:.87rem}th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line);vertical-align:top;
white-space:nowrap}tr.why td{white-space:normal;color:var(--soft);padding-top:0}th{color:var(--soft);font-weight:600}
td.n,
th.n{text-align:right;font-variant-numeric:tabular-nums}details{border:1px solid var(--line);border-radius:8px;
margin:.6rem 0;padding:.2rem .9rem}summary{cursor:pointer;padding:.35rem 0;font-weight:600}
summary span{font-weight:400;color:var(--soft)}pre{background:var(--shade);padding:.7rem .9rem;overflow-x:auto;
border-radius:6px;font-size:.82rem}ul{margin:.3rem 0 .6rem;padding-left:1.2rem}svg{max-width:100%;height:auto;
display:block;margin:.5rem 0}svg text{fill:var(--soft);font-size:11px}.tag{display:inline-block;border-radius:99px;
padding:0 .6rem;font-size:.8rem;border:1px solid currentColor;white-space:nowrap}.raise-max{color:var(--bad)}.patch,
.forecast{color:var(--good)}.not-credible,.cannot-tell{color:var(--warn)}.leave-alone{color:var(--soft)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;margin:.4rem 0}dt{color:var(--soft)}
dd{margin:0}a{color:inherit}.key i{display:inline-block;width:1.1rem;height:3px;margin:0 .35rem .2rem 0;
background:currentColor}
"""
_MEANT: Final = (
    "<b>Fidelity</b> is the share of minutes in which the HPA, replayed on the recorded load, has the recorded "
    "replicas within one or 5 %. Where it is low, the replay is not to be believed and nothing is proposed.",
    "A minute is <b>violated</b> when the ready replicas carried more on the mean than is taken as safe. What that is "
    "stands at each autoscaler. Prometheus knows no latency objective; this is a stand-in for it.",
    "<b>Best settings</b> were chosen on the first half of the period; their figures, like those of the forecast, are "
    "from the second half, which had no say. Both are replays, not promises.",
    "<b>CPU hides saturation:</b> where the load is CPU use, requests that wait while CPU is full are not seen. With a "
    "mesh, an ingress or OpenTelemetry in the same Prometheus they would be.",
    "Prometheus does not know an HPA's <code>behavior</code>; the defaults are assumed, or a scale-down window that "
    "comes clearly nearer to the recording. Look at what is set before you apply a patch.",
)


def to_html(report: Report, out: TextIO) -> None:
    """The whole page."""
    lines = summary(report)
    shown = [one for one in report.found if one.plain is not None or one.curve is not None]
    out.write(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Autoscalers of {escape(report.url)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>What the recordings say about {len(report.found)} autoscalers</h1>"
        f'<p class="soft">{escape(report.url)}, read at {report.made_at:%Y-%m-%d %H:%M} UTC by foretide assess; '
        "read-only, nothing was installed or changed.</p>"
        + "".join(f"<p>{escape(line)}</p>" for line in lines)
        + _ranking(report)
        + "<h2>What the words mean</h2><ul>" + "".join(f"<li>{text}</li>" for text in _MEANT) + "</ul>"
        + "<h2>One by one</h2>" + "".join(_one(one) for one in shown)
        + "</body></html>\n"
    )  # fmt: skip


def _ranking(report: Report) -> str:
    head = (
        '<tr><th>autoscaler</th><th>advice</th><th class="n">fidelity</th><th class="n">violated minutes</th>'
        '<th class="n">now, a month</th><th>best settings</th><th>a forecast</th></tr>'
    )
    return f'<div class="wide"><table>{head}{"".join(_row(one, report) for one in report.found)}</table></div>'


def _row(one: Assessed, report: Report) -> str:
    name = escape(one.key)
    link = f'<a href="#{name}">{name}</a>' if one.curve is not None else name
    cells = (
        f"<td>{link}</td><td>{_tag(one.advice)}</td>",
        *(f'<td class="n">{escape(text)}</td>' for text in (
            fidelity_short(one), violated_short(one), cost_now(one, report.sheet))),
        *(f"<td>{escape(text)}</td>" for text in (plain_short(one), forecast_short(one))),
    )  # fmt: skip
    return f'<tr>{"".join(cells)}</tr><tr class="why"><td></td><td colspan="6">{escape(one.reason)}</td></tr>'


def _tag(advice: str) -> str:
    return f'<span class="tag {advice.replace(" ", "-")}" title="{escape(_TITLES[advice])}">{advice}</span>'


def _one(one: Assessed) -> str:
    facts = (
        ("scales", f"{one.workload}, {one.bounds[0]} to {one.bounds[1]} replicas, {one.target}"),
        ("load", one.load_by), ("safe for a replica", one.safe_by), ("start-up", one.startup),
        ("confidence", one.confidence), ("best settings", one.plain_text),
    )  # fmt: skip
    listed = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in facts if text)
    notes = "".join(f"<li>{escape(note)}</li>" for note in one.notes)
    patch = f"<pre>{escape(one.patch)}</pre>" if one.advice == PATCH and one.patch else ""
    picture = "" if one.curve is None else _picture(one.curve)
    opened = " open" if one.advice in (RAISE_MAX, PATCH, FORECAST) else ""
    return (
        f'<details id="{escape(one.key)}"{opened}><summary>{escape(one.key)} {_tag(one.advice)}</summary>'
        f"<p>{escape(one.reason)}</p>{picture}<dl>{listed}</dl>{f'<ul>{notes}</ul>' if notes else ''}{patch}</details>"
    )


def _picture(curve: Curve) -> str:
    """The last week: what the load needed, what ran, what the replay did."""
    begin = max(len(curve.recorded) - SHOWN_HOURS, 0)
    lines = [list(values[begin:]) for values in (curve.needed, curve.recorded, curve.replayed)]
    most = max((value for line in lines for value in line if value == value), default=1.0) or 1.0
    count = len(lines[0])
    start = from_ms(curve.start_ms) + timedelta(hours=begin)
    days = [
        f'<text x="{_x(hour, count):.0f}" y="{HEIGHT - 4}">{start + timedelta(hours=hour):%a %d}</text>'
        for hour in range((24 - start.hour) % 24, count, 24)
        if hour < count - 6
    ]
    ticks = [
        f'<line x1="{LEFT}" x2="{WIDTH}" y1="{_y(value, most):.1f}" y2="{_y(value, most):.1f}" stroke="var(--line)"/>'
        f'<text x="{LEFT - 5}" y="{_y(value, most) + 4:.1f}" text-anchor="end">{value:g}</text>'
        for value in sorted({0, _round_down(most / 2), _round_down(most)})
    ]
    drawn = "".join(
        f'<path d="{_path(line, most)}" fill="none" stroke="var({colour})" stroke-width="{width}"{dash}/>'
        for line, colour, width, dash in zip(
            lines, ("--need", "--was", "--sim"), (1, 1.6, 1.3), ("", "", ' stroke-dasharray="4 2"'), strict=True
        )
    )
    key = "".join(
        f'<span style="color:var({colour})"><i></i>{text}</span> &nbsp; '
        for colour, text in (("--was", "recorded replicas"), ("--sim", "replayed"), ("--need", "needed by the load"))
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-label="Replicas of the last week: recorded, replayed, needed">'
        f'{"".join(ticks)}{drawn}{"".join(days)}</svg><p class="key soft">{key}largest of each hour</p>'
    )


def _path(values: Sequence[float], most: float) -> str:
    made, pen = [], "M"
    for at, value in enumerate(values):
        if value != value:
            pen = "M"
            continue
        made.append(f"{pen}{_x(at, len(values)):.1f} {_y(value, most):.1f}")
        pen = "L"
    return "".join(made)


def _x(at: int, count: int) -> float:
    return LEFT + (WIDTH - LEFT) * at / max(count - 1, 1)


def _y(value: float, most: float) -> float:
    return (HEIGHT - BELOW) - (HEIGHT - BELOW - 6) * value / most


def _round_down(value: float) -> int:
    return max(int(value), 1)
