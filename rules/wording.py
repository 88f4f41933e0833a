"""How values, fields and choices are named in a mistake, so that every mistake reads alike.

Whatever comes from the file is cut short and made printable: a rule file may hold anything, a terminal must not.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Final

QUOTED_CHARACTERS: Final = 40
_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][\w-]{0,39}", re.ASCII)


def quote(text: str) -> str:
    """``"text"``, cut to 40 characters, without control characters."""
    cut = text if len(text) <= QUOTED_CHARACTERS else text[: QUOTED_CHARACTERS - 1] + "…"
    return '"' + "".join(character if character.isprintable() else "·" for character in cut) + '"'


def found(value: object) -> str:
    """What stands in the file: ``found the number 5``."""
    match value:
        case None:
            return "found nothing"
        case bool():
            return f"found {str(value).lower()}"
        case int() | float() | Decimal():
            return f"found the number {value}"
        case str():
            return f"found the text {quote(value)}"
        case list() | tuple():
            return "found a list"
        case dict():
            return "found a mapping"
        case _:
            return f"found {quote(str(value))}"


def nearest(text: str, known: Collection[str]) -> str | None:
    """The known word that ``text`` was probably meant to be."""
    if len(text) > QUOTED_CHARACTERS:  # difflib is quadratic; a longer text is no typo of ours
        return None
    by_lower = {word.lower(): word for word in known}
    close = difflib.get_close_matches(text.lower().replace("_", ""), by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def suggestion(text: str, known: Collection[str], *, otherwise: str = "") -> str:
    """``; did you mean "x"?``, or ``otherwise`` where nothing is near."""
    word = nearest(text, known)
    return f'; did you mean "{word}"?' if word else otherwise


def one_of(choices: Sequence[str], value: object) -> str:
    """What an enum mistake says."""
    if len(choices) == 1:
        return f"expected {choices[0]}; {found(value)}"
    hint = suggestion(value, choices) if isinstance(value, str) else ""
    return f"expected one of {', '.join(choices)}; {found(value)}{hint}"


def dotted(path: Sequence[str | int]) -> str:
    """``spec.triggers[1].perReplica``."""
    parts = ""
    for part in path:
        if isinstance(part, int):
            parts += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            parts += f".{part}" if parts else part
        else:
            parts += f"[{quote(part)}]"
    return parts


def listed(words: Sequence[str], last: str) -> str:
    """``a, b and c``."""
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else "".join(words)
