"""One server's HTTP door for all that asks it: behind its breaker, its bulkhead and its pace.

Redirects are not followed and proxies of the environment not used: a secret goes to the address in foretide.yaml and
nowhere else.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar

import httpx

from domain.clock import Clock
from domain.errors import QueryError, QueryLimitError, QuerySourceError, QueryTimeoutError, SettingsError
from store.prometheus import auth
from store.prometheus.breaker import Breaker, BreakerState, Bulkhead, Pace
from store.prometheus.config import SourceConfig
from store.prometheus.metrics import SourceMetrics

MAX_ANSWER_BYTES: Final = 64 * 2**20
"""As for a scraped page."""
_LONGEST_WORDS: Final = 300
_REFUSED: Final = {401: "does not know us (401): look at the source's credentials", 403: "forbids it (403)"}

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """How a source does.

    Attributes:
        breaker: ``closed`` is well.
        last_error: Empty after an answer.
        queries: Sent since the start.
    """

    name: str
    url: str
    breaker: BreakerState
    last_error: str
    queries: int


class SourceHttp:
    """The connections to one source; close it."""

    def __init__(
        self,
        config: SourceConfig,
        *,
        clock: Clock,
        metrics: SourceMetrics,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        """Nothing is asked yet.

        Raises:
            SettingsError: A certificate of the source cannot be read.
        """
        self.config, self._clock, self._metrics = config, clock, metrics
        seconds = config.timeout.total_seconds()
        self._http = new_http(config, clock=clock)
        self._breaker = Breaker(config.name, clock=clock)
        self._bulkhead = Bulkhead(config.name, at_once=config.max_concurrent, patience_seconds=seconds)
        self._pace = Pace(config.name, per_second=config.max_queries_per_second, clock=clock, wait=wait)
        self._sent = 0

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def status(self) -> SourceStatus:
        """How it does."""
        return SourceStatus(
            name=self.config.name, url=self.config.url, breaker=self._breaker.state,
            last_error=self._breaker.last_error, queries=self._sent,
        )  # fmt: skip

    def asked(self, ask: Callable[[], T]) -> T:
        """What ``ask`` answers, which uses ``fetch`` and raises errors of the ``QueryError`` branch; counted, timed."""
        name, seconds = self.config.name, self.config.timeout.total_seconds()
        began = self._clock.monotonic()
        try:
            with self._bulkhead.place():
                self._breaker.check()
                self._pace.take(patience_seconds=seconds)
                self._breaker.admit()
                self._sent += 1
                with self._told():
                    answer = ask()
        except QueryError as error:
            self._metrics.queries.labels(source=name, result=type(error).__name__.removesuffix("Error")).inc()
            raise
        finally:
            self._metrics.seconds.labels(source=name).observe(self._clock.monotonic() - began)
        self._metrics.queries.labels(source=name, result="ok").inc()
        return answer

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell the breaker how it went: an answer is a success, even where it is a refusal of the query."""
        try:
            yield
        except _ThrottledError as error:
            self._breaker.failed(str(error), retry_after_seconds=error.retry_after_seconds)
            raise QuerySourceError(str(error)) from error
        except (QuerySourceError, QueryTimeoutError) as error:
            self._breaker.failed(str(error))
            raise
        except QueryError:
            self._breaker.succeeded()
            raise
        except BaseException as error:  # a half-open breaker must not wait for ever for a thread that is gone
            self._breaker.failed(type(error).__name__)
            raise
        self._breaker.succeeded()

    def fetch(
        self,
        path: str,
        *,
        form: Mapping[str, str] | None = None,
        params: Mapping[str, str | list[str]] | None = None,
        plain: Collection[int] = (),
    ) -> tuple[int, bytes]:
        """Status and body of an answer that may be the API's own; else ``QuerySourceError``.

        Args:
            path: Below the source's URL.
            form: Sent as a POST; without one it is a GET.
            params: Of the URL.
            plain: Statuses that the API gives with a plain text; with any other but 2xx it answers in JSON.
        """
        name, seconds = self.config.name, self.config.timeout.total_seconds()
        url, method = f"{self.config.url.rstrip('/')}{path}", "GET" if form is None else "POST"
        try:
            with self._http.stream(method, url, data=form, params=params) as response:
                body = _body(response, name, began=self._clock.monotonic(), clock=self._clock, seconds=seconds)
        except httpx.TimeoutException as error:
            raise QueryTimeoutError(f"source {name}: no answer within {seconds:g} s") from error
        except (httpx.HTTPError, OSError, ValueError) as error:
            raise QuerySourceError(f"source {name}: {_words(str(error)) or type(error).__name__}") from error
        status = response.status_code
        if status in _REFUSED:
            raise QuerySourceError(f"source {name}: the server {_REFUSED[status]}")
        if status in (429, 503) and (pause := _retry_after(response, self._clock.now())) is not None:
            raise _ThrottledError(f"source {name}: the server asks for a pause ({status})", pause)
        if status == 429:
            raise QuerySourceError(f"source {name}: the server throttles us (429)")
        if 200 <= status < 300 or status in plain or body.lstrip()[:1] == b"{":
            return status, body
        raise QuerySourceError(f"source {name}: the server answers {status}: {_words(body.decode(errors='replace'))}")


class _ThrottledError(QuerySourceError):
    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


def new_http(config: SourceConfig, *, clock: Clock) -> httpx.Client:
    """Connections to a source, authenticated; ``SettingsError`` where a certificate cannot be read."""
    try:
        context = auth.tls_context(config.tls)
    except (OSError, ssl.SSLError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise SettingsError(f"source {config.name}: its TLS files cannot be read: {why}") from error
    timeout = httpx.Timeout(config.timeout.total_seconds())
    headers = {"user-agent": "foretide", "accept": "application/json", **dict(config.headers)}
    if config.tenant is not None:
        headers["x-scope-orgid"] = config.tenant
    limits = httpx.Limits(max_connections=config.max_concurrent, max_keepalive_connections=config.max_concurrent)
    return httpx.Client(
        auth=auth.auth_for(config, clock=clock), headers=headers, timeout=timeout, verify=context,
        limits=limits, follow_redirects=False, trust_env=False,
    )  # fmt: skip


def _body(response: httpx.Response, name: str, *, began: float, clock: Clock, seconds: float) -> bytes:
    """The whole body, within the limits: httpx's own timeout is for each read, a trickle would last for ever."""
    parts, size = [], 0
    for part in response.iter_bytes():
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            raise QueryLimitError(f"source {name}: the answer is larger than {MAX_ANSWER_BYTES:,} bytes")
        if clock.monotonic() - began > seconds:
            raise QueryTimeoutError(f"source {name}: no whole answer within {seconds:g} s")
        parts.append(part)
    return b"".join(parts)


def _retry_after(response: httpx.Response, now: datetime) -> float | None:
    written = response.headers.get("retry-after", "")
    if written.isascii() and written.isdigit():
        return float(written)
    try:
        at = parsedate_to_datetime(written)
    except ValueError:
        return None
    return max((at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds(), 0.0)


def _words(text: str) -> str:
    return " ".join(text.split())[:_LONGEST_WORDS]
