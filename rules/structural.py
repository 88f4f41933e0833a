"""A JSON Schema as the API server takes one: structural, every reference written out, every union reduced.

What OpenAPI v3 cannot say is left out (the schema is then wider, never narrower): a default, because the product fills
it in and says where each field came from; a fixed kind, because the server knows it. A number that may also be text
(``0.5`` and ``250m``) is more than ``int-or-string``, so such a field has no type, and what is neither is refused by
bounds that nothing meets.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from rules.fields import PLACEHOLDER

Node = dict[str, Any]

MOST_ITEMS: Final = 64
"""Of a list of mappings: enough for any document of 256 KiB seen so far, and small enough for CEL's cost estimate."""
MOST_VALUES: Final = 1024
"""Of a list of plain values, such as a calendar's days."""
MOST_ENTRIES: Final = 64
"""Of a mapping with keys of the operator's own, such as labels."""
LONGEST_TEXT: Final = 8192
"""A query's; every text without a limit of its own gets this one."""
LONGEST_PLAIN_TEXT: Final = 253
"""Of a text with a pattern: a name, a duration, a cron expression."""
_COPIED: Final = ("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "enum", "format", "required")
_NEVER: Final[dict[str, Node]] = {
    "number": {"minimum": 1, "maximum": 0},
    "object": {"minProperties": 1, "maxProperties": 0},
    "array": {"minItems": 1, "maxItems": 0},
}
"""Bounds that no value of a type meets: how an untyped field refuses it."""
_ALTERNATIVE: Final = f"|{PLACEHOLDER}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Additions:
    """What a model's schema cannot say of itself, by the model's name.

    Attributes:
        cel: ``x-kubernetes-validations``.
        logic: Junctors over which fields are there, for fields that CEL cannot see.
        named_lists: Lists whose items have a name of their own: the server keeps them unique.
    """

    cel: Mapping[str, Sequence[Node]] = field(default_factory=dict)
    logic: Mapping[str, Node] = field(default_factory=dict)
    named_lists: Mapping[tuple[str, str], str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Around:
    defs: Mapping[str, Node]
    additions: Additions
    in_template: bool = False


def structural(model: str, defs: Mapping[str, Node], additions: Additions) -> Node:
    """The structural schema of one definition, with all below it."""
    return _of({"$ref": f"#/$defs/{model}"}, _Around(defs=defs, additions=additions))


def _of(node: Node, around: _Around) -> Node:
    name = str(node.get("$ref", "")).rpartition("/")[2]
    if name:
        node = {**around.defs[name], **{key: value for key, value in node.items() if key != "$ref"}}
    choices = node.get("anyOf") or node.get("oneOf")
    if choices is None and isinstance(node.get("type"), list):
        choices = [{**node, "type": one} for one in node["type"]]
    made = _union(choices, around) if choices else _one(node, name, around)
    return _described(node, made)


def _one(node: Node, model: str, around: _Around) -> Node:
    made = {"type": node["type"]} | _bounds(node, around)
    match node["type"]:
        case "object":
            made |= _mapping(node, model, around)
        case "array":
            made["items"] = _of(node["items"], around)
            of_mappings = made["items"].get("type") == "object"
            made.setdefault("maxItems", MOST_ITEMS if of_mappings else MOST_VALUES)
        case "string" if "enum" not in made and "format" not in made:
            made.setdefault("maxLength", LONGEST_PLAIN_TEXT if made.get("pattern", r"\S") != r"\S" else LONGEST_TEXT)
    return made


def _mapping(node: Node, model: str, around: _Around) -> Node:
    made: Node = {}
    if "properties" in node:
        made["properties"] = {name: _property(model, name, one, around) for name, one in node["properties"].items()}
    elif isinstance(node.get("additionalProperties"), dict):
        made |= {"additionalProperties": _of(node["additionalProperties"], around), "maxProperties": MOST_ENTRIES}
    else:
        made["x-kubernetes-preserve-unknown-fields"] = True
    made |= around.additions.logic.get(model, {})
    if rules := around.additions.cel.get(model):
        made["x-kubernetes-validations"] = list(rules)
    return made


def _property(model: str, name: str, node: Node, around: _Around) -> Node:
    if "target" not in node.get("properties", {"target": {}}) and name == "template":
        return _described(node, _one(node, "ScalingRuleSpec", replace(around, in_template=True)))
    made = _of(node, around)
    if key := around.additions.named_lists.get((model, name)):
        made |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}
    return made


def _union(choices: Sequence[Node], around: _Around) -> Node:
    """Of a number, a text and a mapping, or of two of them; a choice of one type is that type."""
    found = {str(one["type"]): one for one in _flat(choices, around)}
    if len(found) == 1:
        return _one(next(iter(found.values())), "", around)
    bounds: Node = {}
    for one in found.values():
        bounds |= _bounds(one, around)
    if set(found) == {"integer", "string"}:
        either = {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}
        return either | bounds | {"maxLength": LONGEST_PLAIN_TEXT}
    made: Node = {"x-kubernetes-preserve-unknown-fields": True, "not": {"enum": [True, False]}, **bounds}
    if "integer" in found:
        made["multipleOf"] = 1
    for kind, never in _NEVER.items():
        if kind not in found and not (kind == "number" and "integer" in found):
            made |= never
    return made | (_closed(found["object"], around) if "object" in found else {})


def _flat(choices: Sequence[Node], around: _Around) -> Iterator[Node]:
    """Choices with a type each: references followed, choices of choices taken apart, a constant as a pattern.

    Raises:
        ValueError: A union that no structural schema can say.
    """
    for one in choices:
        choice = around.defs[one["$ref"].rpartition("/")[2]] if "$ref" in one else one
        if choice.get("type") == "null":
            continue  # the server drops a null where none may stand
        if inner := choice.get("anyOf") or choice.get("oneOf"):
            yield from _flat(inner, around)
        elif "const" in choice:
            yield {"type": "string", "pattern": f"^{choice['const']}$"}
        elif isinstance(choice.get("type"), str):
            yield choice
        else:
            raise ValueError(f"no structural schema says {json.dumps(choice)}")


def _closed(node: Node, around: _Around) -> Node:
    """A mapping where no type may stand: that it has no other fields is said by counting them."""
    fields, required = node["properties"], node.get("required", [])
    optional = [name for name in fields if name not in required]
    made: Node = {"properties": {name: _of(one, around) for name, one in fields.items()}, "required": required}
    made["maxProperties"] = len(fields)
    if len(optional) == 1:
        made["anyOf"] = [{"maxProperties": len(required)}, {"required": optional}]
    return made


def _bounds(node: Node, around: _Around) -> Node:
    made: Node = {key: node[key] for key in _COPIED if key in node and key != "required"}
    if node.get("type") == "object" and node.get("required"):
        made["required"] = list(node["required"])
    if "const" in node:
        made["enum"] = [node["const"]]
    for name, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if name in node:
            made |= {bound: node[name], name: True}
    if "pattern" in node:
        made["pattern"] = node["pattern"] if around.in_template else node["pattern"].replace(_ALTERNATIVE, "")
    if around.in_template and "pattern" in made:
        made.pop("maxLength", None)
    return made


def _described(node: Node, made: Node) -> Node:
    told = str(node.get("description", "")).strip()
    default = node.get("default")
    if default not in (None, "", [], {}) and not isinstance(default, dict):
        told = f"{told} (default {json.dumps(default) if not isinstance(default, str) else default})".strip()
    return {"description": told, **made} if told else made
