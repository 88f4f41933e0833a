"""``foretide cost resizings``: asks a running Foretide how far accepted right-sizings are, and stops one."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TextIO
from urllib.parse import quote

from app.server_client import FailedError, Server, ServerError
from app.text_table import lines_of, printable
from domain.errors import SettingsError

_PATH: Final = "/api/v1/cost/resizings"
_AT_ONCE: Final = 200


def run(
    *, stop: str | None, reason: str, output: str, server: str, token_file: Path | None, out: TextIO
) -> int:  # fmt: skip
    """The exit code."""
    try:
        if output not in ("table", "json"):
            raise SettingsError(f"-o {output}: expected table or json")
        if stop is not None and not reason:
            raise SettingsError("say why with --reason: it is what everybody will read")
        with Server(server, token_file) as found:
            if stop is not None:
                one = found.ask("POST", f"{_PATH}/{quote(stop, safe='')}/stop", {"reason": reason})
                print(f"{one['target']} is given back within a minute: {one['stage']} so far", file=out)
                return 0
            items = _all(found)
    except (SettingsError, FailedError, ServerError) as error:
        print(f"foretide: {error}", file=sys.stderr)
        return 2 if not isinstance(error, ServerError) else 5 if error.unknown else 4
    write(items, output, out)
    return 0


def write(items: Sequence[dict[str, Any]], output: str, out: TextIO) -> None:
    """In the wanted form."""
    if output == "json":
        out.write(json.dumps(items, indent=2, ensure_ascii=False) + "\n")
        return
    out.writelines(f"{printable(line)}\n" for line in _table(items))


def _table(items: Sequence[dict[str, Any]]) -> Iterator[str]:
    if not items:
        yield "nobody has accepted a right-sizing that can be applied here"
        return
    rows = [("ID", "TARGET", "STAGE", "SINCE", "")]
    rows += [(one["id"], one["target"], one["stage"], one["since"][:16].replace("T", " "), one["reason"])
             for one in items]  # fmt: skip
    for line, one in zip(lines_of(rows, left=5), [None, *items], strict=True):
        yield line
        for each in () if one is None else one["changes"]:
            yield f"      {each['path']} {each['before'] or 'none'} -> {each['after']}"


def _all(server: Server) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for page in range(1, 10_001):
        some = server.ask("GET", f"{_PATH}?page={page}&limit={_AT_ONCE}")
        found += some
        if len(some) < _AT_ONCE:
            break
    return found
