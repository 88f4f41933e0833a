"""What is asked of a trace store, and how its answers are taken: strictly, with the source's name in every refusal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import orjson

from domain.errors import QueryExecutionError, QuerySourceError
from domain.spans import Span
from store.prometheus.http import SourceHttp, SourceStatus
from store.traces import TraceSummary

QUANTILES: Final = ("0.5", "0.9", "0.95", "0.99")
"""Of latency: what a ``trace`` trigger may measure."""
RED_WINDOW_MS: Final = 120_000
"""Of present values: two minutes hold a point of every store that aggregates once a minute."""

_PLAIN: Final = (400, 404, 405, 422, 501)
"""Tempo refuses in plain text."""

Params = Mapping[str, str | list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Newest traces between two times, of a service, an operation, a least duration."""

    service: str | None
    operation: str | None
    min_duration_seconds: float | None
    start_ms: int
    end_ms: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Red:
    """Present rate, errors and durations of one operation's server spans; what is not known is left out.

    Attributes:
        operation: Empty where the store does not tell operations apart.
        calls: Per second.
        errors: Per second.
        latency_seconds: By quantile, ``0.95``.
    """

    service: str
    operation: str
    calls: float | None
    errors: float | None
    latency_seconds: Mapping[str, float]


class TraceSource(Protocol):
    """A trace store; every method may block and raises errors of the ``QueryError`` branch."""

    def search(self, wanted: Search) -> list[TraceSummary]:
        """Newest first."""
        ...

    def trace(self, trace_id: str) -> list[Span]:
        """All spans by start; empty where it is not known."""
        ...

    def services(self) -> list[str]:
        """All that it knows, sorted."""
        ...

    def red(self, services: Sequence[str], *, at_ms: int) -> list[Red]:
        """Present values; empty where the store keeps none."""
        ...

    def status(self) -> SourceStatus:
        """How it does."""
        ...

    def close(self) -> None:
        """Close its connections."""
        ...


class TraceServer:
    """What ``Jaeger`` and ``Tempo`` share: the door through which they are asked."""

    def __init__(self, http: SourceHttp) -> None:
        """Ask through ``http``; it is closed with this."""
        self._http, self._name = http, http.config.name

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def status(self) -> SourceStatus:
        """How it does."""
        return self._http.status()


def get_json(http: SourceHttp, path: str, params: Params, *, absent: Sequence[int] = (404,)) -> dict[str, Any] | None:
    """The object at a path; None where the server says that there is none.

    Args:
        http: The source's door.
        path: Below the source's URL.
        params: Of the query.
        absent: Statuses that mean: not here.

    Raises:
        QueryExecutionError: The server understood and refuses.
        QuerySourceError: It does not answer, or not in JSON.
    """

    def ask() -> dict[str, Any] | None:
        status, body = http.fetch(path, params=params, plain=_PLAIN)
        if status in absent:
            return None
        if status >= 500:
            raise QuerySourceError(f"source {http.config.name}: the server answers {status}: {_said(body)}")
        if status >= 400:
            raise QueryExecutionError(f"source {http.config.name}: {_said(body)}")
        return _object(body, http.config.name)

    return http.asked(ask)


def listed(value: object, source: str, what: str) -> list[Any]:
    """A list; none at all is an empty one. ``QuerySourceError`` for anything else."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise QuerySourceError(f"source {source}: {what} is no list")
    return value


def _object(body: bytes, source: str) -> dict[str, Any]:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise QuerySourceError(f"source {source}: the answer is no JSON ({error.msg} at {error.pos})") from error
    if not isinstance(answer, dict):
        raise QuerySourceError(f"source {source}: the answer is no object")
    return answer


def _said(body: bytes) -> str:
    """The server's words: Jaeger's ``errors[0].msg``, else the beginning of its body."""
    try:
        return str(orjson.loads(body)["errors"][0]["msg"])
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError):
        return " ".join(body.decode(errors="replace").split())[:200] or "no reason given"
