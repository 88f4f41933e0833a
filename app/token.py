"""The API's token, as the server wants it and the command line sends it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from domain.errors import SettingsError

TOKEN: Final = "FORETIDE_API_TOKEN"
TOKEN_FILE: Final = "FORETIDE_API_TOKEN_FILE"
MIN_TOKEN_LENGTH: Final = 32


def read_token(environment: Mapping[str, str]) -> str | None:
    """FORETIDE_API_TOKEN, or what the file FORETIDE_API_TOKEN_FILE holds; None where neither is set.

    Raises:
        SettingsError: The file cannot be read, or it is no token.
    """
    token, source = environment.get(TOKEN), TOKEN
    if not token and (file := environment.get(TOKEN_FILE)):
        source = f"{TOKEN_FILE} ({file})"
        try:
            token = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{source}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    elif not token:
        return None
    if len(token) < MIN_TOKEN_LENGTH:
        raise SettingsError(f"{source} has {len(token)} characters; expected {MIN_TOKEN_LENGTH} or more")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise SettingsError(f"{source} may hold printable ASCII characters without spaces only")
    return token
