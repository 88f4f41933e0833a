"""The grammar of one line of a metrics page: text format 0.0.4 and OpenMetrics 1.0, with the reason of a refusal.

Slow and exact. ``collector.exposition`` asks it once for each line that it has not seen before, and for lines that
carry more than a series and a value. A refusal is a ``ValueError`` whose text says what was expected.
As Prometheus, but commas between labels are demanded, and blanks inside the braces are let pass in OpenMetrics too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from sys import intern
from typing import Final

from domain.labels import METRIC_NAME, Labels


class Format(Enum):
    """How a page is written."""

    TEXT = "text/plain"
    OPENMETRICS = "application/openmetrics-text"


@dataclass(frozen=True, slots=True)
class SampleLine:
    """One sample line, taken apart but for its labels.

    Attributes:
        series: The raw bytes of name and labels.
        value: The raw bytes of the value; ``read_value`` reads them.
        value_at: Where the value starts in the line.
        timestamp_ms: The line's own timestamp; None without.
        simple: Nothing follows the value, so that series and value are the whole line.
    """

    series: bytes
    value: bytes
    value_at: int
    timestamp_ms: int | None
    simple: bool


EOF: Final = b"# EOF"
_NAME: Final = rb"[a-zA-Z_:][a-zA-Z0-9_:]*+"
_LABEL_NAME: Final = rb"[a-zA-Z_][a-zA-Z0-9_]*+"
_QUOTED: Final = rb'"(?:[^"\\]|\\.)*+"'
_BRACES: Final = rb'\{(?:[^"{}]|' + _QUOTED + rb")*+\}"

# Possessive quantifiers: a name never gives back its last digit to become a value, and a line is one pass.
_TEXT_SAMPLE: Final = re.compile(
    rb"([ \t]*+(?:" + _NAME + rb")?+[ \t]*+(?:" + _BRACES + rb")?+)[ \t]*+"
    rb"([^{# \t]++)(?:[ \t]++(-?[0-9]++))?+[ \t]*+"
)
_OPENMETRICS_SAMPLE: Final = re.compile(
    rb"((?:" + _NAME + rb")?+(?:" + _BRACES + rb")?+)"
    rb" ([^{# ]++)(?: ([^# ]++))?+(?: # (" + _BRACES + rb") ([^ ]++)(?: ([^ ]++))?+)?+"
)
_SERIES_NAME: Final = re.compile(rb"[ \t]*+(" + _NAME + rb")?+[ \t]*+")
_PLAIN_PAIR: Final = re.compile(r'(?:^|,)([a-zA-Z_][a-zA-Z0-9_]*+)="((?:[^"\\]|\\.)*+)"')
_LABEL_KEY: Final = re.compile(rb"[ \t]*+(?:(" + _LABEL_NAME + rb')|"((?:[^"\\]|\\.)*+)")[ \t]*+')
_LABEL_VALUE: Final = re.compile(rb'[ \t]*+"((?:[^"\\]|\\.)*+)"[ \t]*+')
_ESCAPE: Final = re.compile(r"\\([\\\"n])")
_BAD_NUMBER: Final = re.compile(rb"[^0-9a-zA-Z+.-]")
_COMMENT: Final = re.compile(rb"#[ \t]+(HELP|TYPE)[ \t]+(.*)", re.DOTALL)
_OPENMETRICS_COMMENT: Final = re.compile(rb"# (HELP|TYPE|UNIT) (.*)", re.DOTALL)
_DESCRIBED: Final = re.compile(rb"(" + _NAME + rb"|" + _QUOTED + rb")(.*)", re.DOTALL)
_TYPES: Final = {
    Format.TEXT: frozenset({b"counter", b"gauge", b"histogram", b"summary", b"untyped"}),
    Format.OPENMETRICS: frozenset(
        {b"counter", b"gauge", b"histogram", b"gaugehistogram", b"summary", b"info", b"stateset", b"unknown"}
    ),
}
_MAX_TIMESTAMP_MS: Final = 2**62


def read_sample(line: bytes, page_format: Format) -> SampleLine:
    """Take a sample line apart; ``ValueError`` with what was expected where it is none."""
    if page_format is Format.TEXT:
        match = _TEXT_SAMPLE.fullmatch(line)
        if match is None or not match[1].strip():
            raise ValueError(_why_no_sample(line))
        timestamp_ms = None if match[3] is None else _whole_milliseconds(match[3])
    else:
        match = _OPENMETRICS_SAMPLE.fullmatch(line)
        if match is None or not match[1]:
            raise ValueError(_why_no_sample(line))
        timestamp_ms = None if match[3] is None else _milliseconds_of_seconds(match[3])
        if match[4] is not None:
            _check_exemplar(match[4], match[5], match[6])
    return SampleLine(match[1], match[2], match.start(2), timestamp_ms, match.end(2) == len(line))


def read_value(raw: bytes) -> float:
    """A sample value in Go's pre-1.13 spelling: no underscores, no hexadecimal, no blanks."""
    if _BAD_NUMBER.search(raw):
        raise ValueError(f"expected a number, got {_shown(raw)}")
    try:
        return float(raw)
    except ValueError as error:
        raise ValueError(f"expected a number, got {_shown(raw)}") from error


