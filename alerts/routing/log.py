"""What was told last, by receiver and group: the same is not told again before ``repeat_interval``.

Source:
    Alertmanager, ``nflog`` and ``notify.DedupStage``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """The last telling of a group to a receiver: fingerprints of what fired and of what was over."""

    receiver: str
    group_key: str
    at: datetime
    firing: frozenset[str]
    resolved: frozenset[str]
    expires_at: datetime


def needs_telling(
    last: LogEntry | None,
    *,
    firing: frozenset[str],
    resolved: frozenset[str],
    now: datetime,
    repeat: timedelta,
    tells_resolved: bool,
) -> bool:
    """Whether something is new, or old enough to be said again."""
    if last is None:
        return bool(firing)
    if not firing <= last.firing:
        return True
    if not firing:
        return bool(last.firing)
    if tells_resolved and not resolved <= last.resolved:
        return True
    return last.at < now - repeat
