"""``foretide explain``: asks a running Foretide why a rule decided as it did, and prints the chain."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TextIO
from urllib.parse import quote

import httpx

from app.system_clock import SystemClock
from app.token import TOKEN, TOKEN_FILE, read_token
from domain.errors import ForetideError, SettingsError
from domain.units import parse_duration

OUTPUTS: Final = ("table", "json")
_PER_PAGE: Final = 200
_PATIENCE: Final = timedelta(seconds=30)


class UsageError(ForetideError):
    """An option that cannot be meant."""


class UnreachableError(ForetideError):
    """The server is not there, or does not let us in."""


class NotFoundError(ForetideError):
    """It is there, and knows no such thing."""


def explain_on_server(
    name: str, *, at: str | None, output: str, server: str, token_file: Path | None, out: TextIO
) -> int:
    """The same for the command line: with the token of the environment, or of a file."""
    given = {**os.environ, **({} if token_file is None else {TOKEN_FILE: str(token_file), TOKEN: ""})}
    try:
        token = read_token(given)
        url = httpx.URL(server)
    except (SettingsError, httpx.InvalidURL) as error:
        print(f"foretide: {error}", file=sys.stderr)
        return 2
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=url, headers=headers, timeout=_PATIENCE.total_seconds()) as client:
        return explain(name, at=at, output=output, client=client, now=SystemClock().now(), out=out)


def explain(name: str, *, at: str | None, output: str, client: httpx.Client, now: datetime, out: TextIO) -> int:
    """Print the explanation of the decision in force.

    Args:
        name: ``namespace/name``, or the name alone where one rule has it.
        at: An instant with its offset, or how long ago (``2h``); None is now.
        output: ``table`` or ``json``.
        client: Of the server, with its token.
        now: For ``at``.
        out: Where to.

    Returns:
        The exit code: 0, 2 usage, 4 server unreachable or refused, 5 not found.
    """
    codes = {UsageError: 2, UnreachableError: 4, NotFoundError: 5}
    try:
        if output not in OUTPUTS:
            raise UsageError(f"-o {output}: expected one of {', '.join(OUTPUTS)}")
        query = {} if at is None else {"at": _instant(at, now).isoformat()}
        key = name if "/" in name else _key_of(name, client)
        namespace, _, rest = key.partition("/")
        found = _asked(client, f"/api/v1/rules/{quote(namespace)}/{quote(rest, safe='')}/explanation", query)["data"]
    except (UsageError, UnreachableError, NotFoundError) as error:
        print(f"foretide: {error}", file=sys.stderr)
        return codes[type(error)]
    if output == "json":
        out.write(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    else:
        out.write("\n".join(_lines(found, str(client.base_url).rstrip("/"))) + "\n")
    return 0


def _instant(text: str, now: datetime) -> datetime:
    try:
        return now - parse_duration(text)
    except (ValueError, OverflowError):
        pass
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise UsageError(f"--at {text}: expected a time such as 2026-11-21T12:00:00Z, or how long ago, such as 2h")
    return instant


def _key_of(name: str, client: httpx.Client) -> str:
    """The one rule of that name; rules are few enough to look through."""
    page, keys = 1, list[str]()
    while True:
        body = _asked(client, "/api/v1/rules", {"page": str(page), "limit": str(_PER_PAGE)})
        keys += [rule["key"] for rule in body["data"]]
        if page >= body["meta"]["total_pages"]:
            break
        page += 1
    mine = [key for key in keys if key.partition("/")[2] == name]
    if len(mine) > 1:
        raise UsageError(f"{name}: {len(mine)} rules have this name: {', '.join(mine[:5])}; write namespace/name")
    return mine[0] if mine else f"default/{name}"


def _asked(client: httpx.Client, path: str, query: dict[str, str]) -> Any:
    try:
        answer = client.get(path, params=query)
    except httpx.HTTPError as error:
        raise UnreachableError(f"{client.base_url} does not answer: {error}") from error
    if answer.is_success:
        return answer.json()
    said = _sentence(answer)
    if answer.status_code == 404:
        raise NotFoundError(said)
    if answer.status_code == 422:
        raise UsageError(said)
    raise UnreachableError(f"{client.base_url} refuses: {answer.status_code} {said}")


def _sentence(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"{answer.reason_phrase}; is this a Foretide server?"


def _lines(found: dict[str, Any], base: str) -> Iterator[str]:
    yield f"{found['rule']} at {_clock(found['asked_at'])}"
    until = found["in_force_until"]
    standing = f"until {_clock(until)}" if until else "the newest"
    yield f"  {found['headline']}"
    yield f"  decided {_clock(found['decided_at'])}, {standing}"
    yield from _section("What the signals ask for", found["signals"])
    yield from _section("From there to the number", [*_stages(found["stages"]), *_quiet(found["quiet"])])
    yield from _section("What else it could have been", found["otherwise"])
    yield from _section("Price", [found["price"]])
    yield from _section("Done", found["done"])
    yield from _section("Shadow", [found["shadow"]] if found["shadow"] else [])
    yield from _section("Look", [f"{base}{found['page']}"])


def _section(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield title
        yield from (f"  {line}" for line in lines)


def _stages(stages: list[dict[str, Any]]) -> Iterator[str]:
    width = max((len(stage["stage"]) for stage in stages), default=0)
    for stage in stages:
        number = "-" if stage["replicas"] is None else str(stage["replicas"])
        yield f"{'*' if stage['moved'] else ' '} {stage['stage']:<{width}} {number:>4}  {stage['message']}"


def _quiet(names: list[str]) -> Iterator[str]:
    if names:
        yield f"nothing to do for {', '.join(names)}"


def _clock(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S} UTC"
