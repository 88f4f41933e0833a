"""A report as one page of HTML that stands alone: words first, then pictures, figures, and what it stands on."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from app.backtesting import drawing
from app.backtesting.report import Report
from app.backtesting.tables import changes_words, fidelity_words, length_words, rows_of, thinned, value
from controller.simulate.verdict import Word

MARKS: Final = {
    Word.BETTER: ("ok", "▲"), Word.AS_GOOD: ("ok", "="), Word.WORSE: ("crit", "▼"),
    Word.NOT_CREDIBLE: ("warn", "?"), Word.NOT_PROVEN: ("warn", "?"),
}  # fmt: skip
HEADS: Final = {
    Word.BETTER: "Better than what runs now", Word.AS_GOOD: "As good as what runs now",
    Word.WORSE: "Worse than what runs now", Word.NOT_CREDIBLE: "The replay is not credible",
    Word.NOT_PROVEN: "Not proven: nothing recorded to compare with",
}  # fmt: skip
EXPLAINED: Final = {
    "replica-hours": "billed replicas: starting, ready and ending ones",
    "violated minutes": "time in which the latency objective was missed, in the replay",
    "violated requests": "load that arrived meanwhile",
    "θU %": "mean share of the needed replicas that was missing", "θO %": "mean surplus over the needed replicas",
    "τU %": "share of time with too few replicas", "τO %": "share of time with too many",
    "υ %": "share of time in which supply and demand moved differently",
}  # fmt: skip


def html(report: Report) -> str:
    """The whole page."""
    body = "".join(
        [
            _head(report), _tiles(report), _timeline(report), _worst(report), _table(report), _sweep(report),
            _plain(report), _assumed(report),
        ]
    )  # fmt: skip
    title = f"Backtest of {report.rule}: {report.word.value}"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>{body}</main></body></html>\n"
    )


def _head(report: Report) -> str:
    kind, mark = MARKS[report.word]
    learned = f" after {report.warm_up_hours:.0f} h of learning" if report.warm_up_hours >= 1 else ""
    period = f"{report.start:%d %b %Y %H:%M} to {report.end:%d %b %Y %H:%M} UTC, {length_words(report)}{learned}"
    sentence = report.verdict.message[:1].upper() + report.verdict.message[1:]
    return (
        f'<header><p class="eyebrow">Foretide backtest</p><h1>{escape(report.rule)}</h1>'
        f'<p class="muted">{escape(period)} · {escape(report.source)}</p></header>'
        f'<section class="verdict {kind}"><h2><span aria-hidden="true">{mark}</span>{HEADS[report.word]}</h2>'
        f"<p>{escape(sentence)}.</p></section>"
    )


def _tiles(report: Report) -> str:
    rule, present = report.contender("rule"), report.contender("present")
    if rule is None or present is None:
        return ""
    own, old = rule.figures, present.figures
    change = own.replica_hours / max(old.replica_hours, 1e-9) - 1
    cost = f"{rule.cost:,} {report.currency}" if rule.cost is not None else f"{own.replica_hours:,.0f} h"
    before = f"{present.cost:,} {report.currency}" if present.cost is not None else f"{old.replica_hours:,.0f} h"
    within = report.fidelity.within
    tiles = [
        ("Cost", cost, f"{change:+.1%} · now {before}".replace("%", " %")),
        ("Objective missed", f"{own.violated_minutes:,.0f} min", f"now {old.violated_minutes:,.0f} min"),
        ("Moves a day", f"{own.events_per_day or 0:.0f}", f"now {old.events_per_day or 0:.0f}"),
        ("Fidelity", "–" if within is None else f"{100 * within:.1f} %",
         f"of ticks as recorded; {100 * report.fidelity.threshold:g} % needed"),
    ]  # fmt: skip
    made = "".join(
        f'<div class="tile"><p class="muted">{escape(name)}</p><p class="number">{escape(text)}</p>'
        f'<p class="muted">{escape(more)}</p></div>'
        for name, text, more in tiles
    )
    return f'<section class="tiles">{made}</section>'


def _timeline(report: Report) -> str:
    picture = drawing.over_time(report.whole, "Replicas and load over the whole time")
    return (
        f'<section class="panel"><h2>Replicas over time</h2>{drawing.legend(report.whole)}'
        f'<div class="wide">{picture}</div><p class="muted">Ticks below the replicas: the objective was missed, above'
        f" by what runs now, below by this rule. Needed: the fewest that carry the load at"
        f" {report.safe_per_replica:.4g} each.</p></section>"
    )


def _worst(report: Report) -> str:
    if report.worst_day is None:
        return ""
    picture = drawing.over_time(report.worst_day, "Replicas and load on the day that was missed most")
    return (
        f'<section class="panel"><h2>The hardest day, {report.worst_day.start:%A %d %b}</h2>'
        f'{drawing.legend(report.worst_day)}<div class="wide">{picture}</div></section>'
    )


def _table(report: Report) -> str:
    heads = "".join(f'<th scope="col" class="{one.role}">{escape(one.name)}</th>' for one in report.contenders)
    lines = []
    for row in rows_of(report):
        hint = EXPLAINED.get(row[0], "")
        head = f'<th scope="row">{escape(row[0])}' + (f"<small>{escape(hint)}</small>" if hint else "") + "</th>"
        lines.append(f"<tr>{head}{_cells([value(one, row) for one in report.contenders])}</tr>")
    if report.currency:
        costs = ["–" if one.cost is None else f"{one.cost:,}" for one in report.contenders]
        lines.insert(1, f'<tr><th scope="row">cost {escape(report.currency)}</th>{_cells(costs)}</tr>')
    return (
        '<section class="panel"><h2>Figures</h2><div class="wide"><table><thead><tr><td></td>'
        f"{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table></div></section>"
    )


def _cells(texts: Sequence[str]) -> str:
    return "".join(f"<td>{escape(text)}</td>" for text in texts)


def _sweep(report: Report) -> str:
    if not report.sweep:
        return ""
    lines = "".join(
        f'<tr><th scope="row">{escape(changes_words(one.changes))}</th>'
        + _cells([f"{one.replica_hours:,.0f}", f"{one.violated_pct:.3f}", f"{one.events_per_day:.0f}"])
        + "</tr>"
        for one in thinned(report.sweep)
    )
    advice = f"<p>{escape(report.advice)}</p>" if report.advice else ""
    return (
        f'<section class="panel"><h2>{len(report.sweep)} variants: cost against misses</h2>{advice}'
        f'<div class="wide">{drawing.pareto(report)}</div><div class="wide"><table><thead><tr><td>change</td>'
        '<th scope="col">replica-hours</th><th scope="col">violated %</th><th scope="col">moves a day</th></tr></thead>'
        f"<tbody>{lines}</tbody></table></div></section>"
    )


def _plain(report: Report) -> str:
    plain = report.plain
    if plain is None:
        return ""
    patch = f"<pre>{escape(plain.patch)}</pre>" if plain.patch else ""
    words = f"<p>{escape(_sentence(plain.message))}</p>"
    return f'<section class="panel"><h2>Plain HPA at its best</h2>{words}{patch}</section>'


def _assumed(report: Report) -> str:
    lines = "".join(
        f'<tr><th scope="row">{escape(one.name)}</th><td>{escape(one.value)}</td>'
        f'<td class="{one.origin}">{one.origin}</td><td class="why">{escape(one.why)}</td></tr>'
        for one in report.assumed
    )
    notes = "".join(f"<li>{escape(note[:1].upper() + note[1:])}.</li>" for note in report.notes)
    return (
        f'<section class="panel"><h2>Fidelity</h2><p>{escape(_sentence(fidelity_words(report)))}</p></section>'
        f'<section class="panel"><h2>What this stands on</h2><div class="wide"><table class="text"><tbody>{lines}'
        f'</tbody></table></div><ul class="notes">{notes}</ul><p class="muted">A replay knows one service: no'
        " deploys, no retries of clients, no other services behind it. Rule digest"
        f" <code>{report.digest[:12]}</code>, computed in {report.seconds:.1f} s.</p></section>"
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


STYLE: Final = """
:root{--bg:#f5f6f8;--panel:#fff;--border:#e3e6eb;--text:#141a24;--second:#4a5464;--muted:#5d6675;--grid:#eceef2;
--ok:#166534;--ok-bg:#e3f5e9;--warn:#92400e;--warn-bg:#fdf0d7;--crit:#b3132f;--crit-bg:#fde7ea;
--rule:#1d4ed8;--present:#c2570c;--recorded:#5d6675;--needed:#0f766e;--load:#94a3b8;color-scheme:light}
@media(prefers-color-scheme:dark){:root{--bg:#0d1017;--panel:#151a23;--border:#262e3b;--text:#e8ecf3;--second:#b4bdca;
--muted:#8b96a6;--grid:#202733;--ok:#4ade80;--ok-bg:#12281c;--warn:#fbbf24;--warn-bg:#33270c;--crit:#fb7185;
--crit-bg:#361720;--rule:#6ea0ff;--present:#fb923c;--recorded:#9aa5b5;--needed:#2dd4bf;--load:#475569;
color-scheme:dark}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--text);font:14px/1.5 Inter,system-ui,-apple-system,"Segoe UI",sans-serif;
font-variant-numeric:tabular-nums}
main{max-width:1140px;margin:0 auto;padding:28px 20px 48px}
h1,h2,p,ul{margin:0;padding:0}h1{font-size:26px;letter-spacing:-.02em;line-height:1.25;overflow-wrap:anywhere}
h2{font-size:16px;letter-spacing:-.01em;margin-bottom:8px}
.eyebrow{color:var(--muted);font-size:12px;font-weight:600;text-transform:uppercase;letter-spacing:.06em}
.muted{color:var(--muted);font-size:13px}header .muted{overflow-wrap:anywhere}
.verdict{margin:18px 0;padding:16px 20px;border-radius:10px;border:1px solid}
.verdict h2{font-size:20px;display:flex;gap:10px;align-items:baseline}.verdict p{font-size:15px;color:var(--text)}
.ok{background:var(--ok-bg);border-color:var(--ok);color:var(--ok)}
.warn{background:var(--warn-bg);border-color:var(--warn);color:var(--warn)}
.crit{background:var(--crit-bg);border-color:var(--crit);color:var(--crit)}
.tiles{display:grid;grid-template-columns:repeat(4,1fr);gap:12px;margin-bottom:16px}
.tile,.panel{background:var(--panel);border:1px solid var(--border);border-radius:10px}
.tile{padding:12px 16px}.number{font-size:24px;font-weight:650;letter-spacing:-.02em;line-height:1.35}
.panel{padding:16px 20px;margin-bottom:16px}.wide{overflow-x:auto}.panel>p{color:var(--second);max-width:92ch}
.picture{display:block;width:100%;min-width:680px;height:auto;margin:6px 0}
.picture text{font-size:11px;fill:var(--muted)}.picture .name{font-size:12px;fill:var(--second)}
.picture .strong{font-weight:650;fill:var(--text)}.grid{stroke:var(--grid);fill:none}
path.rule,path.present,path.recorded,path.front,path.oracle{fill:none;stroke-linejoin:round}
path.room{fill:var(--needed);opacity:.2;stroke:none}
path.recorded{stroke:var(--recorded);stroke-width:3.5;opacity:.38}
path.present{stroke:var(--present);stroke-width:1.3;stroke-dasharray:5 3}
path.rule{stroke:var(--rule);stroke-width:1.6}path.load{fill:var(--load);opacity:.45}
path.miss{stroke-width:1.4;stroke-dasharray:none}path.miss.rule{stroke:var(--rule)}path.miss.present{stroke:var(--present)}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;list-style:none;color:var(--second);font-size:13px}
.legend li{display:flex;gap:7px;align-items:center}.key{width:26px;height:10px}
circle.other{fill:var(--recorded);opacity:.35}circle.best{fill:var(--needed)}
path.front{stroke:var(--needed);stroke-width:1.4;opacity:.7}path.oracle{stroke:var(--recorded);stroke-dasharray:2 4}
circle.who{stroke:var(--panel);stroke-width:2}circle.who.rule{fill:var(--rule)}circle.who.present{fill:var(--present)}
circle.who.plain{fill:var(--text)}
table{border-collapse:collapse;width:100%;font-size:13px}th,td{padding:6px 10px;text-align:right;vertical-align:top;
border-top:1px solid var(--border);font-weight:400}thead th,thead td{border-top:0;font-weight:600;color:var(--second)}
th[scope=row]{text-align:left;padding-left:0}thead td{text-align:left;padding-left:0}
th small{display:block;color:var(--muted);font-size:12px}th.rule{color:var(--rule)}th.present{color:var(--present)}
table.text td{text-align:left}td.why{color:var(--muted);min-width:220px}td.assumed{color:var(--warn)}
td.measured,td.given{color:var(--ok)}.notes{margin:10px 0 10px 18px;color:var(--second)}
pre{background:var(--bg);border:1px solid var(--border);border-radius:8px;padding:12px 14px;overflow-x:auto;
font-size:12.5px;margin:10px 0 0}code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
@media(max-width:720px){main{padding:18px 12px 32px}.tiles{grid-template-columns:1fr 1fr}.panel{padding:14px}
h1{font-size:21px}.number{font-size:20px}}
@media print{body{background:#fff}.panel,.tile,.verdict{break-inside:avoid}}
"""
