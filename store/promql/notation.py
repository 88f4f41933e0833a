"""Series as promtool and promqltest write them: ``edge_requests_total{service="shop"} 0+120x40 _x3 stale``.

``a+bx3`` is a, a+b, a+2b, a+3b; ``ax3`` four times a; ``_x3`` three steps without a sample; ``stale`` ends a series.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final, Literal

from domain.labels import METRIC_NAME, Labels
from domain.series import STALE_NAN

Point = float | None | Literal["histogram"]
"""A value, no sample, or a native histogram, of which only that it is there is read."""

MAX_POINTS: Final = 1_000_000
"""Of one series: two months in steps of 5 s. ``0x1000000000`` is a slip, and 8 GB."""

_QUOTED: Final = r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`"""
_LABEL: Final = re.compile(rf"""\s*([^\s=,{{}}"']+|"(?:\\.|[^"\\])*")\s*(?:=\s*({_QUOTED}))?\s*,?""")
_UNSIGNED: Final = r"(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[iI][nN][fF]|[nN][aA][nN])"  # no hexadecimal: 3+0x10
NUMBER: Final = rf"[+-]?{_UNSIGNED}"
_POINT: Final = re.compile(rf"(?P<base>{NUMBER}|_|stale)(?P<slope>[+-]{_UNSIGNED})?(?:x(?P<times>\d+))?(?=\s|$)")
_HISTOGRAM: Final = re.compile(r"\{\{.*?\}\}(?:[+-]\{\{.*?\}\})?(?:x(?P<times>\d+))?")


def read_series(text: str) -> tuple[Labels, list[Point]]:
    """Labels and points of one line.

    Raises:
        ValueError: It is no such line; the sentence names the part that cannot be read.
    """
    labels, rest = read_labels(text)
    return labels, read_points(rest)


def read_labels(text: str) -> tuple[Labels, str]:
    """A series' name and labels, and what follows them; ``ValueError`` otherwise."""
    name = re.match(r"[A-Za-z_:][A-Za-z0-9_:]*", text)
    pairs: dict[str, str] = {METRIC_NAME: name[0]} if name else {}
    rest = text[name.end() :] if name else text
    if not rest.startswith("{"):
        return Labels.of(pairs), rest
    at = 1
    while not rest[at:].lstrip().startswith("}"):
        match = _LABEL.match(rest, at)
        if not match:
            raise ValueError(f"bad labels in {text!r}")
        key = unquoted(match[1]) if match[1].startswith('"') else match[1]
        if match[2] is None:
            pairs[METRIC_NAME] = key
        else:
            pairs[key] = unquoted(match[2])
        at = match.end()
    return Labels.of(pairs), rest[rest.index("}", at) + 1 :]


def read_points(text: str) -> list[Point]:
    """The points that a text stands for; ``ValueError`` where it is none, or stands for too many."""
    points: list[Point] = []
    rest = text.strip()
    while rest:
        match = _HISTOGRAM.match(rest) or _POINT.match(rest)
        if not match:
            raise ValueError(f"{rest.split()[0]!r} is no value; write for example 5, 0+120x40, _x3 or stale")
        if len(points) + int(match["times"] or 0) > MAX_POINTS:
            raise ValueError(f"{match[0]!r} makes more than {MAX_POINTS} points")
        points += _repeated_histogram(match) if rest.startswith("{{") else _expanded(match)
        rest = rest[match.end() :].lstrip()
    return points


def unquoted(text: str) -> str:
    """What stands in a quoted text."""
    return text[1:-1] if text.startswith("`") else str(ast.literal_eval(text))


def _repeated_histogram(match: re.Match[str]) -> list[Point]:
    return ["histogram"] * (int(match["times"]) + 1 if match["times"] else 1)


def _expanded(match: re.Match[str]) -> Iterator[Point]:
    times = int(match["times"]) if match["times"] else None
    if match["base"] in ("_", "stale"):
        point = None if match["base"] == "_" else STALE_NAN
        yield from [point] * (1 if times is None else times)
        return
    base, slope = float(match["base"]), float(match["slope"]) if match["slope"] else 0.0
    for _ in range(1 if times is None else times + 1):  # added up, as promqltest does: rounding included
        yield base
        base += slope
