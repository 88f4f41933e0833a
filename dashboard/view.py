"""What the browser looks at: read from the store that the page's script keeps equal to the URL.

It comes from outside, so everything in it is checked and bounded; what makes no sense falls back to the default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from dashboard.contract import Window

RANGES: Final[Mapping[str, timedelta]] = {
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "24h": timedelta(days=1),
    "7d": timedelta(days=7),
}
DEFAULT_RANGE: Final = "1h"
FUTURE_SHARE: Final = 0.4
"""Of the range: how much of the forecast is drawn to the right of now. 1 h shows 24 min."""
MIN_POINTS, MAX_POINTS = 200, 1600
_EARLIEST_MS, _LATEST_MS = 0, 4_102_444_800_000  # 1970 … 2100: what datetime and plotly can both draw
_SHORTEST: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One page over one window in one theme.

    Attributes:
        fixed: The window that was zoomed to; None while the page follows the clock with ``range``.
        max_points: 1.3 × the width of a chart in pixels: more cannot be seen.
    """

    range: str = DEFAULT_RANGE
    fixed: Window | None = None
    theme: Literal["dark", "light"] = "dark"
    max_points: int = MAX_POINTS

    def window(self, now: datetime) -> Window:
        """What is asked of the data client: history up to now, or the fixed window."""
        return self.fixed or Window(start=now - RANGES[self.range], end=now)

    def shown(self, now: datetime, forecast_end: datetime | None) -> Window:
        """What the charts span: the window, and a share of the future where there is a forecast."""
        window = self.window(now)
        if self.fixed or forecast_end is None or forecast_end <= now:
            return window
        return Window(start=window.start, end=min(forecast_end, now + FUTURE_SHARE * window.length))

    @property
    def revision(self) -> str:
        """Changes when the charts are to be drawn anew; equal on every tick (plotly's ``uirevision``)."""
        fixed = f"{self.fixed.start.timestamp()}-{self.fixed.end.timestamp()}" if self.fixed else ""
        return f"{self.range}|{fixed}|{self.theme}"


def read(state: Mapping[str, Any] | None) -> View:
    """The view in the browser's store; defaults where it says nothing usable."""
    state = state or {}
    asked = state.get("range")
    width = state.get("width")
    points = round(1.3 * width) if isinstance(width, int | float) and 0 < width < 1e5 else MAX_POINTS
    return View(
        range=asked if isinstance(asked, str) and asked in RANGES else DEFAULT_RANGE,
        fixed=_fixed(state.get("from"), state.get("to")),
        theme="light" if state.get("theme") == "light" else "dark",
        max_points=max(MIN_POINTS, min(points, MAX_POINTS)),
    )


def _fixed(start_ms: object, end_ms: object) -> Window | None:
    if not isinstance(start_ms, int | float) or not isinstance(end_ms, int | float):
        return None
    if not (_EARLIEST_MS <= start_ms < end_ms <= _LATEST_MS):
        return None
    start, end = (datetime.fromtimestamp(ms / 1000, tz=UTC) for ms in (start_ms, end_ms))
    return Window(start=start, end=max(end, start + _SHORTEST))
