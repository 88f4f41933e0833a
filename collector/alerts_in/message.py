"""Alertmanager's webhook, version 4: what is read of it; fields that are not here are ignored.

Source:
    Alertmanager, ``notify/webhook`` and ``template.Data``.
"""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from domain.alerts import ALERT_NAME, fingerprint
from domain.errors import IntakeError
from domain.labels import METRIC_NAME, Labels

RECEIVED: Final = "foretide_alert_received"
"""The series of one alert: 1 while it fires."""
MOST_LABELS: Final = 64
LONGEST_VALUE: Final = 1024
_NOT_IN_A_NAME: Final = re.compile(r"[^a-zA-Z0-9_]|^(?=[0-9])")
_LONGEST_NAME: Final = 256

Key = tuple[str, str, str]
"""groupKey, fingerprint and startsAt: the same for every delivery of one alert."""


class MessageAlert(BaseModel):
    """One alert; the zero time of Go as ``endsAt`` is an open end, and ``status`` tells that already."""

    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    starts_at: Annotated[AwareDatetime, Field(alias="startsAt")]
    fingerprint: Annotated[str, Field(max_length=64)] = ""

    @property
    def series(self) -> Labels:
        """Its series: labels beyond the limits are cut, so that no sender makes a series that cannot be kept."""
        names = sorted(self.labels, key=lambda name: (name != ALERT_NAME, name))[:MOST_LABELS]
        pairs = {_name(name): self.labels[name][:LONGEST_VALUE] for name in names if name != METRIC_NAME}
        return Labels.of({**pairs, METRIC_NAME: RECEIVED})


class Message(BaseModel):
    """A group of alerts; only those whose state changed need be among them."""

    version: Literal["4"]
    group_key: Annotated[str, Field(alias="groupKey", max_length=65_536)]
    truncated_alerts: Annotated[int, Field(alias="truncatedAlerts", ge=0)] = 0
    alerts: list[MessageAlert]

    def key_of(self, alert: MessageAlert) -> Key:
        """What makes a second delivery of it a duplicate; long group keys are told by their digest."""
        group = hashlib.sha256(self.group_key.encode()).hexdigest()[:16]
        mark = alert.fingerprint or fingerprint(Labels.of(alert.labels))
        return group, mark, alert.starts_at.isoformat()


def read(body: bytes) -> Message:
    """The message.

    Raises:
        IntakeError: It is none, with the place of the first mistake.
    """
    try:
        return Message.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise IntakeError(f"no webhook of Alertmanager, version 4: {place or 'body'}: {first['msg']}") from error


def _name(name: str) -> str:
    return _NOT_IN_A_NAME.sub("_", name)[:_LONGEST_NAME]
