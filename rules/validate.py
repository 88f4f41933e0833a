"""One document becomes a frozen model, or every mistake that it holds, each at its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, cast

from pydantic import BaseModel, ValidationError

from domain.errors import Mistake
from rules import checks, faults, template
from rules.document import API_VERSION
from rules.faults import Fault
from rules.schema import KINDS, AnyDocument
from rules.wording import one_of
from rules.written import CheckQuery, at, text_at
from rules.yaml_tree import Document, Path, Place

_TEMPLATE: Final[Path] = ("spec", "template")
_QUERIES: Final = ("query", "expr", "pods", "length", "arrivals", "partitions")
"""Fields whose text is PromQL, whatever stands at a placeholder in it."""
_NEVER_TEXT: Final = ("expected a whole number", "expected percent as", "expected true or false")
_GROUP: Final = API_VERSION.partition("/")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated:
    """A document of ours: its model where it has no mistake, else None.

    ``warnings`` are no mistakes: what is allowed and probably not meant.
    """

    document: Document
    model: AnyDocument | None
    mistakes: tuple[Mistake, ...]
    warnings: tuple[Mistake, ...] = ()


def is_ours(document: Document) -> bool:
    """Whether the document claims to be one of Foretide's: by its apiVersion or, where that is missing, its kind."""
    version = text_at(document.data, "apiVersion")
    if version is None:
        return text_at(document.data, "kind") in KINDS
    return version.startswith(_GROUP)


def validate(document: Document, *, check_query: CheckQuery) -> Validated:
    """The model, or every mistake of a document of ours."""
    kind = text_at(document.data, "kind")
    mistakes = list(document.mistakes)
    if kind not in KINDS:
        value = document.data.get("kind") if isinstance(document.data, dict) else None
        mistakes.append(document.mistake(("kind",), one_of(list(KINDS), value)))
        return Validated(document=document, model=None, mistakes=tuple(mistakes))
    model, found = _read(document, KINDS[kind], check_query)
    if kind == "ScalingPolicy":
        found += _of_template(document, check_query)
    mistakes += [
        document.mistake(path, message, at_key=at_key)
        for path, message, at_key in found
        if not _is_broken(document, path)
    ]
    mistakes.sort(key=lambda mistake: (mistake.line, mistake.column))
    if mistakes:
        return Validated(document=document, model=None, mistakes=tuple(mistakes))
    warnings = [document.mistake(path, said) for path, said in checks.warnings(document.data)]
    return Validated(document=document, model=cast(AnyDocument, model), mistakes=(), warnings=tuple(warnings))


def _read(document: Document, model: type[BaseModel], check_query: CheckQuery) -> tuple[BaseModel | None, list[Fault]]:
    """The model, and what pydantic and the checks find."""
    reading = faults.read(document, model)
    checked = [(path, said, False) for path, said in checks.within(document.data, check_query)]
    return reading.model, [*reading.faults, *(one for one in checked if one[0] not in reading.misspelt)]


def _of_template(document: Document, check_query: CheckQuery) -> list[Fault]:
    """What is wrong with a policy's template: it is a rule's spec for any workload, except at its placeholders."""
    written = at(document.data, *_TEMPLATE)
    if not isinstance(written, dict):
        return []
    told: list[Fault] = [(path, said, False) for path, said in template.unknown(written, _TEMPLATE)]
    if "target" in written:
        told.append(((*_TEMPLATE, "target"), "stands in no template: the selector finds the targets", True))
    rule, target = template.sampled(written), {"kind": template.SAMPLE.kind, "name": template.SAMPLE.name}
    metadata = {"name": template.SAMPLE.name, "namespace": template.SAMPLE.namespace}
    data = {"apiVersion": API_VERSION, "kind": "ScalingRule", "metadata": metadata, "spec": {**rule, "target": target}}
    shifted = replace(
        document, data=data, values=_below(document.values, _TEMPLATE), keys=_below(document.keys, _TEMPLATE)
    )
    open_ = {path for path, _ in template.placeholders(written, ("spec",))}
    _, found = _read(shifted, KINDS["ScalingRule"], check_query)
    for path, said, at_key in found:
        here = (*_TEMPLATE, *path[1:])
        if path in open_ and said.startswith(_NEVER_TEXT):
            told.append((here, "takes no placeholder, which is text: write the value out", at_key))
        elif path not in open_ or path[-1] in _QUERIES:
            told.append((here, said, at_key))
    return told


def _below(places: Mapping[Path, Place], path: Path) -> dict[Path, Place]:
    """The places below ``path``, as those of a spec."""
    length = len(path)
    return {("spec", *at[length:]): place for at, place in places.items() if at[:length] == path}


def mistakes_of(document: Document, error: ValidationError, model: type[BaseModel]) -> list[Mistake]:
    """Every mistake that pydantic found in another strict document (foretide.yaml), each at its place."""
    found = faults.of_error(document, error, model).faults
    return [document.mistake(path, said, at_key=at_key) for path, said, at_key in found]


def _is_broken(document: Document, path: Path) -> bool:
    """Whether the YAML at ``path`` or around it is already a mistake."""
    return any(path[:length] in document.broken for length in range(len(path) + 1))