def read_series(series: bytes) -> Labels:
    """The labels of ``name{label="value",…}`` or ``{"quoted name",…}``."""
    match = _SERIES_NAME.match(series)
    assert match is not None  # every part of the pattern is optional
    name, braces = match[1], series[match.end() :]
    if name is not None and not braces:
        return Labels(((METRIC_NAME, intern(name.decode())),))
    pairs = _read_pairs(braces, name)
    names = {pair[0] for pair in pairs}
    if len(names) != len(pairs):
        doubled = next(own for i, (own, _) in enumerate(pairs) if own in {other for other, _ in pairs[:i]})
        raise ValueError(f'label name "{doubled}" is not unique in {_shown(series)}')
    return Labels.of(pairs)


def check_comment(line: bytes, page_format: Format) -> None:
    """Refuse metadata that Prometheus refuses; other comments are free in the text format only."""
    match = (_COMMENT if page_format is Format.TEXT else _OPENMETRICS_COMMENT).fullmatch(line)
    if match is None:
        if page_format is Format.OPENMETRICS and line != EOF:
            raise ValueError(f"expected # HELP, # TYPE, # UNIT or # EOF, got {_shown(line)}")
        return
    word, described = match[1].decode(), _DESCRIBED.fullmatch(match[2])
    if described is None:
        raise ValueError(f"expected metric name after {word}, got {_shown(match[2])}")
    name, text = described[1].strip(b'"'), described[2][1:]
    if word == "TYPE" and text not in _TYPES[page_format]:
        raise ValueError(f"invalid metric type {_shown(text)}")
    if word == "UNIT" and text and not name.endswith(b"_" + text):
        raise ValueError(f"unit {_shown(text)} not a suffix of metric {_shown(name)}")
    if word == "HELP":
        _decode(text, "help text")


def _read_pairs(braces: bytes, name: bytes | None) -> list[tuple[str, str]]:
    inner = braces[1 : braces.rindex(b"}")]
    if name is not None:
        text = _decode(inner, "label value")
        plain = _PLAIN_PAIR.findall(text)
        if sum(len(own) + len(value) + 4 for own, value in plain) == len(text) + 1:  # nothing stands between the pairs
            return [(METRIC_NAME, intern(name.decode())), *[(intern(own), _unescaped(value)) for own, value in plain]]
    pairs = [] if name is None else [(METRIC_NAME, intern(name.decode()))]
    at = 0
    while inner[at:].strip():
        at = _read_pair(inner, at, pairs)
    if METRIC_NAME not in {own for own, _ in pairs}:
        raise ValueError(f"metric name not set in {_shown(braces)}")
    return pairs


