"""Mistakes between documents, of one file or of several: what is there twice, and what is named and not there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from domain.errors import Mistake
from domain.units import parse_duration
from rules.wording import quote, suggestion
from rules.written import mappings, text_at
from rules.yaml_tree import Document, Path


def across(documents: Sequence[Document]) -> Iterator[Mistake]:
    """What is wrong between documents, of one file or of several."""
    yield from _unique_documents(documents)
    yield from _unique_targets(documents)
    yield from _named_documents(documents)
    yield from _forecast_documents(documents)
    yield from _one_price_sheet(documents)
    yield from _one_currency(documents)


def _namespace(document: Document) -> str:
    return text_at(document.data, "metadata", "namespace") or "default"


def _place(document: Document, *path: str) -> str:
    place = document.values[document.known(path)]
    return f"{document.file}:{place.line}" if place.line else document.file


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


def _of_kind(documents: Sequence[Document], kind: str) -> dict[str, Document]:
    """By ``namespace/name``."""
    return {"/".join(map(str, _named(one))): one for one in documents if text_at(one.data, "kind") == kind}


def _named_documents(documents: Sequence[Document]) -> Iterator[Mistake]:
    """SLOs that guard and budgets that are linked are there; those of a policy, where they are the same for all."""
    links: tuple[tuple[str, Path], ...] = (("SLO", ("spec", "guard", "slo")), ("Budget", ("spec", "budget")))
    for kind, path in links:
        known = _of_kind(documents, kind)
        for document in documents:
            of_rule, of_policy = text_at(document.data, *path), text_at(document.data, "spec", "template", *path[1:])
            if text_at(document.data, "kind") == "ScalingRule" and of_rule is not None:
                yield from _dangling(document, path, kind, of_rule, known)
            if of_policy is not None and "/" in of_policy and "{{" not in of_policy:
                yield from _dangling(document, ("spec", "template", *path[1:]), kind, of_policy, known)


def _dangling(document: Document, path: Path, kind: str, name: str, known: Collection[str]) -> Iterator[Mistake]:
    key = name if "/" in name else f"{_namespace(document)}/{name}"
    if key not in known:
        elsewhere = [one for one in known if one.partition("/")[2] == name]
        there = f"; there is {', '.join(sorted(known)[:10])}" if known else f", and no other {kind}"
        hint = suggestion(key, known, otherwise=there)
        if elsewhere:
            hint = f'; did you mean "{elsewhere[0]}"?'
        yield document.mistake(path, f"there is no {kind} {quote(key)}{hint}")


def _forecast_documents(documents: Sequence[Document]) -> Iterator[Mistake]:
    """What rules say of Forecast documents: they are there, and reach as far as the rule looks."""
    known = _of_kind(documents, "Forecast")
    for document in documents:
        if text_at(document.data, "kind") != "ScalingRule":
            continue
        for index, trigger in mappings(document.data, "spec", "triggers"):
            name = text_at(trigger, "forecast", "document")
            if name is None:
                continue
            path: Path = ("spec", "triggers", index, "forecast")
            key = name if "/" in name else f"{_namespace(document)}/{name}"
            yield from _dangling(document, (*path, "document"), "Forecast", name, known)
            if key in known and (fault := _beyond(trigger, known[key])):
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
            path = ("spec", "limit" if text_at(document.data, "spec", "limit", "currency") else "amount", "currency")
            limit = text_at(document.data, *path)
            if text_at(document.data, "kind") != "Budget" or None in (limit, priced) or limit == priced:
                continue
            place = _place(sheet, "spec", "currency")
            message = f"{quote(str(limit))} is not the currency of the PriceSheet ({priced}, {place})"
            yield document.mistake(path, message)
