"""The one query interface: the embedded store's evaluator and a Prometheus-compatible server answer it alike."""

from __future__ import annotations

from typing import Protocol

from store.promql.results import Matrix, Result


class QuerySource(Protocol):
    """Answers PromQL; may block, is asked from several threads, and raises errors of the ``QueryError`` branch."""

    def instant(self, query: str, *, at_ms: int) -> Result:
        """The value of ``query`` at one time."""
        ...

    def range(self, query: str, *, start_ms: int, end_ms: int, step_ms: int) -> Matrix:
        """The values of ``query`` at ``start_ms``, ``start_ms + step_ms``, … up to ``end_ms``."""
        ...
