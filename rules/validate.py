"""One document becomes a frozen model, or every mistake that it holds, each at its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from domain.errors import Mistake
from rules import checks
from rules.document import API_VERSION
from rules.schema import KINDS, AnyDocument
from rules.wording import found, nearest, one_of, quote, suggestion
from rules.written import CheckQuery, text_at
from rules.yaml_tree import Document, Path

_GROUP: Final = API_VERSION.partition("/")[0]
_EXPECTED: Final = {
    "model_type": "expected a mapping",
    "model_attributes_type": "expected a mapping",
    "dict_type": "expected a mapping",
    "tuple_type": "expected a list",
    "list_type": "expected a list",
    "int_type": "expected a whole number",
    "bool_type": "expected true or false",
}
_LATER: Final = {"notify": "waits for Receiver documents, which are not there yet"}
_FORMS: Final = ("[query]", "[number]")
_BOUND: Final = {
    "greater_than_equal": ("must be at least", "ge"),
    "less_than_equal": ("must be at most", "le"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated:
    """A document of ours: its model where it has no mistake, else None."""

    document: Document
    model: AnyDocument | None
    mistakes: tuple[Mistake, ...]


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
    model: AnyDocument | None = None
    errors: list[ErrorDetails] = []
    try:
        # by_name=False: Python's names (per_replica) are no fields of a document.
        model = KINDS[kind].model_validate(document.data, by_alias=True, by_name=False)
    except ValidationError as error:
        errors = error.errors(include_url=False)
    faults = [_fault(document, error, KINDS[kind]) for error in errors]
    faults += [(path, message, False) for path, message in checks.within(document.data, check_query)]
    misspelt = _misspelt(errors, KINDS[kind])
    mistakes += [
        document.mistake(path, message, at_key=at_key)
        for path, message, at_key in faults
        if not _is_broken(document, path) and path not in misspelt
    ]
    mistakes.sort(key=lambda mistake: (mistake.line, mistake.column))
    return Validated(document=document, model=None if mistakes else model, mistakes=tuple(mistakes))


def mistakes_of(document: Document, error: ValidationError, model: type[BaseModel]) -> list[Mistake]:
    """Every mistake that pydantic found in another strict document (foretide.yaml), each at its place."""
    errors = error.errors(include_url=False)
    misspelt = _misspelt(errors, model)
    faults = [_fault(document, one, model) for one in errors]
    return [document.mistake(path, said, at_key=at_key) for path, said, at_key in faults if path not in misspelt]


def _in_document(path: Path) -> Path:
    """Without pydantic's names for the forms of one field (``[query]``, ``[number]``)."""
    return tuple(part for part in path if part not in _FORMS)


def _is_broken(document: Document, path: Path) -> bool:
    """Whether the YAML at ``path`` or around it is already a mistake."""
    return any(path[:length] in document.broken for length in range(len(path) + 1))


def _misspelt(errors: Sequence[ErrorDetails], model: type[BaseModel]) -> set[Path]:
    """Fields that are there under a misspelt name: that they are missing need not be said, too."""
    unknown = [_in_document(error["loc"]) for error in errors if error["type"] == "extra_forbidden"]
    meant = [(*path[:-1], nearest(str(path[-1]), _fields_of(model, path[:-1])) or "") for path in unknown]
    return set(meant)


def _fault(document: Document, error: ErrorDetails, model: type[BaseModel]) -> tuple[Path, str, bool]:
    """Path, message, and whether it is about the key."""
    kind, path = error["type"], _in_document(error["loc"])
    about_key = kind == "extra_forbidden" or path[-1:] == ("[key]",)
    if kind == "rule_field":
        path = (*path, *error["ctx"]["at"])
    if kind not in ("missing", "rule_field"):
        path = document.known(path)  # a query's expr may be the query itself; "[key]" is no part of the document
    return path, _message(error, model), about_key


def _message(fault: ErrorDetails, model: type[BaseModel]) -> str:
    kind, value, context = fault["type"], fault["input"], fault.get("ctx", {})
    if kind == "missing":
        return "this field is required"
    if kind == "extra_forbidden":
        known = _fields_of(model, _in_document(fault["loc"])[:-1])
        name = str(fault["loc"][-1])
        if name in _LATER:
            return _LATER[name]
        listed = ", ".join(known)
        return f"unknown field {quote(name)}{suggestion(name, known, otherwise=f'; known are {listed}')}"
    if kind in ("literal_error", "enum"):
        return one_of(_choices(context["expected"]), value)
    if kind in _EXPECTED:
        return f"{_EXPECTED[kind]}; {found(value)}"
    if kind in _BOUND:
        words, bound = _BOUND[kind]
        return f"{words} {context[bound]}; {found(value)}"
    return str(context["error"]) if kind == "value_error" else str(fault["msg"])


def _choices(expected: str) -> list[str]:
    """``'a', 'b' or 'c'``, as pydantic says it."""
    return [word.strip(" '") for word in expected.replace(" or ", ", ").split(",")]


def _fields_of(model: type[BaseModel], path: Path) -> list[str]:
    """The field names of the model at ``path`` below ``model``."""
    for part in path:
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        if part in fields:  # else an index, or a key of a mapping: its model was found with the field
            model = next(_models_in(fields[str(part)].annotation), model)
    return [field.alias or name for name, field in model.model_fields.items()]


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    """The models that an annotation such as ``tuple[Trigger, ...] | None`` speaks of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
