"""Forecasts as a running Foretide tells them, read when somebody asks for them and remembered while it is away.

A forecast is a path over hours: what is remembered goes on being served while the controller restarts, until it is
stale by its own measure. Nothing is written anywhere; a door that was restarted itself has to read first.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

import numpy as np

from app.forecast_doors.question import Known, NotNowError, name_of
from app.server_client import ServerError
from domain.clock import Clock
from domain.errors import ForetideError
from domain.forecasts import Forecast

log = logging.getLogger(__name__)

_SOONEST_SECONDS: Final = 5.0
_LATEST_SECONDS: Final = 60.0
_FORGOTTEN_SECONDS: Final = 900.0
_AT_MOST: Final = 10_000
"""Names that are remembered; those that nobody has asked for the longest go first."""
_PAGE: Final = 200


@dataclass(slots=True)
class _Entry:
    known: Sequence[Known] = ()
    read_at: float = -1e9
    tried_at: float = -1e9
    asked_at: float = 0.0
    why: str = ""
    reading: threading.Lock = field(default_factory=threading.Lock)


class Feed:
    """From any thread.

    Args:
        ask: The ``data`` of a GET of Foretide's API; raises ``ForetideError``.
        clock: Of which the monotonic time says how old a reading is.
    """

    def __init__(self, ask: Callable[[str], Any], *, clock: Clock) -> None:
        self._ask, self._clock = ask, clock
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.Lock()
        self._names: tuple[str, ...] = ()
        self._failing = False

    def of(self, key: str) -> Sequence[Known]:
        """The forecasts of a trigger or a document; empty where Foretide has none.

        Read again after a quarter of their step (5 to 60 s); after a failure 5 s later at the earliest.

        Raises:
            NotNowError: Foretide does not answer, and never did for this one.
        """
        entry = self._entry(key)
        if self._due(entry) and entry.reading.acquire(blocking=not entry.known):
            try:
                if self._due(entry):
                    self._read(key, entry)
            finally:
                entry.reading.release()
        if entry.why and not entry.known:
            raise NotNowError(f"the forecast {key} cannot be read: {entry.why}")
        return entry.known

    @property
    def names(self) -> Sequence[str]:
        """What is forecast, in all namespaces, as of the last ``look``."""
        return self._names

    def look(self) -> None:
        """Read which forecasts there are; where Foretide does not answer the names of before stay."""
        try:
            told = self._ask("/api/v1/status")["forecasts"]
            self._names = tuple(sorted({name_of(one["signal"]) for one in told}))
        except (ForetideError, KeyError, TypeError) as error:
            self._say(error)

    def _entry(self, key: str) -> _Entry:
        now = self._clock.monotonic()
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                self._forget(now)
                entry = self._entries[key] = _Entry()
            entry.asked_at = now
        return entry

    def _forget(self, now: float) -> None:
        old = [key for key, one in self._entries.items() if now - one.asked_at > _FORGOTTEN_SECONDS]
        if len(self._entries) - len(old) >= _AT_MOST:
            old += sorted(self._entries, key=lambda key: self._entries[key].asked_at)[: _AT_MOST // 10]
        for key in old:
            self._entries.pop(key, None)

    def _due(self, entry: _Entry) -> bool:
        now = self._clock.monotonic()
        shortest = min((one.forecast.step.total_seconds() for one in entry.known), default=0.0)
        every = min(max(shortest / 4, _SOONEST_SECONDS), _LATEST_SECONDS)
        return now - entry.read_at >= every and now - entry.tried_at >= _SOONEST_SECONDS

    def _read(self, key: str, entry: _Entry) -> None:
        entry.tried_at = self._clock.monotonic()
        try:
            entry.known = self._pages(key)
            entry.read_at, entry.why, self._failing = entry.tried_at, "", False
        except (ForetideError, KeyError, TypeError, ValueError, IndexError) as error:
            entry.why = str(error) or type(error).__name__
            self._say(error)

    def _pages(self, key: str) -> list[Known]:
        """All pages or none: part of a list would look like less load.

        By signal, because one that is new between two pages moves another one to both.
        """
        found: dict[str, Known] = {}
        for page in range(1, 10_000 // _PAGE + 1):
            query = urlencode({"of": key, "limit": _PAGE, "page": page})
            told = self._ask(f"/api/v1/forecasts?{query}")
            found.update({one["signal"]: _known(one) for one in told})
            if len(told) < _PAGE:
                return list(found.values())
        raise ServerError(f"{key} has more series than can be read")

    def _say(self, error: Exception) -> None:
        """Once, until it works again."""
        if not self._failing:
            log.warning("forecasts cannot be read, what is known goes on", extra={"error": str(error)})
        self._failing = True


def _known(told: dict[str, Any]) -> Known:
    """Only what a value takes."""
    forecast = Forecast(
        signal=told["signal"], model=told["model"], made_at=datetime.fromisoformat(told["made_at"]),
        cutoff=datetime.fromisoformat(told["cutoff"]), step=timedelta(seconds=told["step_seconds"]), season=None,
        mean=np.asarray(told["mean"], dtype=np.float64), quantiles=tuple(told["quantiles"]),
        values=np.asarray(told["values"], dtype=np.float64), reference=None, backtest=None,
        history_start=datetime.fromisoformat(told["history_start"]), labels=told["labels"], unit=told["unit"],
    )  # fmt: skip
    if forecast.values.shape != (forecast.horizon, len(forecast.quantiles)) or forecast.step <= timedelta():
        raise ValueError(f"the forecast {forecast.signal} is not as it should be")
    return Known(forecast=forecast, living=told["status"] is not None)
