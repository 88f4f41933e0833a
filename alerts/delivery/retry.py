"""When to try again, and when not to: pure."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from alerts.delivery.errors import GoneError, RefusedError, SendError

SHORTEST: Final = timedelta(seconds=5)
LONGEST: Final = timedelta(minutes=15)
GIVE_UP_AFTER: Final = timedelta(hours=24)
MOST_ATTEMPTS: Final = 400
"""A day of tries is about 200; more comes only of a receiver that fails and recovers all the time."""
_PART: Final = 12
"""Of the time that it fails already: after an hour it is tried every 5 minutes, after three every 15."""
_LONGEST_ASKED: Final = timedelta(hours=1)
_AGAIN: Final = (408, 425, 429)


def delay(*, failing_for: timedelta, attempt: int, id_: str, asked: timedelta | None = None) -> timedelta:
    """How long to wait: grows with the outage, so nobody waits longer than a twelfth of it after its end.

    Args:
        failing_for: Since the first failure.
        attempt: The one that failed, from 1.
        id_: Of the message: with the attempt it makes the jitter, from 0.8 to 1.
        asked: The receiver's Retry-After; kept to, up to an hour.
    """
    plain = min(max(failing_for / _PART, SHORTEST), LONGEST)
    digest = hashlib.sha256(f"{id_}/{attempt}".encode()).digest()
    jittered = max(plain * (0.8 + 0.2 * digest[0] / 255), SHORTEST)
    return max(jittered, min(asked or timedelta(), _LONGEST_ASKED))


def retry_after(value: str | None, now: datetime) -> timedelta | None:
    """Of the header, in seconds or as a date; None where it is neither or lies behind."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return timedelta(seconds=int(text))
    try:
        then = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return then - now if then > now else None


def judge(status: int, *, asked: timedelta | None) -> None:
    """Return where a reply takes the message; raise what to do otherwise.

    Raises:
        GoneError: 410.
        RefusedError: Another 4xx that will not change.
        SendError: Everything else; a redirect is never followed.
    """
    if 200 <= status < 300:
        return
    if status == 410:
        raise GoneError("it answered 410: it wants no message any more")
    if 400 <= status < 500 and status not in _AGAIN:
        raise RefusedError(f"it answered {status}")
    if 300 <= status < 400:
        raise SendError(f"it answered {status}, a redirect; those are not followed")
    raise SendError(f"it answered {status}", retry_after=asked)
