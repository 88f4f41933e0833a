"""Golden decisions: a rule, series in promtool's notation, and what shall be decided at which time.

A story ticks every ``interval`` and at every ``at``; each decision is carried out at once (``acts: false``: never), so
that the next tick sees the new replicas. ``forecast`` gives one flat value per trigger, at all quantiles;
``combine`` is the expression, ``around`` the circumstances, ``completeness`` the share of a signal that is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from controller import decide, hpa
from controller.combine import compiled
from controller.guardrails import Ceiling, Circumstances, Pause, SloState
from controller.memory import Memory
from controller.triggers import Missing, Reading
from domain.forecasts import Backtest, Forecast
from domain.money import Money
from domain.scaling import Decision, Workload
from domain.series import Signal
from domain.units import parse_duration, parse_quantity
from rules.combine import parse
from rules.schema import ScalingRule

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def rule_of(spec: Mapping[str, Any], *, name: str = "shop") -> ScalingRule:
    """A rule from what stands under ``spec:`` in its document; the target may be left out."""
    complete = {"target": {"kind": "Deployment", "name": name}, **spec}
    document = {
        "apiVersion": "foretide.dev/v1alpha1", "kind": "ScalingRule",
        "metadata": {"name": name, "namespace": "demo"}, "spec": complete,
    }  # fmt: skip
    return ScalingRule.model_validate(document)


def expand(notation: str) -> list[float | None]:
    """promtool's series: ``'100+20x2 _x3 7'`` is 100 120 140, three missing, 7."""
    values: list[float | None] = []
    for word in notation.split():
        match = re.fullmatch(r"(?P<start>_|-?[\d.]+|NaN)(?:(?P<step>[+-][\d.]+))?(?:x(?P<times>\d+))?", word)
        assert match, f"{word!r} is no series value"
        start, step, times = match["start"], float(match["step"] or 0), match["times"]
        if start == "_":
            values += [None] * int(times or 1)
        else:
            values += [float(start) + step * i for i in range(int(times or 0) + 1)]
    return values


def flat_forecast(signal: str, value: float, *, cutoff: datetime, wape: float | None = 0.1) -> Forecast:
    steps = 40
    backtest = None if wape is None else Backtest(wape=wape, coverage={}, origins=5, wape_by_model={"seasonal": wape})
    return Forecast(
        signal=signal, model="seasonal_naive", made_at=cutoff, cutoff=cutoff, step=timedelta(seconds=15),
        season=timedelta(days=1), mean=np.full(steps, value), quantiles=(0.5, 0.9), reference=None, backtest=backtest,
        values=np.full((steps, 2), value), history_start=cutoff - timedelta(days=3),
    )  # fmt: skip


def cost_of(workload: Workload, replicas: int) -> Money | None:
    return None


def circumstances_of(document: Mapping[str, Any], rule: ScalingRule) -> Circumstances:
    """What stands under ``combine`` and ``around``."""
    around: dict[str, Any] = dict(document.get("around", {}))
    triggers = [trigger.name for trigger in rule.spec.triggers]
    text = document.get("combine")
    pause = around.pop("pause", None)
    return Circumstances(
        combine=None if text is None else compiled(parse(text, triggers=triggers), triggers=triggers),
        ceilings=tuple(Ceiling(**one) for one in around.pop("ceilings", [])),
        slo=SloState(around.pop("slo", "ok")),
        pause=None if pause is None else Pause(**pause),
        **around,
    )


class Story:
    """One test of a file, played tick by tick."""

    def __init__(self, spec: Mapping[str, Any], document: Mapping[str, Any]) -> None:
        self.rule = rule_of(document["rule"])
        self.document = document
        self.interval = parse_duration(str(spec.get("interval", "15s")))
        self.series = {name: expand(text) for name, text in document.get("series", {}).items()}
        self.requests = {name: float(parse_quantity(str(text))) for name, text in document.get("requests", {}).items()}
        self.current: int | None = document["current"]
        self.circumstances = circumstances_of(document, self.rule)
        self.memory: Memory | None = None

    def play(self) -> Iterator[tuple[Mapping[str, Any], Decision]]:
        """Each expectation with the decision at its time."""
        expected = {parse_duration(str(one["at"])): one for one in self.document["decisions"]}
        end = max(expected)
        ticks = {self.interval * i for i in range(end // self.interval + 1)}
        for at in sorted(ticks | set(expected)):
            decision = self._tick(at)
            if at in expected:
                yield expected[at], decision

    def _tick(self, at: timedelta) -> Decision:
        now = START + at
        ready = self.document.get("ready", self.current)
        workload = Workload(
            ref=self.rule.target, current_replicas=self.current, ready_replicas=ready, requests=self.requests,
            source="story",
        )  # fmt: skip
        memory = self.memory or Memory.beginning(self.current, at=now)
        decision = decide.decide(
            self.rule, signals={name: self._reading(name, values, at) for name, values in self.series.items()},
            forecasts=self._forecasts(now), workload=workload, memory=memory, now=now, cost_of=cost_of,
            circumstances=self.circumstances,
        )  # fmt: skip
        self.memory = decide.remember(memory, decision, rule=self.rule)
        if self.document.get("acts", True) and decision.desired_replicas not in (None, self.current):
            keep = hpa.longest_period(self.rule.spec.behavior)
            change = (decision.desired_replicas or 0) - (self.current or 0)
            self.memory = self.memory.with_scale_event(change, at=now, keep=keep)
            self.current = decision.desired_replicas
        return decision

    def _reading(self, name: str, values: list[float | None], at: timedelta) -> Reading:
        index = at // self.interval
        value = values[index] if index < len(values) else values[-1]
        if value is None:
            return Missing(reason="query yields no series")
        complete = self.document.get("completeness", {}).get(name, 1.0)
        return Signal(value=value, window=timedelta(minutes=1), as_of=START + at, count=1, completeness_ratio=complete)

    def _forecasts(self, now: datetime) -> dict[str, Forecast | None]:
        given: dict[str, Forecast | None] = {}
        for name, told in self.document.get("forecast", {}).items():
            age = parse_duration(str(told.get("age", "0")))
            given[name] = flat_forecast(name, told["value"], cutoff=now - age, wape=told.get("wape", 0.1))
        return given


def files() -> list[Path]:
    return sorted((Path(__file__).parents[1] / "golden" / "decisions").glob("*.yaml"))


def stories() -> list[tuple[str, Story]]:
    """Every story of every file, by ``file: name``."""
    found = []
    for path in files():
        spec = yaml.safe_load(path.read_text(encoding="utf-8"))
        shared = spec.get("rule", {})
        for document in spec["tests"]:
            merged = {**document, "rule": {**shared, **document.get("rule", {})}}
            found.append((f"{path.stem}: {document['name']}", Story(spec, merged)))
    return found
