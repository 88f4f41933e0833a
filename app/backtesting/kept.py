"""An incident as a test of the rule, for `foretide test`: what was seen, and what the rule of today makes of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import yaml

from app.backtesting.incident import signals_of
from app.rule_tests.document import DecisionTest
from app.rule_tests.play import play
from domain.scaling import Decision
from domain.series import Signal
from domain.units import format_duration
from rules import RuleSet
from rules.schema import ScalingRule

TICK: Final = timedelta(seconds=15)
MOST_TICKS: Final = 960
"""Four hours: more is no test that anybody reads."""


def as_test(
    rule: ScalingRule, ledger: Sequence[Decision], running: RuleSet, *, requests: Mapping[str, float], rule_file: str,
    name: str,
) -> str:  # fmt: skip
    """The file. Replicas follow the decisions; expected is what is decided now, where it changes and at the end."""
    story = _story(rule, ledger[:MOST_TICKS], requests, name)
    placeholder = {**story, "decision_test": [{"eval_time": story["_ends"], "replicas": 0}]}
    ends = placeholder.pop("_ends")
    made = play(DecisionTest.model_validate(placeholder), rule, running, every=TICK)
    expected, last = [], None
    for number, one in enumerate(made):
        at = format_duration(number * TICK) if number else "0s"
        if one.desired_replicas != last or at == ends:
            expected.append({"eval_time": at, "replicas": one.desired_replicas, "reason": one.reason.value})
        last = one.desired_replicas
    del story["_ends"]
    document = {
        "rule_files": [rule_file], "evaluation_interval": "15s", "tests": [{**story, "decision_test": expected}]
    }  # fmt: skip
    head = "# Written by foretide backtest --incident; the numbers are those of the ledger.\n"
    return head + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=118)


def _story(rule: ScalingRule, ledger: Sequence[Decision], requests: Mapping[str, float], name: str) -> dict[str, Any]:
    start = ledger[0].at
    ticks = round((ledger[-1].at - start) / TICK) + 1
    seen: dict[str, list[str]] = {}
    peaks: dict[str, list[float]] = {}
    for one in ledger:
        place = min(round((one.at - start) / TICK), ticks - 1)
        for trigger, reading in signals_of(rule, one, requests).items():
            if "." in trigger or not isinstance(reading, Signal):
                continue
            seen.setdefault(trigger, ["_"] * ticks)[place] = f"{reading.value:.10g}"
        for proposal in one.proposals:
            if proposal.kind == "forecast" and proposal.value is not None and math.isfinite(proposal.value):
                peaks.setdefault(proposal.trigger, [0.0] * ticks)[place] = proposal.value
    sources = {one.name: one.forecast.source for one in rule.spec.triggers if one.forecast is not None}
    story: dict[str, Any] = {
        "name": name, "rule": rule.key, "start": start.replace(microsecond=0).isoformat(), "interval": "15s",
        "replicas": ledger[0].current_replicas or 1,
        "input_signals": [{"of": trigger, "values": " ".join(values)} for trigger, values in seen.items()],
        "unguarded": True,
        "_ends": format_duration((ticks - 1) * TICK) if ticks > 1 else "0s",
    }  # fmt: skip
    if requests:
        story["requests"] = {resource: f"{amount:.10g}" for resource, amount in requests.items()}
    forecasts = [
        {"of": sources[trigger], "values": " ".join(f"{value:.10g}" for value in values)}
        for trigger, values in peaks.items() if trigger in sources
    ]  # fmt: skip
    return story | ({"forecasts": forecasts} if forecasts else {})
