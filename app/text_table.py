"""Lines of a plain table: columns two spaces apart, numbers to the right, and nothing that steers a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def printable(line: str) -> str:
    """The line without what would steer a terminal or begin another line: a bill's texts are not ours."""
    return line if line.isprintable() else "".join(one if one.isprintable() else "?" for one in line)


def lines_of(rows: Sequence[Sequence[str]], *, left: int = 1, last_is_text: bool = False) -> Iterator[str]:
    """One line for each row, indented by two spaces; the first ``left`` columns to the left."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        placed = [
            cell.ljust(width) if i < left or (last_is_text and i == len(row) - 1) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield ("  " + "  ".join(placed)).rstrip()
