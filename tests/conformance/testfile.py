"""Reads Prometheus' promqltest files: ``load``, ``clear`` and ``eval`` commands with their expectations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from domain.labels import Labels
from store.promql.notation import NUMBER, Point, read_series, unquoted

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdwy])")
_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000, "y": 31_536_000_000}
_EVAL_INSTANT = re.compile(r"eval(_fail|_warn|_info|_ordered)?\s+instant\s+(?:at\s+(\S+)\s+)?(.+)", re.DOTALL)
_EVAL_RANGE = re.compile(
    r"eval(_fail|_warn|_info)?\s+range\s+from\s+(\S+)\s+to\s+(\S+)\s+step\s+(\S+)\s+(.+)", re.DOTALL
)


@dataclass(kw_only=True)
class Load:
    step_ms: int
    series: list[tuple[Labels, list[Point]]]
    with_nhcb: bool


@dataclass(kw_only=True)
class Clear:
    pass


@dataclass(kw_only=True)
class Expectation:
    kind: str
    match: Literal["", "msg", "regex"] = ""
    text: str = ""


@dataclass(kw_only=True)
class Eval:
    line: int
    query: str
    start_ms: int
    end_ms: int
    step_ms: int | None
    """None for an instant query."""
    expectations: list[Expectation] = field(default_factory=list)
    series: list[tuple[Labels, list[Point]]] = field(default_factory=list)
    scalar: float | None = None
    text: str | None = None
    range_vector: tuple[int, int, int] | None = None

    def expects(self, kind: str) -> bool:
        return any(expectation.kind == kind for expectation in self.expectations)

    @property
    def needs_histograms(self) -> bool:
        return any(point == "histogram" for _, points in self.series for point in points)


Command = Load | Clear | Eval


def duration_ms(text: str) -> int:
    """``5m``, ``1h30m``, ``-10s``, or a plain number of seconds."""
    sign, text = (-1, text[1:]) if text.startswith("-") else (1, text)
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return sign * round(float(text) * 1000)
    parts = _DURATION.findall(text)
    if "".join(number + unit for number, unit in parts) != text or not parts:
        raise ValueError(f"{text!r} is no duration")
    return sign * round(sum(float(number) * _UNITS[unit] for number, unit in parts))


def commands(text: str) -> Iterator[Command]:
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        line = lines[at].strip()
        if not line or line.startswith("#"):
            at += 1
            continue
        body, after = _block(lines, at + 1)
        if line.startswith("load"):
            yield _load(line, body)
        elif line == "clear":
            yield Clear()
        elif line.startswith("eval"):
            yield _eval(at + 1, line, body)
        else:
            raise ValueError(f"line {at + 1}: unknown command {line!r}")
        at = after


def _block(lines: list[str], at: int) -> tuple[list[str], int]:
    """The lines of a command: up to an empty one or the next command; comments are left out."""
    body = []
    while at < len(lines):
        line = lines[at].strip()
        if not line or re.match(r"(load(_with_nhcb)?|eval(_\w+)?)\s|clear$", line):
            break
        if not line.startswith("#"):
            body.append(line)
        at += 1
    return body, at


def _load(line: str, body: list[str]) -> Load:
    command, step = line.split(maxsplit=1)
    return Load(
        step_ms=duration_ms(step.strip()),
        series=[read_series(text) for text in body],
        with_nhcb=command.endswith("_nhcb"),
    )


def _eval(number: int, line: str, body: list[str]) -> Eval:
    ranged = _EVAL_RANGE.fullmatch(line)
    if ranged:
        kind, start, end, step, query = ranged.groups()
        case = Eval(
            line=number, query=query.strip(), start_ms=duration_ms(start), end_ms=duration_ms(end),
            step_ms=duration_ms(step),
        )  # fmt: skip
    else:
        match = _EVAL_INSTANT.fullmatch(line)
        if not match:
            raise ValueError(f"line {number}: {line!r} is no eval command")
        kind, at, query = match.groups()
        at_ms = duration_ms(at or "0")
        case = Eval(line=number, query=query.strip(), start_ms=at_ms, end_ms=at_ms, step_ms=None)
    if kind:
        case.expectations.append(Expectation(kind=kind[1:]))
    for text in body:
        _expected(case, text)
    return case


def _expected(case: Eval, text: str) -> None:
    if text.startswith("expected_fail_"):
        match = "regex" if text.startswith("expected_fail_regexp") else "msg"
        case.expectations = [Expectation(kind="fail", match=match, text=text.split(maxsplit=1)[1])]
        return
    expect = re.fullmatch(r"expect\s+(\w+)\s*(?:(msg|regex)\s*:\s*(.*))?", text)
    if expect and expect[1] not in ("string", "range"):
        case.expectations.append(Expectation(kind=expect[1], match=expect[2] or "", text=(expect[3] or "").strip()))  # type: ignore[arg-type]
    elif text.startswith("expect string"):
        case.text = unquoted(text.removeprefix("expect string").strip())
    elif text.startswith("expect range vector"):
        start, end, step = re.fullmatch(r"expect range vector from (\S+) to (\S+) step (\S+)", text).groups()  # type: ignore[union-attr]
        case.range_vector = (duration_ms(start), duration_ms(end), duration_ms(step))
    elif re.fullmatch(NUMBER, text):
        case.scalar = float(text)
    elif re.fullmatch(r'"(?:\\.|[^"\\])*"', text):
        case.text = unquoted(text)
    else:
        case.series.append(read_series(text))
