"""Metrics on one machine: a SQLite journal that survives ``kill -9`` under a head in memory."""

from __future__ import annotations

from store.metrics.limits import DEFAULT_LIMITS, StoreLimits, StoreStats
from store.metrics.matchers import Matcher, MatchOp
from store.metrics.store import MetricsStore

__all__ = ["DEFAULT_LIMITS", "MatchOp", "Matcher", "MetricsStore", "StoreLimits", "StoreStats"]
