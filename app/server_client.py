"""A running Foretide, asked by a command: with its token, in its envelope, and patient with its operations."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx

from app.token import TOKEN, TOKEN_FILE, read_token
from domain.errors import ForetideError, SettingsError

PATIENCE: Final = timedelta(seconds=60)
LOOK_EVERY: Final = timedelta(milliseconds=500)


class ServerError(ForetideError):
    """The server does not answer, refuses us, (``unknown``) knows no such thing, or (``conflict``) cannot now."""

    def __init__(self, message: str, *, unknown: bool = False, conflict: bool = False) -> None:
        """Keep which of them it is."""
        super().__init__(message)
        self.unknown, self.conflict = unknown, conflict


class FailedError(ForetideError):
    """The server did what was asked, and it came to nothing."""


class Server:
    """One of them; a context manager."""

    def __init__(
        self,
        url: str,
        token_file: Path | None = None,
        *,
        client: httpx.Client | None = None,
        wait: Callable[[float], None] = time.sleep,
        patience: timedelta = PATIENCE,
    ) -> None:
        """Nothing is asked yet.

        Args:
            url: The server.
            token_file: In place of the environment's token.
            client: In place of one that is made for ``url``, with that token.
            wait: Sleeps.
            patience: How long one answer may take.

        Raises:
            ServerError: The address or the token cannot be used.
        """
        given = {**os.environ, **({} if token_file is None else {TOKEN_FILE: str(token_file), TOKEN: ""})}
        try:
            token = read_token(given)
            headers = {} if token is None else {"Authorization": f"Bearer {token}"}
            self._client = client or httpx.Client(base_url=url, headers=headers, timeout=patience.total_seconds())
        except (SettingsError, httpx.InvalidURL) as error:
            raise ServerError(str(error)) from error
        self._url, self._wait = url, wait

    def __enter__(self) -> Self:
        """The server itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self._client.close()

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """What stands under ``data``.

        Raises:
            ServerError: It does not answer, or refuses.
            FailedError: What was asked cannot be meant.
        """
        try:
            answer = self._client.request(method, path, json=body)
            document = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise ServerError(f"{self._url} does not answer as a Foretide does: {error}") from error
        if answer.is_success and isinstance(document, dict):
            return document.get("data")
        said = document.get("error", {}) if isinstance(document, dict) else {}
        message = str(said.get("message", f"HTTP {answer.status_code}"))
        if answer.status_code == 422:
            raise FailedError("; ".join([message, *_places(said)]))
        raise ServerError(message, unknown=answer.status_code == 404, conflict=answer.status_code == 409)

    def wait(self, operation_id: str, shown: Callable[[str, float], None]) -> dict[str, Any]:
        """The operation when it has succeeded.

        No bound of ours: a backtest takes minutes, and the server ends each operation. One that is forgotten or whose
        server is gone is a ``ServerError`` at the next look.

        Raises:
            FailedError: It failed or was cancelled.
        """
        while True:
            found: dict[str, Any] = self.ask("GET", f"/api/v1/operations/{operation_id}")
            shown(found["message"], found["progress_ratio"])
            if found["state"] == "succeeded":
                return found
            if found["state"] in ("failed", "cancelled"):
                raise FailedError(found["message"])
            self._wait(LOOK_EVERY.total_seconds())


def _places(said: Mapping[str, Any]) -> list[str]:
    """Which fields cannot be taken, and why: the first few."""
    details = said.get("details") or ()
    return [f"{one.get('field')}: {one.get('message')}" for one in details[:3] if isinstance(one, dict)]
