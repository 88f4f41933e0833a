"""A query as Prometheus prints it back: one line, without needless brackets and spaces."""

from __future__ import annotations

import re
from typing import Final

import promql_parser

_OPENED: Final = re.compile(r"\(\n\s*")
_CLOSED: Final = re.compile(r"\n\s*\)")
_BROKEN: Final = re.compile(r"\n\s*")


def printed(query: str) -> str:
    """The parser's own print, its lines joined.

    What it does not read stays as it is, and so does a text with a backslash, which it prints without its escape.
    """
    if "\\" in query:
        return query
    try:
        text: str = promql_parser.parse(query).prettify()
    except ValueError:
        return query
    return _BROKEN.sub(" ", _CLOSED.sub(")", _OPENED.sub("(", text.strip())))
