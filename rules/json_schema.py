"""The JSON Schema of every kind of document, for editors: ``python -m rules.json_schema > rules/schema.json``.

What a field means is read from the tables of docs/, so that an editor says what the documentation says; that works in
a checkout only, and ``schema.json`` is what is shipped. The schema is wider than the loader: it knows fields, types and
choices, not what two fields have to do with each other. ``foretide check`` knows.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from domain.units import format_duration
from rules.faults import models_in
from rules.schema import KINDS

DOCS: Final = Path(__file__).parent.parent / "docs"
_PAGES: Final = {
    "ScalingRule": ("rules.md", "ScalingRule"), "Budget": ("rules.md", "Budget"),
    "PriceSheet": ("rules.md", "PriceSheet"), "Forecast": ("forecast-documents.md", "Fields"),
    "SLO": ("slo.md", ""), "ScalingPolicy": ("policies.md", ""), "Receiver": ("receivers.md", ""),
}  # fmt: skip
_MORE_PAGES: Final = {"Budget": "budgets.md"}
"""Fields of a kind that have a page of their own."""
_REFERENCE: Final = "#/$defs/{model}"
_LINK: Final = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_NOTE: Final = re.compile(r" \(see [^)]*\)")
_PLAIN_TYPES: Final = {"date-time": {"type": "string"}, "duration": {"type": "string"}}

Fields = dict[str, str]
"""What the documentation says of a field, by its dotted path below the document, without indices."""


def schema(docs: Path = DOCS) -> dict[str, Any]:
    """The whole schema: a document is of the kind that its ``kind`` names."""
    defs: dict[str, Any] = {}
    for kind, model in KINDS.items():
        told = {**_below_spec("rules.md", "", docs, "metadata."), **_below_spec(*_PAGES[kind], docs, "spec.")}
        if kind in _MORE_PAGES:
            told |= _below_spec(_MORE_PAGES[kind], "", docs, "spec.")
        _add(model, defs, told)
    for there in [there for one in defs.values() for there in one.get("properties", {}).values()]:
        there.setdefault("description", _of_model(there, defs))
    defs["ScalingPolicySpec"]["properties"]["template"] |= _template(defs["ScalingRuleSpec"])
    whens = [{"if": {"properties": {"kind": {"const": kind}}}, "then": {"$ref": f"#/$defs/{kind}"}} for kind in KINDS]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Foretide's documents",
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {"kind": {"enum": list(KINDS)}},
        "allOf": whens,
        "$defs": dict(sorted(defs.items())),
    }


def _add(model: type[BaseModel], defs: dict[str, Any], told: Fields) -> None:
    """The definitions of a model and of all below it, each field with what is told of it first."""
    made = model.model_json_schema(by_alias=True, mode="validation", ref_template=_REFERENCE)
    inner = {**made.pop("$defs", {}), model.__name__: made}
    for name, definition in inner.items():
        defs.setdefault(name, _plain(definition))
    for holder, name, field, path in _paths(model, ""):
        definition = defs[holder.__name__]
        as_mapping = definition if "properties" in definition else definition["anyOf"][1]  # a query may be a text
        there = as_mapping["properties"][name]
        if isinstance(field.default, timedelta):
            there["default"] = format_duration(field.default)
        if path in told and "description" not in there:
            there["description"] = told[path]


def _of_model(there: dict[str, Any], defs: dict[str, Any]) -> str:
    """What is said of the model that stands in a field; a constant says itself what it is."""
    name = str(there.get("$ref") or there.get("items", {}).get("$ref", "")).rpartition("/")[2]
    return str(defs.get(name, {}).get("description", ""))


def _paths(model: type[BaseModel], below: str) -> Iterator[tuple[type[BaseModel], str, FieldInfo, str]]:
    """Model, name, field and dotted path of everything below a model."""
    for name, field in model.model_fields.items():
        alias = field.alias or name
        yield model, alias, field, f"{below}{alias}"
        for inner in models_in(field.annotation):
            yield from _paths(inner, f"{below}{alias}.")


def _plain(node: Any) -> Any:
    """As an editor should see it: no null to write, no titles made of names, our own forms of time."""
    if isinstance(node, list):
        return [_plain(one) for one in node]
    if not isinstance(node, dict):
        return node
    if "properties" in node:
        properties = {name: {"title": name, **_plain(one)} for name, one in node["properties"].items()}
        return {**_plain({name: one for name, one in node.items() if name != "properties"}), "properties": properties}
    found = {name: _plain(one) for name, one in node.items() if name != "title"}
    if isinstance(found.get("description"), str):
        found["description"] = _said(found["description"].partition("\n")[0])
    if found.get("default", ...) is None:
        del found["default"]
    if found.get("format") in _PLAIN_TYPES:
        del found["format"]
    choices = [one for one in found.pop("anyOf", []) if one != {"type": "null"}]
    if len(choices) == 1:
        return {**choices[0], **found}
    return {**found, "anyOf": choices} if choices else found


def _template(spec: dict[str, Any]) -> dict[str, Any]:
    """A rule's spec without target, in which a text may stand for a number: the schema knows its fields only."""
    properties = {name: one for name, one in spec["properties"].items() if name != "target"}
    required = [name for name in spec["required"] if name != "target"]
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": required}


def _below_spec(page: str, heading: str, docs: Path, root: str) -> Fields:
    """The rows of every table of fields under a heading, or on the whole page."""
    text = (docs / page).read_text(encoding="utf-8")
    if heading:
        text = re.split(r"^## ", text.partition(f"\n## {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    told: Fields = {}
    for head, rows in re.findall(r"^\| field(.*)\|$\n^\|[-|]*\|$\n((?:^\|.*\n?)*)", text, flags=re.MULTILINE):
        bases = [name for name in re.findall(r"`([^`]*)`", head) if name != "spec"] or [""]
        for row in rows.splitlines():
            names, *_, meaning = (cell.strip() for cell in row.strip("|").split(" | "))
            for path in (f"{base}.{name}" for base in bases for name in re.findall(r"`([^`]*)`", names)):
                told.setdefault(_dotted(root, path), _said(meaning))
    return told


def _dotted(root: str, path: str) -> str:
    path = path.replace("[]", "").strip(".")
    return path if path.startswith("metadata.") else f"{root}{path}"


def _said(meaning: str) -> str:
    return _NOTE.sub("", _LINK.sub(r"\1", meaning)).replace("`", "").strip(" |")


if __name__ == "__main__":
    json.dump(schema(), sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")
