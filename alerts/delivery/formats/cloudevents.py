"""CloudEvents 1.0, structured mode: an envelope around Foretide's own JSON."""

from __future__ import annotations

from typing import Any, Final

from alerts.delivery.formats import generic
from alerts.delivery.formats.message import Told, instant

CONTENT_TYPE: Final = "application/cloudevents+json"


def body(told: Told) -> dict[str, Any]:
    """``id`` and ``source`` together are the same for each attempt; ``subject`` is the group."""
    note = told.notification
    return {
        "specversion": "1.0", "id": told.id, "source": told.external_url,
        "type": f"dev.foretide.alerts.{note.status}.v1", "subject": note.group_key, "time": instant(note.at),
        "datacontenttype": "application/json", "data": generic.body(told),
    }  # fmt: skip
