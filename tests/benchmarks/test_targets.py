"""The made-up targets are well formed, and their past and their present are one series."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from benchmarks import targets
from domain.labels import METRIC_NAME

ADDRESSES = ["127.0.0.1:1", "127.0.0.1:2"]


def test_a_page_has_150_series(now: datetime) -> None:
    page = targets.page(now.timestamp(), target=3)
    lines = [line.rpartition(" ")[0] for line in page.splitlines() if not line.startswith("#")]
    assert len(lines) == len(set(lines)) == 150


def test_counters_only_grow(now: datetime) -> None:
    seconds = now.timestamp() + np.arange(0, 2 * 86_400, 5.0)
    for target in range(10):
        assert (np.diff(targets.requests_until(seconds, target=target)) > 0).all()


def test_the_history_ends_where_the_scrapes_begin(now: datetime) -> None:
    (*_, newest) = targets.history(ADDRESSES, until=now, days=1)
    assert newest.timestamps_ms[-1] == now.timestamp() * 1000
    assert len(newest.timestamps_ms) == 24 * 60 + 1
    wanted = {name: value for name, value in newest.labels if name not in (METRIC_NAME, "job", "instance")}
    page = targets.page(now.timestamp(), target=1)
    inside = ",".join(f'{name}="{wanted[name]}"' for name in ("method", "route", "code"))
    assert f"{targets.REQUESTS}{{{inside}}} {newest.values[-1]}" in page.splitlines()
    later = targets.page((now + timedelta(seconds=5)).timestamp(), target=1)
    assert later != page
