"""The running Foretide that a door asks; its token is read again after a refusal, because Secrets are renewed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from app.server_client import Server, ServerError

_PATIENCE: Final = timedelta(seconds=4)
"""The HPA controller and KEDA wait some seconds longer; what is remembered is served after that."""


class Foretide:
    """From any thread.

    Raises:
        ServerError: The address or the token cannot be used; at the start, so that a typo is told at once.
    """

    def __init__(self, url: str, token_file: Path | None) -> None:
        self._url, self._token_file = url, token_file
        self._server: Server | None = self._connected()

    def ask(self, path: str) -> Any:
        """What stands under ``data``.

        Raises:
            ForetideError: It does not answer, or refuses.
        """
        server = self._server or self._connected()
        try:
            told = server.ask("GET", path)
        except ServerError:
            self._server = None
            raise
        self._server = server
        return told

    def _connected(self) -> Server:
        return Server(self._url, self._token_file, patience=_PATIENCE)
