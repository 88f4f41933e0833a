"""An SLO's alerting rules: one for a page and one for a ticket, each of two pairs of windows.

Source:
    Google's SRE workbook, chapter 5, "multiwindow, multi-burn-rate alerts": a short window beside each long one,
    and one alert for all pairs of a severity.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from alerts.rule_file.model import AlertingRule, Group
from domain.labels import Labels
from domain.units import format_duration
from rules.burn_rates import Pair, Severity, pairs_of
from rules.slo import SLO
from rules.yaml_tree import Place

PAGE_ALERT: Final = "ForetideSLOBurnsFast"
TICKET_ALERT: Final = "ForetideSLOBurns"
_NAMES: Final = {Severity.PAGE: PAGE_ALERT, Severity.TICKET: TICKET_ALERT}
_TICKET_EVERY: Final = timedelta(minutes=5)
"""The shortest window of a ticket is two hours, and three days of samples are much to read."""
_NOWHERE: Final = Place(line=1, column=1)
"""Rules that were made stand in no file."""


def groups_of(slo: SLO) -> tuple[Group, ...]:
    """A group for pages, at the evaluator's own interval, and a slower one for tickets if the window is that long."""
    found = []
    for severity in Severity:
        mine = [pair for pair in pairs_of(slo) if pair.severity is severity]
        if mine:
            every = None if severity is Severity.PAGE else _TICKET_EVERY
            rule = _rule(slo, severity, mine)
            found.append(Group(name=f"slo/{slo.key}/{severity}", rules=(rule,), place=_NOWHERE, interval=every))
    return tuple(found)


def by_source(slos: Iterable[SLO]) -> dict[str | None, tuple[Group, ...]]:
    """The groups of all, by where their queries are asked; None is the default source."""
    found: dict[str | None, tuple[Group, ...]] = {}
    for slo in sorted(slos, key=lambda one: one.key):
        source = slo.error_ratio_query(timedelta(hours=1)).source
        found[source] = (*found.get(source, ()), *groups_of(slo))
    return found


def _rule(slo: SLO, severity: Severity, mine: list[Pair]) -> AlertingRule:
    labels = {"namespace": slo.metadata.namespace, "slo": slo.metadata.name, "severity": severity.value}
    if slo.spec.service is not None:
        labels["service"] = slo.spec.service
    return AlertingRule(
        alert=_NAMES[severity], expr=" or ".join(_both(slo, pair) for pair in mine), place=_NOWHERE,
        labels=Labels.of(labels), annotations=Labels.of(_annotations(slo, mine)),
    )  # fmt: skip


def _both(slo: SLO, pair: Pair) -> str:
    """Both windows at the rate; the value is the longer one's burn rate."""
    rate = f"{pair.burn_rate:.9g}"
    long, short = (f"{burn_rate(slo, window)} >= {rate}" for window in (pair.long, pair.short))
    return f"({long} and {short})"


def burn_rate(slo: SLO, window: timedelta) -> str:
    """The query of the burn rate over ``window``; without requests it yields nothing, or no number."""
    return f"({slo.error_ratio_query(window).expr}) / {budget_text(slo)}"


def budget_left(slo: SLO) -> str:
    """The query of the share of the budget that is left over the objective's window; below 0 it is overdrawn."""
    return f"1 - {burn_rate(slo, slo.spec.window)}"


def budget_text(slo: SLO) -> str:
    """Without what floats make of 1 − 0.999."""
    return f"{slo.budget:.9g}"


def _annotations(slo: SLO, mine: list[Pair]) -> dict[str, str]:
    window = in_days(slo.spec.window)
    over = ", or ".join(
        f"{one.burn_rate:.3g} over {format_duration(one.long)} and {format_duration(one.short)}" for one in mine
    )
    left = f"{{{{ with query {_quoted(budget_left(slo))} }}}}{{{{ . | first | value | humanizePercentage }}}}"
    return {
        "summary": f"The SLO {slo.key} ({slo.spec.objective:.9g}% good over {window}) burns its error budget "
        '{{ printf "%.3g" $value }} times as fast as it allows.',
        "description": f"Told from a burn rate of {over}. At 1 the budget just lasts for its {window}.",
        "budget_left": left + "{{ else }}unknown{{ end }}",
    }


def in_days(window: timedelta) -> str:
    """30d, as people write it, and not 4w2d; what is no whole days as everywhere."""
    return format_duration(window) if window % timedelta(days=1) else f"{window.days}d"


def _quoted(query: str) -> str:
    """A Go string: JSON's escapes are among Go's."""
    return json.dumps(query, ensure_ascii=False)
