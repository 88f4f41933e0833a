"""The demo's past: three weeks of 24-minute days, generated, marked as such and loaded before the first scrape."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from domain.clock import to_ms
from domain.names import JOB
from domain.series import Series
from store.metrics import Matcher, MetricsStore

log = logging.getLogger(__name__)

DEMO_CONFIG: Final = Path(__file__).resolve().parent.parent / "examples" / "shop" / "foretide.yaml"
DAYS: Final = 21
STEP: Final = timedelta(seconds=5)


def load_history(store: MetricsStore, *, now: datetime) -> None:
    """Fill what is missing before ``now``: all of it the first time, later only the time we were not running."""
    from examples.shop.curve import history

    newest = max((sample.timestamp_ms for sample in store.last_values([_matcher(JOB, "edge")])), default=0)
    if to_ms(now) - newest < 2 * STEP / timedelta(milliseconds=1):
        return
    missing = [_after(series, newest) for series in history(now, days=DAYS, step_seconds=int(STEP.total_seconds()))]
    store.load(series for series in missing if len(series.timestamps_ms))
    log.info("generated the demo's history", extra={"demo_days": DAYS, "series": len(missing)})


def _after(series: Series, newest_ms: int) -> Series:
    later = series.timestamps_ms > newest_ms
    return replace(series, timestamps_ms=series.timestamps_ms[later], values=series.values[later])


def _matcher(name: str, value: str) -> Matcher:
    return Matcher(name=name, op="=", value=value)
