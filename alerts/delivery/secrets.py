"""What receivers name is read when it is needed, so that an exchanged secret counts at once."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alerts.delivery.errors import SendError
from alerts.delivery.settings import DeliverySettings
from rules.receiver import Secret

_MOST_BYTES: Final = 8192


def value_of(secret: Secret, settings: DeliverySettings) -> str:
    """Its text; ``SendError`` with the name, never the content, where there is none."""
    if secret.env is not None:
        found = settings.variables.get(secret.env, "").strip()
        if not found:
            raise SendError(f"the variable {secret.env} is not set")
        return found
    return _of_file(secret.file or "", settings.secrets_dir)


def _of_file(name: str, folder: Path | None) -> str:
    if folder is None:
        raise SendError(f"the file {name} is not read: alerting.secrets_dir is not there")
    path = (folder / name).resolve()
    # Kubernetes mounts a Secret as links within its folder; a link out of it is refused.
    if not path.is_relative_to(folder.resolve()):
        raise SendError(f"the file {name} lies outside of alerting.secrets_dir")
    try:
        with path.open("rb") as opened:
            return opened.read(_MOST_BYTES).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SendError(f"the file {name} of alerting.secrets_dir cannot be read") from error
