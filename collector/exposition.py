"""Reads metrics pages, one parser for each target, because a target's page looks today as it looked 15 s ago.

Three ways, each exact, from fast to slow (a page of 50k series of 152 B, one core): a page whose every line starts as
the line at its place did last time is read by position (3 M samples/s); else each line's series is looked up by its
raw bytes (1.1 M/s); what neither knows is parsed strictly (0.07 M/s, once for each series of a target).
A line with a timestamp or an exemplar is parsed strictly every time: cutting at its last blank would take the
timestamp for the value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Final

import numpy as np
from numpy.typing import NDArray

from collector.exposition_line import EOF, Format, SampleLine, check_comment, read_sample, read_series, read_value
from domain.errors import IntakeError
from domain.labels import Labels
from domain.series import FloatArray, Sample

_VALUE_BYTES: Final = b"0123456789+-.eEaAfFiInNtTyY\n"
"""All that a number may consist of, with NaN, Inf and Infinity; ``float()`` alone would let ``1_0`` and blanks pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What one scrape brought.

    Attributes:
        labels: Finished labels of the samples without a timestamp of their own; the same object as long as
            the target shows the same series, so that it can be compared by identity.
        values: Their values, shape ``(len(labels),)``.
        stamped: Samples that carry their own timestamp.
        scraped: Number of sample lines, doubles included.
        kept: Those of them that relabelling did not drop.
    """

    labels: tuple[Labels, ...]
    values: FloatArray
    stamped: tuple[Sample, ...]
    scraped: int
    kept: int


@dataclass(frozen=True, slots=True)
class _Layout:
    """Which series a page shows, and which of its values to keep (None: all): some are shown twice or dropped."""

    labels: tuple[Labels, ...]
    keep: NDArray[np.intp] | None
    dropped: int


@dataclass(slots=True)
class _Template:
    """How the last page looked, line by line.

    ``plain`` selects the lines of series and value only, ``comments`` and ``full`` (own timestamp, exemplar) are
    indexes of the others.
    """

    page_format: Format
    plain: list[bool] = field(default_factory=list)
    prefixes: list[bytes] = field(default_factory=list)
    cuts: list[slice] = field(default_factory=list)
    labels: list[Labels] = field(default_factory=list)
    plain_at: list[int] = field(default_factory=list)
    comments: list[int] = field(default_factory=list)
    comment_lines: list[bytes] = field(default_factory=list)
    full: list[int] = field(default_factory=list)
    layout: _Layout | None = None
    layout_of: tuple[tuple[int, Labels], ...] = ()

    def values_of(self, lines: Sequence[bytes], page_format: Format) -> list[bytes] | None:
        """The raw values of the plain lines; None where the page looks different."""
        if page_format is not self.page_format or len(lines) != len(self.plain):
            return None
        plain = list(compress(lines, self.plain))
        if not all(map(bytes.startswith, plain, self.prefixes)):
            return None
        if [lines[i] for i in self.comments] != self.comment_lines:
            return None
        return list(map(bytes.__getitem__, plain, self.cuts))


class PageParser:
    """Reads the pages of one target. Not for two threads at once."""

    def __init__(self, finish: Callable[[Labels], Labels], *, honor_timestamps: bool = True) -> None:
        """Set up.

        Args:
            finish: Turns the page's labels into the target's; empty ones drop the series, ``ValueError`` the page.
            honor_timestamps: Whether samples may carry a time of their own.
        """
        self._finish = finish
        self._honor_timestamps = honor_timestamps
        self._template: _Template | None = None
        self._known: dict[bytes, Labels] = {}
        self._known_format = Format.TEXT

    def parse(self, body: bytes, page_format: Format) -> Page:
        """Read one page.

        Raises:
            IntakeError: The page breaks its format; the message ends with ``at line N``. Nothing of it counts.
        """
        lines = body.split(b"\n")
        if not lines[-1]:
            lines.pop()
        if page_format is Format.OPENMETRICS:
            _check_eof(lines)
        try:
            return self._by_position(lines, page_format) or self._by_series(lines, page_format)
        except ValueError as error:
            raise self._refusal(lines, page_format, error) from error

    def _by_position(self, lines: Sequence[bytes], page_format: Format) -> Page | None:
        """The page, where it looks as the last one did; None where it does not, or a line grew a timestamp."""
        template = self._template
        raw = template.values_of(lines, page_format) if template else None
        if template is None or raw is None or not _are_numbers(raw):
            return None
        return self._assemble(template, lines, raw)

    def _by_series(self, lines: Sequence[bytes], page_format: Format) -> Page:
        template, raw = self._walk(lines, page_format)
        if not _are_numbers(raw):
            raise ValueError("a value holds what no number holds")
        page = self._assemble(template, lines, raw)
        self._template = template
        return page

    def _walk(self, lines: Sequence[bytes], page_format: Format) -> tuple[_Template, list[bytes]]:
        """Read line by line with the help of the series known so far, and keep how the page looks."""
        if page_format is not self._known_format:
            self._known, self._known_format = {}, page_format
        template, raw, known = _Template(page_format), [], self._known
        cuts: dict[int, slice] = {}
        for index, line in enumerate(lines):
            blank = line.rfind(b" ")
            labels = known.get(line[:blank]) if blank > 0 else None
            at = blank + 1
            if labels is None:
                sample = self._strictly(line, template, index)
                if sample is None:
                    continue
                labels, at = self._labels_of(sample.series), sample.value_at
                known[line[: at - 1] if line[at - 1 : at] == b" " else line[:at]] = labels
            template.plain.append(True)
            template.plain_at.append(index)
            template.prefixes.append(line[:at])
            template.cuts.append(cuts.setdefault(at, slice(at, None)))
            template.labels.append(labels)
            raw.append(line[at:])
        self._forget(template)
        return template, raw

    def _strictly(self, line: bytes, template: _Template, index: int) -> SampleLine | None:
        """A plain sample line; None for a line that the template keeps among its comments or full lines."""
        if _is_comment(line, template.page_format):
            check_comment(line, template.page_format)
            template.comments.append(index)
            template.comment_lines.append(line)
        else:
            sample = read_sample(line, template.page_format)
            if sample.simple:
                return sample
            template.full.append(index)
        template.plain.append(False)
        return None

    def _labels_of(self, series: bytes) -> Labels:
        labels = self._known.get(series)
        if labels is None:
            labels = self._known[series] = self._finish(read_series(series))
        return labels

    def _forget(self, template: _Template) -> None:
        """Keep the cache within about twice the page: series come and go for months."""
        if len(self._known) > 2 * (len(template.plain) + 1000):
            shown = zip(template.prefixes, template.labels, strict=True)
            self._known = {prefix.removesuffix(b" "): labels for prefix, labels in shown}

    def _assemble(self, template: _Template, lines: Sequence[bytes], raw: Sequence[bytes]) -> Page:
        values = np.fromiter(map(float, raw), dtype=np.float64, count=len(raw))
        full = [(index, *self._full_sample(lines[index], template.page_format)) for index in template.full]
        timed = [(own, value, ts) for _, own, value, ts in full if ts is not None]
        stamped = [Sample(labels=own, timestamp_ms=ts, value=value) for own, value, ts in timed if own]
        unstamped = [(index, own, value) for index, own, value, ts in full if ts is None]
        layout_of = tuple((index, own) for index, own, _ in unstamped)
        if template.layout is None or template.layout_of != layout_of:
            template.layout, template.layout_of = self._layout(template, layout_of), layout_of
        if unstamped:
            values = np.concatenate((values, np.array([value for *_, value in unstamped])))
        if template.layout.keep is not None:
            values = values[template.layout.keep]
        scraped = len(template.prefixes) + len(full)
        kept = scraped - template.layout.dropped - (len(timed) - len(stamped))
        return Page(
            labels=template.layout.labels, values=values, stamped=_first_of_each(stamped), scraped=scraped, kept=kept
        )

    def _full_sample(self, line: bytes, page_format: Format) -> tuple[Labels, float, int | None]:
        sample = read_sample(line, page_format)
        timestamp_ms = sample.timestamp_ms if self._honor_timestamps else None
        return self._labels_of(sample.series), read_value(sample.value), timestamp_ms

    def _refusal(self, lines: Sequence[bytes], page_format: Format, error: ValueError) -> IntakeError:
        """The topmost mistake of a refused page, found strictly, whatever had been known of it."""
        for number, line in enumerate(lines, 1):
            try:
                if _is_comment(line, page_format):
                    check_comment(line, page_format)
                else:
                    sample = read_sample(line, page_format)
                    self._finish(read_series(sample.series))
                    read_value(sample.value)
            except ValueError as mistake:
                return IntakeError(f"{mistake} at line {number}")
        return IntakeError(str(error))

    def _layout(self, template: _Template, unstamped: Sequence[tuple[int, Labels]]) -> _Layout:
        """The series of the page; of a series shown twice the one higher up, as Prometheus takes it."""
        labels = template.labels + [own for _, own in unstamped]
        previous = self._template.layout if self._template else None
        dropped = sum(not own for own in labels)
        if len(set(labels)) == len(labels) and not dropped:
            unique, keep = tuple(labels), None
        else:
            places = np.array(template.plain_at + [index for index, _ in unstamped])
            first: dict[Labels, int] = {}
            for position in np.argsort(places):
                if labels[position]:
                    first.setdefault(labels[position], int(position))
            unique, keep = tuple(first), np.array(list(first.values()), dtype=np.intp)
        if previous is not None and previous.labels == unique:
            unique = previous.labels
        return _Layout(unique, keep, dropped)


def _are_numbers(raw: Sequence[bytes]) -> bool:
    """Whether nothing but characters of numbers is in there; ``float`` still may refuse."""
    return not b"\n".join(raw).translate(None, _VALUE_BYTES)


def _is_comment(line: bytes, page_format: Format) -> bool:
    return line.startswith(b"#") or (page_format is Format.TEXT and not line.strip(b" \t"))


def _check_eof(lines: Sequence[bytes]) -> None:
    if EOF not in lines:
        raise IntakeError(f"data does not end with # EOF at line {len(lines)}")
    end = lines.index(EOF)
    if end != len(lines) - 1:
        raise IntakeError(f"unexpected data after # EOF at line {end + 2}")


def _first_of_each(stamped: Sequence[Sample]) -> tuple[Sample, ...]:
    first: dict[tuple[Labels, int], Sample] = {}
    for sample in stamped:
        first.setdefault((sample.labels, sample.timestamp_ms), sample)
    return tuple(first.values())
