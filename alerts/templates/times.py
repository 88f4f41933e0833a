"""Go's ``time.Time`` (UTC) and ``time.Duration``, as far as templates reach them: ``toTime``, ``toDuration``.

Source:
    Go 1.26, package ``time``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final

SECOND: Final = 1_000_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS: Final = (("ns", 1), ("µs", 1_000), ("ms", 1_000_000))
_PIECE: Final = re.compile(
    r"January|Jan|Monday|Mon|MST|2006|Z07:00:00|Z070000|Z07:00|Z0700|Z07|-07:00:00|-070000|-07:00|-0700|-07"
    r"|002|01|02|03|04|05|06|15|_2006|__2|_2|PM|pm|[.,]0+(?![0-9])|[.,]9+(?![0-9])|1|2|3|4|5"
)
_FORMS: Final = {
    "January": "%B", "Jan": "%b", "Monday": "%A", "Mon": "%a", "2006": "%Y", "06": "%y", "002": "%j", "01": "%m",
    "02": "%d", "15": "%H", "03": "%I", "04": "%M", "05": "%S", "PM": "%p",
}  # fmt: skip
_NUMBERS: Final = {"1": "month", "2": "day", "4": "minute", "5": "second"}


@dataclass(frozen=True, slots=True)
class Duration:
    """Nanoseconds."""

    nanoseconds: int
    go_name: ClassVar[str] = "*time.Duration"
    methods: ClassVar[dict[str, tuple[str, ...]]] = {
        "String": (), "Seconds": (), "Minutes": (), "Hours": (), "Nanoseconds": (), "Microseconds": (),
        "Milliseconds": (), "Abs": (), "Truncate": ("duration",),
    }  # fmt: skip

    def String(self) -> str:
        """``1h2m3.5s``."""
        value = abs(self.nanoseconds)
        sign = "-" if self.nanoseconds < 0 else ""
        if value < SECOND:
            unit, size = next(((name, size) for name, size in reversed(_UNITS) if value >= size), ("s", SECOND))
            return f"{sign}{_decimal(value, size)}{unit}"
        minutes, rest = divmod(value, 60 * SECOND)
        hours, minutes = divmod(minutes, 60)
        shown = f"{_decimal(rest, SECOND)}s"
        return sign + (f"{hours}h{minutes}m{shown}" if hours else f"{minutes}m{shown}" if minutes else shown)

    def Seconds(self) -> float:
        """In seconds."""
        return self.nanoseconds / SECOND

    def Minutes(self) -> float:
        """In minutes."""
        return self.nanoseconds / (60 * SECOND)

    def Hours(self) -> float:
        """In hours."""
        return self.nanoseconds / (3600 * SECOND)

    def Nanoseconds(self) -> int:
        """In nanoseconds."""
        return self.nanoseconds

    def Microseconds(self) -> int:
        """In microseconds, towards zero."""
        return int(self.nanoseconds / 1000)

    def Milliseconds(self) -> int:
        """In milliseconds, towards zero."""
        return int(self.nanoseconds / 1_000_000)

    def Abs(self) -> Duration:
        """Without its sign."""
        return Duration(abs(self.nanoseconds))

    def Truncate(self, to: Duration) -> Duration:
        """Towards zero, to a multiple of ``to``."""
        if to.nanoseconds <= 0:
            return self
        left = abs(self.nanoseconds) % to.nanoseconds
        return Duration(self.nanoseconds - left if self.nanoseconds > 0 else self.nanoseconds + left)


@dataclass(frozen=True, slots=True)
class Time:
    """Nanoseconds since 1970, in UTC."""

    nanoseconds: int
    go_name: ClassVar[str] = "*time.Time"
    methods: ClassVar[dict[str, tuple[str, ...]]] = {
        "Format": ("string",), "String": (), "Add": ("duration",), "Sub": ("time",), "Before": ("time",),
        "After": ("time",), "Unix": (), "UnixMilli": (), "UnixNano": (), "UTC": (), "Year": (), "Month": (), "Day": (),
        "Hour": (), "Minute": (), "Second": (), "Weekday": (), "YearDay": (), "Truncate": ("duration",),
    }  # fmt: skip

    def _at(self) -> datetime:
        return _EPOCH + timedelta(microseconds=self.nanoseconds // 1000)

    def String(self) -> str:
        """``2015-06-23 13:19:44.128 +0000 UTC``."""
        return self.Format("2006-01-02 15:04:05.999999999 -0700 MST")

    def Format(self, layout: str) -> str:
        """By Go's layout, an example of how 2006-01-02 15:04:05 would look."""
        at = self._at()
        return _PIECE.sub(lambda found: self._piece(found[0], at), layout)

    def _piece(self, piece: str, at: datetime) -> str:
        if piece in _FORMS:
            return f"{at.year:04d}" if piece == "2006" else at.strftime(_FORMS[piece])
        if piece in _NUMBERS:
            return str(getattr(at, _NUMBERS[piece]))
        if piece[0] in ".,":
            digits = f"{self.nanoseconds % SECOND:09d}"[: len(piece) - 1]
            kept = digits.rstrip("0") if piece[1] == "9" else digits
            return f"{piece[0]}{kept}" if kept else ""
        others = {
            "3": str(at.hour % 12 or 12), "pm": at.strftime("%p").lower(), "MST": "UTC", "_2": f"{at.day:2d}",
            "_2006": f"_{at.year:04d}", "__2": f"{at.timetuple().tm_yday:3d}",
        }  # fmt: skip
        if piece in others:
            return others[piece]
        return "Z" if piece[0] == "Z" else piece.replace("-", "+").replace("7", "0")

    def Add(self, duration: Duration) -> Time:
        """So much later."""
        return Time(self.nanoseconds + duration.nanoseconds)

    def Sub(self, other: Time) -> Duration:
        """How much later this is than ``other``."""
        return Duration(self.nanoseconds - other.nanoseconds)

    def Before(self, other: Time) -> bool:
        """Whether this is earlier."""
        return self.nanoseconds < other.nanoseconds

    def After(self, other: Time) -> bool:
        """Whether this is later."""
        return self.nanoseconds > other.nanoseconds

    def Unix(self) -> int:
        """Seconds since 1970."""
        return self.nanoseconds // SECOND

    def UnixMilli(self) -> int:
        """Milliseconds since 1970."""
        return self.nanoseconds // 1_000_000

    def UnixNano(self) -> int:
        """Nanoseconds since 1970."""
        return self.nanoseconds

    def UTC(self) -> Time:
        """Itself."""
        return self

    def Year(self) -> int:
        """Of the date."""
        return self._at().year

    def Month(self) -> str:
        """Its English name, as Go prints it."""
        return self._at().strftime("%B")

    def Day(self) -> int:
        """Of the month."""
        return self._at().day

    def Hour(self) -> int:
        """Of the day."""
        return self._at().hour

    def Minute(self) -> int:
        """Of the hour."""
        return self._at().minute

    def Second(self) -> int:
        """Of the minute."""
        return self._at().second

    def Weekday(self) -> str:
        """Its English name, as Go prints it."""
        return self._at().strftime("%A")

    def YearDay(self) -> int:
        """From 1."""
        return self._at().timetuple().tm_yday

    def Truncate(self, to: Duration) -> Time:
        """Back to a multiple of ``to`` since the year 1, as Go counts."""
        if to.nanoseconds <= 0:
            return self
        since_year_1 = self.nanoseconds + 62_135_596_800 * SECOND
        return Time(self.nanoseconds - since_year_1 % to.nanoseconds)


def _decimal(value: int, size: int) -> str:
    """``value / size`` without a tail of zeros."""
    whole, rest = divmod(value, size)
    tail = f"{rest:0{len(str(size)) - 1}d}".rstrip("0") if rest else ""
    return f"{whole}.{tail}" if tail else str(whole)
