"""What pydantic finds wrong with a document, in our sentences and at the document's places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rules.wording import found, nearest, one_of, quote, suggestion
from rules.yaml_tree import Document, Path

Fault = tuple[Path, str, bool]
"""Where, the sentence, and whether it is about the key there."""
_EXPECTED: Final = {
    "model_type": "expected a mapping",
    "model_attributes_type": "expected a mapping",
    "dict_type": "expected a mapping",
    "tuple_type": "expected a list",
    "list_type": "expected a list",
    "int_type": "expected a whole number",
    "bool_type": "expected true or false",
}
_LATER: Final = {
    "notify": "waits for Receiver documents, which are not there yet",
    "verify": "is not there yet: no rule is switched on and off by days; what a rule saves is told by the ledger",
}
_FORMS: Final = ("[query]", "[number]")
_BOUND: Final = {
    "greater_than_equal": ("must be at least", "ge"),
    "less_than_equal": ("must be at most", "le"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A document's model, or what is wrong with its data.

    Attributes:
        misspelt: Fields that are there under a misspelt name: that they are missing need not be said, too.
    """

    model: BaseModel | None
    faults: tuple[Fault, ...] = ()
    misspelt: frozenset[Path] = frozenset()


def read(document: Document, model: type[BaseModel]) -> Reading:
    """What pydantic makes of the document."""
    try:
        # by_name=False: Python's names (per_replica) are no fields of a document.
        return Reading(model=model.model_validate(document.data, by_alias=True, by_name=False))
    except ValidationError as error:
        return of_error(document, error, model)


def of_error(document: Document, error: ValidationError, model: type[BaseModel]) -> Reading:
    """Everything that pydantic found, each at its place."""
    errors = error.errors(include_url=False)
    misspelt = _misspelt(errors, model)
    faults = tuple(fault for one in errors if (fault := _fault(document, one, model))[0] not in misspelt)
    return Reading(model=None, faults=faults, misspelt=misspelt)


def _in_document(path: Path) -> Path:
    """Without pydantic's names for the forms of one field (``[query]``, ``[number]``)."""
    return tuple(part for part in path if part not in _FORMS)


def _misspelt(errors: Sequence[ErrorDetails], model: type[BaseModel]) -> frozenset[Path]:
    unknown = [_in_document(error["loc"]) for error in errors if error["type"] == "extra_forbidden"]
    meant = [(*path[:-1], nearest(str(path[-1]), fields_of(model, path[:-1])) or "") for path in unknown]
    return frozenset(meant)


def _fault(document: Document, error: ErrorDetails, model: type[BaseModel]) -> Fault:
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
        known = fields_of(model, _in_document(fault["loc"])[:-1])
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


def fields_of(model: type[BaseModel], path: Path) -> list[str]:
    """The field names of the model at ``path`` below ``model``."""
    for part in path:
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        if part in fields:  # else an index, or a key of a mapping: its model was found with the field
            model = next(models_in(fields[str(part)].annotation), model)
    return [field.alias or name for name, field in model.model_fields.items()]


def models_in(annotation: object) -> Iterator[type[BaseModel]]:
    """The models that an annotation such as ``tuple[Trigger, ...] | None`` speaks of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models_in(inner)
