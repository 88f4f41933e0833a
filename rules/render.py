"""Mistakes as a compiler prints them: the sentence, the source line, a caret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from domain.errors import Mistake
from rules.load import read_bytes
from rules.yaml_tree import MAX_BYTES, split_lines

_WIDTH: Final = 120
"""A longer source line is cut around the caret."""


def render(mistakes: Sequence[Mistake], texts: Mapping[str, str]) -> str:
    """One block per mistake; ``texts`` holds the files' texts by name, a missing one costs the source line only."""
    lines = {file: split_lines(text) for file, text in texts.items()}
    return "\n".join(_block(mistake, lines.get(mistake.file, [])) for mistake in mistakes)


def source_texts(mistakes: Sequence[Mistake]) -> dict[str, str]:
    """The texts of the files that have mistakes with a place, as far as they can be read."""
    texts: dict[str, str] = {}
    for file in {mistake.file for mistake in mistakes if mistake.line}:
        try:
            texts[file] = read_bytes(file)[:MAX_BYTES].decode("utf-8", errors="replace").removeprefix("\ufeff")
        except OSError:
            continue
    return texts


def _block(mistake: Mistake, lines: Sequence[str]) -> str:
    if not 0 < mistake.line <= len(lines):
        return str(mistake)
    column = max(mistake.column, 1)
    start = max(0, column - 1 - _WIDTH // 2) if len(lines[mistake.line - 1]) > _WIDTH else 0
    source = _printable(lines[mistake.line - 1][start : start + _WIDTH])
    number = f"{mistake.line:5d}"
    caret = " " * (column - 1 - start) + "^"
    return f"{mistake}\n{number} | {source}\n{' ' * len(number)} | {caret}"


def _printable(text: str) -> str:
    """One column per character: a tab is a blank, a control character a dot."""
    return "".join(c if c.isprintable() else " " if c == "\t" else "·" for c in text)
