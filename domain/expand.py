"""Go's ``Regexp.Expand``, which Prometheus' replacements are written for."""

from __future__ import annotations

import re
from typing import Any, Final

_REFERENCE: Final = re.compile(r"\$(?:\$|(\w+)|\{(\w+)\})", re.ASCII)


def expanded(template: str, match: Any) -> str:
    """The template with the groups of an RE2 match: one that is not there is empty, ``$$`` is a dollar sign."""
    groups, named = (match.group(0), *match.groups("")), match.groupdict("")

    def value(reference: re.Match[str]) -> str:
        name = reference[1] or reference[2]
        if name is None:
            return "$"
        if name.isdigit():
            return groups[int(name)] if int(name) < len(groups) else ""
        return str(named.get(name, ""))

    return _REFERENCE.sub(value, template)
