"""An alert as it goes from what fired it to who is told: its labels are its identity, times are aware UTC.

Source:
    Alertmanager's data model (``types.Alert``, ``model.LabelSet.Fingerprint``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from domain.labels import Labels

ALERT_NAME: Final = "alertname"
_FNV_OFFSET: Final = 0xCBF29CE484222325
_FNV_PRIME: Final = 0x100000001B3
_SEPARATOR: Final = b"\xff"


class AlertState(StrEnum):
    """Prometheus' states of an alerting rule and of its alerts."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert; a resolved one has an ``ends_at`` that has come.

    Attributes:
        labels: ``alertname`` among them; two alerts of the same labels are the same alert.
        annotations: What a reader is told; no part of the identity.
        starts_at: Since when it fires.
        ends_at: When it ended, or when it counts as ended unless it is told again; None where nobody said.
        generator_url: Where to see what fired it; empty where there is no such place.
    """

    labels: Labels
    annotations: Labels = Labels()
    starts_at: datetime
    ends_at: datetime | None = None
    generator_url: str = ""

    @property
    def name(self) -> str:
        """The value of ``alertname``."""
        return self.labels.value_of(ALERT_NAME)

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits, the same as Alertmanager's of these labels."""
        return fingerprint(self.labels)

    def resolved_at(self, now: datetime) -> bool:
        """Whether it is over at ``now``."""
        return self.ends_at is not None and self.ends_at <= now


def fingerprint(labels: Labels) -> str:
    """FNV-1a of the sorted names and values, each ended by a byte that UTF-8 does not have."""
    digest = _FNV_OFFSET
    for pair in labels:
        for byte in b"".join(part.encode() + _SEPARATOR for part in pair):
            digest = ((digest ^ byte) * _FNV_PRIME) & 0xFFFFFFFFFFFFFFFF
    return f"{digest:016x}"