def _read_pair(inner: bytes, at: int, pairs: list[tuple[str, str]]) -> int:
    """Append one ``name="value"`` or ``"metric name"``; returns where the next one starts."""
    key = _LABEL_KEY.match(inner, at)
    if key is None:
        raise ValueError(f"expected label name, got {_shown(inner[at:])}")
    after = inner[key.end() : key.end() + 1]
    if key[2] is not None and after in (b",", b""):
        if any(own == METRIC_NAME for own, _ in pairs):
            raise ValueError(f"metric name already set, got {_shown(key[2])} too")
        pairs.append((METRIC_NAME, _text(key[2])))
        return key.end() + 1
    if after != b"=":
        raise ValueError(f"expected equal, got {_shown(inner[key.end() :] or b'}')}")
    value = _LABEL_VALUE.match(inner, key.end() + 1)
    if value is None:
        raise ValueError(f"expected label value, got {_shown(inner[key.end() + 1 :] or b'}')}")
    if inner[value.end() : value.end() + 1] not in (b",", b""):
        raise ValueError(f"expected comma or brace close, got {_shown(inner[value.end() :])}")
    own = _text(key[1] if key[1] is not None else key[2])
    if own == METRIC_NAME:
        raise ValueError(f"expected a label name other than {METRIC_NAME}, which is the metric's own")
    pairs.append((own, _text(value[1])))
    return value.end() + 1


def _check_exemplar(braces: bytes, value: bytes, timestamp: bytes | None) -> None:
    inner, at = braces[1:-1], 0
    pairs: list[tuple[str, str]] = [(METRIC_NAME, "")]
    while inner[at:].strip():
        at = _read_pair(inner, at, pairs)
    read_value(value)
    if timestamp is not None:
        _milliseconds_of_seconds(timestamp)


def _whole_milliseconds(raw: bytes) -> int:
    return _in_range(int(raw), raw) if len(raw) < 20 else _in_range(_MAX_TIMESTAMP_MS, raw)


def _milliseconds_of_seconds(raw: bytes) -> int:
    seconds = read_value(raw)
    if seconds != seconds or abs(seconds) == float("inf"):
        raise ValueError(f"invalid timestamp {_shown(raw)}")
    return _in_range(round(seconds * 1000), raw)


def _in_range(timestamp_ms: int, raw: bytes) -> int:
    if abs(timestamp_ms) >= _MAX_TIMESTAMP_MS:
        raise ValueError(f"timestamp {_shown(raw)} is out of range")
    return timestamp_ms


def _text(raw: bytes) -> str:
    return _unescaped(_decode(raw, "label value"))


def _unescaped(text: str) -> str:
    if "\\" in text:
        text = _ESCAPE.sub(lambda match: "\n" if match[1] == "n" else match[1], text)
    return intern(text)


def _decode(raw: bytes, what: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"invalid UTF-8 {what} {_shown(raw)}") from error


def _why_no_sample(line: bytes) -> str:
    """What is missing, found by reading from the left; only for the message."""
    match = _SERIES_NAME.match(line)
    assert match is not None  # every part of the pattern is optional
    rest = line[match.end() :]
    if match[1] is None and not rest.startswith(b"{"):
        return f"expected a valid start token (a metric name), got {_shown(line)}"
    if rest.startswith(b"{"):
        braces = re.match(_BRACES, rest)
        if braces is None:
            return f"expected a closing brace after the labels, got {_shown(rest)}"
        try:
            _read_pairs(braces[0], match[1])
        except ValueError as error:
            return str(error)
        rest = rest[braces.end() :]
    value = rest.split()
    if not value or value[0].startswith((b"#", b"{")):
        return f"expected value after metric, got {_shown(rest)}"
    return f"expected timestamp or new record after the value, got {_shown(rest)}"


def _shown(raw: bytes) -> str:
    """At most 50 characters of what came, quoted."""
    text = raw[:50].decode(errors="replace").replace("\n", "\\n").replace("\r", "\\r").replace('"', '\\"')
    return f'"{text}…"' if len(raw) > 50 else f'"{text}"'
