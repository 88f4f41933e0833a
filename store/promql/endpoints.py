"""The Prometheus HTTP API under ``/prometheus/api/v1``, so that Grafana can take Foretide for a Prometheus.

Sync ``def`` on purpose: evaluation blocks, and FastAPI runs such endpoints in threads.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Annotated, Final, Protocol
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from domain.clock import Clock, to_ms
from domain.errors import QueryError, QueryLimitError, QuerySyntaxError, QueryTimeoutError
from domain.labels import Labels
from store.metrics.matchers import Matcher
from store.promql.answers import failure, result_data, success
from store.promql.evaluate import Evaluator
from store.promql.parameters import (
    MAX_SECONDS,
    BadParameterError,
    Parameters,
    duration_ms,
    first,
    limit,
    matcher_sets,
    time_ms,
)
from store.promql.results import Notes

_log = logging.getLogger(__name__)

_MAX_FORM_BYTES: Final = 10 * 1024 * 1024
"""Go's own bound for a form."""
_EVER_MS: Final = MAX_SECONDS * 1000
_BUILD: Final = {
    # Grafana chooses the requests it makes by this version; 3.0 has all that is answered here and nothing more.
    "version": "3.0.0",
    "revision": "foretide",
    "branch": "",
    "buildUser": "",
    "buildDate": "",
    "goVersion": "",
}


class SeriesIndex(Protocol):
    """What the metadata endpoints ask of a store: label sets of the series with samples between two times."""

    def series(self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int) -> list[Labels]:
        """Label sets of series that match any of the sets; all where there is none."""
        ...

    def label_names(self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int) -> list[str]:
        """Their label names, sorted."""
        ...

    def label_values(
        self, name: str, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> list[str]:
        """The values of one label, sorted."""
        ...


def router(evaluator: Evaluator, store: SeriesIndex, clock: Clock) -> APIRouter:
    """The routes; not in the OpenAPI document, since they speak Prometheus' protocol and not ours."""
    door = _Door(evaluator, store, clock)
    routes = APIRouter(prefix="/prometheus/api/v1", include_in_schema=False)
    routes.add_api_route("/query", door.query, methods=["GET", "POST"])
    routes.add_api_route("/query_range", door.query_range, methods=["GET", "POST"])
    routes.add_api_route("/series", door.series, methods=["GET", "POST"])
    routes.add_api_route("/labels", door.labels, methods=["GET", "POST"])
    routes.add_api_route("/label/{name}/values", door.label_values, methods=["GET"])
    routes.add_api_route("/status/buildinfo", door.build_info, methods=["GET"])
    return routes


async def _parameters(request: Request) -> Parameters:
    """Form values before those of the URL, as Go has them."""
    body = bytearray()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method == "POST" and kind == "application/x-www-form-urlencoded":
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MAX_FORM_BYTES:
                return {"": ("the form is larger than 10 MB",)}
    merged: dict[str, list[str]] = {}
    for source in (body.decode("utf-8", "replace"), request.url.query):
        for name, values in parse_qs(source, keep_blank_values=True).items():
            merged.setdefault(name, []).extend(values)
    return merged


Given = Annotated[Parameters, Depends(_parameters)]


class _Door:
    """The endpoints over one evaluator and one store."""

    def __init__(self, evaluator: Evaluator, store: SeriesIndex, clock: Clock) -> None:
        self._evaluator, self._store, self._clock = evaluator, store, clock

    def query(self, given: Given) -> Response:
        """An instant query; ``time`` is now where it is not given."""

        def answer() -> Response:
            at_ms = time_ms(given, "time", to_ms(self._clock.now()))
            result = self._evaluator.instant(first(given, "query"), at_ms=at_ms)
            return success(result_data(result), result.notes)

        return _answered(given, answer)

    def query_range(self, given: Given) -> Response:
        """A range query."""

        def answer() -> Response:
            start_ms, end_ms = time_ms(given, "start"), time_ms(given, "end")
            if end_ms < start_ms:
                raise BadParameterError('invalid parameter "end": end timestamp must not be before start time')
            step_ms = duration_ms(given, "step")
            if step_ms <= 0:
                raise BadParameterError(
                    'invalid parameter "step": zero or negative query resolution step widths are not accepted. '
                    "Try a positive integer"
                )
            try:
                self._evaluator.limits.check_steps(start_ms, end_ms, step_ms)
            except QueryLimitError as error:
                raise BadParameterError(str(error)) from error
            result = self._evaluator.range(first(given, "query"), start_ms=start_ms, end_ms=end_ms, step_ms=step_ms)
            return success(result_data(result), result.notes)

        return _answered(given, answer)

    def series(self, given: Given) -> Response:
        """Label sets of the series that match any ``match[]``."""

        def answer() -> Response:
            sets = matcher_sets(given)
            if not sets:
                raise BadParameterError("no match[] parameter provided")
            return _listed([dict(labels) for labels in self._store.series(sets, *_between(given))], given)

        return _answered(given, answer)

    def labels(self, given: Given) -> Response:
        """Label names."""
        return _answered(given, lambda: _listed(self._store.label_names(matcher_sets(given), *_between(given)), given))

    def label_values(self, name: str, given: Given) -> Response:
        """Values of one label."""
        return _answered(
            given, lambda: _listed(self._store.label_values(name, matcher_sets(given), *_between(given)), given)
        )

    def build_info(self) -> Response:
        """What Grafana wants to know of the server."""
        return success(_BUILD)


def _between(given: Parameters) -> tuple[int, int]:
    return time_ms(given, "start", -_EVER_MS), time_ms(given, "end", _EVER_MS)


def _listed(found: Sequence[object], given: Parameters) -> Response:
    most = limit(given)
    if most is None or len(found) <= most:
        return success(found)
    return success(found[:most], Notes(warnings=("results truncated due to limit",)))


def _answered(given: Parameters, answer: Callable[[], Response]) -> Response:
    """The answer, or the error in Prometheus' words and codes."""
    try:
        if "" in given:
            raise BadParameterError(first(given, ""))
        return answer()
    except BadParameterError as error:
        return failure("bad_data", str(error), status=400)
    except QuerySyntaxError as error:
        return failure("bad_data", f'invalid parameter "query": {error}', status=400)
    except QueryTimeoutError as error:
        return failure("timeout", str(error), status=503)
    except QueryError as error:
        return failure("execution", str(error), status=422)
    except Exception:
        _log.exception("a Prometheus query failed inside Foretide")
        return failure("internal", "the query failed inside Foretide; its log says why", status=500)
