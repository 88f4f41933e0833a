"""rules/schema.json is what ``python -m rules.json_schema`` prints, and says yes to everything that loads."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from rules.json_schema import schema
from tests.rules.test_docs import DOCS

ROOT = Path(__file__).parent.parent.parent
COMMITTED = ROOT / "rules" / "schema.json"
VALIDATOR = Draft202012Validator(json.loads(COMMITTED.read_text(encoding="utf-8")))


class Loader(yaml.SafeLoader):
    """As YAML 1.2: a time is text."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith("timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def documents(text: str) -> list[Any]:
    """The mappings among them: what is a list (of scrape configurations, say) is no document of ours."""
    return [one for one in yaml.load_all(text, Loader=Loader) if isinstance(one, dict)]  # noqa: S506


EXAMPLES = [
    *documents("\n---\n".join(re.findall(r"```yaml\n(.*?)```", DOCS, flags=re.DOTALL))),
    *(one for file in sorted((ROOT / "examples").glob("**/*.yaml")) for one in documents(file.read_text("utf-8"))),
]
OURS = [one for one in EXAMPLES if str(one.get("apiVersion", "")).startswith("foretide.dev/") and "spec" in one]


def test_the_committed_file_is_the_export() -> None:
    assert json.loads(COMMITTED.read_text(encoding="utf-8")) == schema(), (
        "python -m rules.json_schema > rules/schema.json"
    )


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("document", OURS, ids=lambda one: f"{one['kind']}-{one['metadata']['name']}")
def test_every_example_is_valid(document: Any) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(document)] == []


def test_there_are_examples_of_every_kind() -> None:
    assert {one["kind"] for one in OURS} == set(schema()["properties"]["kind"]["enum"])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "mode"), "dry-run"),
        (("spec", "replicas", "min"), "2"),
        (("spec", "triggers", 0, "perReplca"), 3),
        (("spec", "triggers", 1, "fallback"), {"after": "3 minutes", "use": "hold"}),
        (("spec", "steps"), {"up": "4 pods"}),
        (("kind",), "ScalingRole"),
    ],
)
def test_what_is_misspelt_is_not_valid(path: tuple[str | int, ...], value: object) -> None:
    document = json.loads(json.dumps(next(one for one in OURS if one["kind"] == "ScalingRule")))
    holder = document
    for part in path[:-1]:
        holder = holder[part]
    holder[path[-1]] = value

    assert list(VALIDATOR.iter_errors(document))


def test_every_field_says_what_it_means() -> None:
    silent = [
        f"{name}.{field}"
        for name, definition in schema()["$defs"].items()
        for field, told in definition.get("properties", {}).items()
        if not told.get("description") and field not in ("apiVersion", "kind")
    ]

    assert silent == []
