"""What the doctor says: how bad, of what, in one sentence, what to do, and what to paste."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final, TextIO


class Level(StrEnum):
    """How bad it is; only an error makes the exit code 1."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"
    OK = "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        level: How bad.
        object: What it is about.
        says: What was found, a sentence.
        do: What to do about it, a sentence; empty: nothing.
        snippet: YAML to paste; empty: none.
    """

    level: Level
    object: str
    says: str
    do: str = ""
    snippet: str = ""


_ORDER: Final = tuple(Level)
_INDENT: Final = " " * 9


def ranked(findings: Sequence[Finding]) -> list[Finding]:
    """The worst first, else as they were found."""
    return sorted(findings, key=lambda one: _ORDER.index(one.level))


def to_json(findings: Sequence[Finding], out: TextIO) -> None:
    """A list of objects with the fields of ``Finding``."""
    json.dump([asdict(one) for one in findings], out, indent=2, ensure_ascii=False)
    print(file=out)


def to_table(findings: Sequence[Finding], out: TextIO) -> None:
    """Level and object, then the sentence, what to do, what to paste."""
    for one in findings:
        print(f"{one.level:<8} {one.object}: {one.says}", file=out)
        if one.do:
            print(f"{_INDENT}→ {one.do}", file=out)
        for line in one.snippet.splitlines():
            print(f"{_INDENT}  {line}".rstrip(), file=out)
    counts = Counter(one.level for one in findings)
    told = [f"{counts[level]} {_PLURAL[level] if counts[level] != 1 else level}" for level in Level if counts[level]]
    print(", ".join(told), file=out)


_PLURAL: Final = {Level.ERROR: "errors", Level.WARNING: "warnings", Level.NOTE: "notes", Level.OK: "ok"}
WRITERS: Final = {"table": to_table, "json": to_json}
