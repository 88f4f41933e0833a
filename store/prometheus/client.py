"""Asks one Prometheus-compatible server for PromQL's answers.

Queries go as POST forms: the query of a thousand rules is longer than many a proxy lets a URL be.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from domain.clock import Clock
from domain.errors import QuerySourceError
from store.prometheus import decode
from store.prometheus.config import SourceConfig
from store.prometheus.http import SourceHttp, SourceStatus
from store.prometheus.metrics import SourceMetrics
from store.promql.results import Matrix, QueryLimits, Result


class PrometheusClient:
    """Answers ``QuerySource``; close it."""

    def __init__(
        self,
        config: SourceConfig,
        *,
        clock: Clock,
        metrics: SourceMetrics,
        wait: Callable[[float], None] = time.sleep,
        limits: QueryLimits | None = None,
    ) -> None:
        """Nothing is asked yet.

        Raises:
            SettingsError: A certificate of the source cannot be read.
        """
        self.config = config
        self._limits = limits or QueryLimits()
        self._http = SourceHttp(config, clock=clock, metrics=metrics, wait=wait)

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def status(self) -> SourceStatus:
        """How it does."""
        return self._http.status()

    def instant(self, query: str, *, at_ms: int) -> Result:
        """The value of ``query`` at one time.

        Raises:
            QuerySyntaxError, QueryExecutionError, QueryLimitError, QueryTimeoutError: The server says so.
            QuerySourceError: The server does not answer, or is not asked.
        """
        answer = self._ask("query", {"query": query, "time": _seconds(at_ms)})
        return decode.instant(answer, at_ms=at_ms, source=self.config.name)

    def range(self, query: str, *, start_ms: int, end_ms: int, step_ms: int) -> Matrix:
        """The values of ``query`` at ``start_ms``, ``start_ms + step_ms``, … up to ``end_ms``; errors as above."""
        self._limits.check_steps(start_ms, end_ms, step_ms)
        form = {"query": query, "start": _seconds(start_ms), "end": _seconds(end_ms), "step": _seconds(step_ms)}
        answer = self._ask("query_range", form)
        return decode.range_(answer, start_ms=start_ms, end_ms=end_ms, step_ms=step_ms, source=self.config.name)

    def _ask(self, path: str, form: dict[str, str]) -> dict[str, Any]:
        name, seconds = self.config.name, self.config.timeout.total_seconds()
        # partial_response: Thanos then says that a part is missing instead of leaving it out; others ignore it.
        form = {**form, "timeout": f"{seconds:g}s", "partial_response": "false"}

        def ask() -> dict[str, Any]:
            status, body = self._http.fetch(f"/api/v1/{path}", form=form)
            answer = decode.payload(body, source=name)
            if answer["status"] == "error" and status in (500, 502, 504):
                raise QuerySourceError(f"source {name}: {answer.get('error', status)}")
            if answer["status"] == "error":
                raise decode.refusal(answer, source=name)
            return answer

        return self._http.asked(ask)


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.3f}"
