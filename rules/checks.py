"""Mistakes that need two fields, or two documents, to be seen.

They look at the data as written, not at the models, so that a mistake in one field hides none in another. Each check
is a small function over what it can read; what it cannot read is somebody else's mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from domain.errors import Mistake, QueryError, UnknownSourceError
from domain.units import parse_duration
from rules.wording import quote, suggestion
from rules.yaml_tree import Document, Path

Fault = tuple[Path, str]
CheckQuery = Callable[..., None]
"""Called with a query's text and, where it names one, its source: raises ``QueryError`` for a text that this source
cannot evaluate, ``UnknownSourceError`` for a source that is not there."""
_REASONS: Final = ("query", "resource", "forecast")


def within(data: object, check_query: CheckQuery) -> Iterator[Fault]:
    """What is wrong inside one document, beyond its single fields."""
    match text_at(data, "kind"):
        case "ScalingRule":
            yield from _within_rule(data, check_query)
        case "Forecast":
            yield from _within_forecast(data, check_query)


def _within_rule(data: object, check_query: CheckQuery) -> Iterator[Fault]:
    triggers = _mappings(data, "spec", "triggers")
    for index, trigger in triggers:
        path: Path = ("spec", "triggers", index)
        yield from _one_reason(trigger, path)
        yield from _query(trigger, path, check_query)
    yield from _unique_names(triggers, ("spec", "triggers"))
    yield from _forecast_sources(triggers)


def _within_forecast(data: object, check_query: CheckQuery) -> Iterator[Fault]:
    spec = data.get("spec") if isinstance(data, dict) else None
    if not isinstance(spec, dict):
        return
    yield from _query(spec, ("spec",), check_query)
    at: Path = ("spec", "capacity", "limits")
    limits = _mappings(spec, "capacity", "limits")
    for index, limit in limits:
        given = [name for name in ("value", "query") if limit.get(name) is not None]
        if len(given) != 1:
            yield (*at, index, *given[1:]), "a limit has exactly one of value and query"
        yield from _query(limit, (*at, index), check_query)
    yield from _unique_names(limits, at)


def across(documents: Sequence[Document]) -> Iterator[Mistake]:
    """What is wrong between documents, of one file or of several."""
    yield from _unique_documents(documents)
    yield from _unique_targets(documents)
    yield from _forecast_documents(documents)
    yield from _one_price_sheet(documents)
    yield from _one_currency(documents)


def text_at(data: object, *path: str) -> str | None:
    """The text at ``path``; None where there is none."""
    for name in path:
        data = data.get(name) if isinstance(data, dict) else None
    return data if isinstance(data, str) else None


def _mappings(data: object, *path: str) -> list[tuple[int, dict[str, object]]]:
    """The mappings in the list at ``path``, each with its index."""
    for name in path:
        data = data.get(name) if isinstance(data, dict) else None
    items = data if isinstance(data, list) else []
    return [(index, item) for index, item in enumerate(items) if isinstance(item, dict)]


def _one_reason(trigger: dict[str, object], path: Path) -> Iterator[Fault]:
    given = [name for name in _REASONS if trigger.get(name) is not None]
    if not given:
        yield path, "needs one of query, resource and forecast"
    for name in given[1:]:
        yield (*path, name), f"stands beside {given[0]}; a trigger has exactly one of query, resource and forecast"
    has_target = trigger.get("perReplica") is not None
    if "query" in given and not has_target:
        yield (*path, "perReplica"), "this field is required with query: how much of it one replica carries"
    of_document = text_at(trigger, "forecast", "document") is not None
    if given == ["forecast"] and of_document and not has_target:
        yield (*path, "perReplica"), "this field is required with document: how much of its series one replica carries"
    if has_target and given and "query" not in given and not of_document:
        yield (*path, "perReplica"), f"goes with query, not with {given[0]}"
    if trigger.get("fallback") is not None and given == ["forecast"]:
        yield (*path, "fallback"), "goes with query or resource: a missing forecast raises nothing"


def _query(trigger: dict[str, object], path: Path, check_query: CheckQuery) -> Iterator[Fault]:
    query = trigger.get("query")
    at: Path = (*path, "query")
    source = text_at(trigger, "query", "source")
    if isinstance(query, dict):
        query, at = query.get("expr"), (*at, "expr")
    if not isinstance(query, str) or not query.strip():
        return
    try:
        check_query(query) if source is None else check_query(query, source)
    except UnknownSourceError as error:
        yield (*path, "query", "source"), str(error)
    except QueryError as error:
        yield at, str(error)


def _unique_names(items: Sequence[tuple[int, dict[str, object]]], at: Path) -> Iterator[Fault]:
    first: dict[str, int] = {}
    for index, item in items:
        name = item.get("name")
        if isinstance(name, str) and first.setdefault(name, index) != index:
            yield (*at, index, "name"), f"{quote(name)} is also the name of {at[-1]}[{first[name]}]"


def _forecast_sources(triggers: Sequence[tuple[int, dict[str, object]]]) -> Iterator[Fault]:
    names = [trigger["name"] for _, trigger in triggers if trigger.get("query") is not None and "name" in trigger]
    queries = [name for name in names if isinstance(name, str)]
    for index, trigger in triggers:
        forecast = trigger.get("forecast")
        if isinstance(forecast, dict):
            yield from _one_source(forecast, ("spec", "triggers", index, "forecast"))
        of = text_at(trigger, "forecast", "of")
        if of is not None and of not in queries:
            hint = suggestion(of, queries, otherwise=f"; it has {', '.join(queries) or 'none'}")
            message = f"{quote(of)} is not a query trigger of this rule{hint}"
            yield ("spec", "triggers", index, "forecast", "of"), message


def _one_source(forecast: dict[str, object], path: Path) -> Iterator[Fault]:
    if forecast.get("document") is None:
        if forecast.get("of") is None:
            yield path, "needs one of of and document"
        if forecast.get("series"):
            yield (*path, "series"), "goes with document: it names one of its series"
        return
    if forecast.get("of") is not None:
        yield (*path, "document"), "stands beside of; a forecast has exactly one of of and document"


def _namespace(document: Document) -> str:
    return text_at(document.data, "metadata", "namespace") or "default"


def _place(document: Document, *path: str) -> str:
    place = document.values[document.known(path)]
    return f"{document.file}:{place.line}"


def _unique_documents(documents: Sequence[Document]) -> Iterator[Mistake]:
    first: dict[tuple[str, str, str], Document] = {}
    for document in documents:
        kind, name = text_at(document.data, "kind"), text_at(document.data, "metadata", "name")
        if kind is None or name is None:
            continue
        namespace = _namespace(document)
        other = first.setdefault((kind, namespace, name), document)
        if other is not document:
            place = _place(other, "metadata", "name")
            yield document.mistake(("metadata", "name"), f"{kind} {namespace}/{name} is also defined in {place}")


def _unique_targets(documents: Sequence[Document]) -> Iterator[Mistake]:
    first: dict[tuple[str, str, str], Document] = {}
    for document in documents:
        target = text_at(document.data, "spec", "target", "name")
        if text_at(document.data, "kind") != "ScalingRule" or target is None:
            continue
        kind = text_at(document.data, "spec", "target", "kind") or "Deployment"
        namespace = _namespace(document)
        other = first.setdefault((kind, namespace, target), document)
        if other is not document and _named(other) != _named(document):  # the same rule twice is said already
            place = _place(other, "spec", "target", "name")
            message = f"{kind} {namespace}/{target} is already scaled by the rule in {place}"
            yield document.mistake(("spec", "target", "name"), message)


def _forecast_documents(documents: Sequence[Document]) -> Iterator[Mistake]:
    """What rules say of Forecast documents: they are there, and reach as far as the rule looks."""
    known = {"/".join(map(str, _named(one))): one for one in documents if text_at(one.data, "kind") == "Forecast"}
    for document in documents:
        if text_at(document.data, "kind") != "ScalingRule":
            continue
        for index, trigger in _mappings(document.data, "spec", "triggers"):
            name = text_at(trigger, "forecast", "document")
            if name is None:
                continue
            path: Path = ("spec", "triggers", index, "forecast")
            key = name if "/" in name else f"{_namespace(document)}/{name}"
            if key not in known:
                hint = suggestion(key, list(known), otherwise=f"; there is {', '.join(sorted(known)) or 'none'}")
                yield document.mistake((*path, "document"), f"there is no Forecast {quote(key)}{hint}")
            elif fault := _beyond(trigger, known[key]):
                yield document.mistake((*path, "lead"), fault)


def _beyond(trigger: dict[str, object], document: Document) -> str:
    """Why a trigger looks further than its document forecasts; empty when it does not, or nobody can tell."""
    lead, horizon = text_at(trigger, "forecast", "lead"), text_at(document.data, "spec", "horizon") or "24h"
    try:
        beyond = lead is not None and lead != "auto" and parse_duration(lead) > parse_duration(horizon)
    except (ValueError, OverflowError):
        return ""
    return f"must lie within the horizon of the document ({horizon})" if beyond else ""


def _named(document: Document) -> tuple[str, str | None]:
    return _namespace(document), text_at(document.data, "metadata", "name")


def _sheets(documents: Sequence[Document]) -> list[Document]:
    return [document for document in documents if text_at(document.data, "kind") == "PriceSheet"]


def _one_price_sheet(documents: Sequence[Document]) -> Iterator[Mistake]:
    sheets = _sheets(documents)
    for sheet in sheets[1:]:
        place = _place(sheets[0], "kind")
        yield sheet.mistake(("kind",), f"there is already a PriceSheet in {place}; only one can apply")


def _one_currency(documents: Sequence[Document]) -> Iterator[Mistake]:
    for sheet in _sheets(documents)[:1]:
        priced = text_at(sheet.data, "spec", "currency")
        for document in documents:
            limit = text_at(document.data, "spec", "limit", "currency")
            if text_at(document.data, "kind") != "Budget" or None in (limit, priced) or limit == priced:
                continue
            place = _place(sheet, "spec", "currency")
            message = f"{quote(str(limit))} is not the currency of the PriceSheet ({priced}, {place})"
            yield document.mistake(("spec", "limit", "currency"), message)
