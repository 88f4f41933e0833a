"""What a test file would have to say to pass: a unified diff, to be read and then given to ``patch -p0``."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import yaml

from app.rule_tests.compare import TestResult, said
from rules.yaml_tree import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Where a value stands: offsets of its first character and behind its last one, and what goes before a new one."""

    start: int
    end: int
    lead: str = ""


def unified(text: str, results: Sequence[TestResult]) -> str:
    """The diff of one file's text; empty where all passed.

    Args:
        text: Of the file.
        results: Of its tests.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    spans = {} if root is None else dict(_spans(root, ()))
    failures = [(spans[one.path], said(one.got)) for test in results for one in test.failures]
    changed = text
    for span, value in sorted(failures, key=lambda pair: pair[0].start, reverse=True):
        changed = changed[: span.start] + span.lead + value + changed[span.end :]
    file = results[0].file if results else ""
    lines = difflib.unified_diff(
        text.splitlines(keepends=True), changed.splitlines(keepends=True), fromfile=file, tofile=file
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _spans(node: yaml.Node, path: Path) -> Iterator[tuple[Path, Span]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inside = (*path, key.value)
            yield inside, _span(key, value)
            yield from _spans(value, inside)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from _spans(value, (*path, number))


def _span(key: yaml.Node, value: yaml.Node) -> Span:
    """A block list may stand no further in than its key, where a flow list may not: it moves up behind the key."""
    if isinstance(value, yaml.SequenceNode) and not value.flow_style and value.value:
        return Span(start=key.end_mark.index, end=value.value[-1].end_mark.index, lead=": ")
    return Span(start=value.start_mark.index, end=value.end_mark.index)
