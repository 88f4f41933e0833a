"""deploy/crds are what ``python -m rules.crds`` writes: structural, of every kind, open to everything that loads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft4Validator

from rules.crd_names import plural
from rules.crds import FOLDER, crds, files
from rules.fields import PLACEHOLDER
from rules.schema import KINDS
from tests.rules.test_json_schema import OURS, documents

CRDS = crds()
SCHEMAS = {one["spec"]["names"]["kind"]: one["spec"]["versions"][0]["schema"] for one in CRDS.values()}
FORBIDDEN = {"$ref", "$defs", "definitions", "const", "additionalItems", "patternProperties", "propertyNames", "title"}
ONLY_OUTSIDE = {"type", "default", "description", "nullable", "additionalProperties", "x-kubernetes-validations"}


def nodes(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Every schema below one: where, which, and whether it stands within a junctor."""
    yield path, schema, False
    for name, one in schema.get("properties", {}).items():
        yield from nodes(one, f"{path}.{name}")
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield from nodes(schema[name], f"{path}.{name}")
    for name in ("allOf", "anyOf", "oneOf"):
        for one in schema.get(name, []):
            yield from ((at, node, True) for at, node, _ in nodes(one, f"{path}.{name}"))
    if "not" in schema:
        yield from ((at, node, True) for at, node, _ in nodes(schema["not"], f"{path}.not"))


ALL = [
    (kind, *one) for kind, schema in SCHEMAS.items() for one in nodes(schema["openAPIV3Schema"]["properties"]["spec"])
]


def test_the_committed_files_are_the_generated_ones() -> None:
    committed = {file.name: file.read_text(encoding="utf-8") for file in FOLDER.glob("*.yaml")}

    assert committed == files(), "python -m rules.crds"


def test_every_kind_has_one_definition() -> None:
    assert set(SCHEMAS) == set(KINDS)
    assert set(CRDS) == {f"{plural(kind)}.yaml" for kind in KINDS}


def test_the_schemas_are_structural() -> None:
    for kind, path, node, within in ALL:
        place = f"{kind}{path}"
        assert not FORBIDDEN & set(node), place
        if within:
            of_int_or_string = path.endswith(".anyOf") and set(node) == {"type"}
            assert not ONLY_OUTSIDE & set(node) or of_int_or_string, place
        else:
            free = node.get("x-kubernetes-int-or-string") or node.get("x-kubernetes-preserve-unknown-fields")
            assert isinstance(node.get("type"), str) or free, place
            assert isinstance(node.get("additionalProperties", {}), dict), place


def test_every_list_and_every_text_has_an_end() -> None:
    """CEL's cost is estimated from the longest that there could be."""
    for kind, path, node, within in ALL:
        if not within and node.get("type") == "array":
            assert "maxItems" in node, f"{kind}{path}"
        if not within and node.get("type") == "string" and "{{" not in node.get("pattern", "").replace("\\", ""):
            assert {"maxLength", "enum", "format"} & set(node), f"{kind}{path}"


def test_defaults_stay_ours() -> None:
    """A default that the server filled in could no longer be told from what the operator wrote."""
    assert [f"{kind}{path}" for kind, path, node, _ in ALL if "default" in node] == []


def test_placeholders_are_for_templates() -> None:
    with_one = {kind for kind, path, node, _ in ALL if PLACEHOLDER in node.get("pattern", "")}

    assert with_one == {"ScalingPolicy"}


@pytest.mark.parametrize("document", OURS, ids=lambda one: f"{one['kind']}-{one['metadata']['name']}")
def test_every_example_is_valid(document: Any) -> None:
    validator = Draft4Validator(SCHEMAS[document["kind"]]["openAPIV3Schema"])

    assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)] == []


@pytest.mark.parametrize(
    "written",
    [
        "{name: a, query: up, perReplica: 0}",
        "{name: a, query: up, perReplica: auto}",
        "{name: a, query: up, perReplica: [1]}",
        "{name: a, query: up, perReplica: {k: 1}}",
        "{name: a, query: up, perReplica: true}",
        "{name: a, query: 3, perReplica: 1}",
        "{name: a, query: {expr: up, sorce: x}, perReplica: 1}",
        "{name: a, query: up}",
        "{name: a, query: up, pods: up, perReplica: 1}",
        "{name: a, resource: {name: cpu, utilization: 70}, perReplica: 1}",
        "{name: a, queue: {length: up, perReplicaRate: 1, partitions: 1.5}}",
        "{name: A, query: up, perReplica: 1}",
    ],
)
def test_a_field_without_a_type_still_refuses_what_it_cannot_be(written: str) -> None:
    trigger = SCHEMAS["ScalingRule"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["triggers"]["items"]

    assert list(Draft4Validator(trigger).iter_errors(documents(written)[0]))


def test_a_file_reads_as_what_it_was_written_from() -> None:
    for name, definition in CRDS.items():
        assert yaml.safe_load((FOLDER / name).read_text(encoding="utf-8")) == definition
