"""docs/rules.md and the pages of single kinds: their examples are without mistake, and no field is missing."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import BaseModel

from rules.faults import models_in
from rules.load import Source, assemble, read_text
from rules.schema import KINDS

NAMES = ("rules.md", "forecast-documents.md", "slo.md", "policies.md", "budgets.md", "receivers.md")
PAGES = [Path(__file__).parent.parent.parent / "docs" / name for name in NAMES]
DOCS = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


def any_query(query: str, source: str | None = None, *, traces: bool = False) -> None:
    """Every PromQL text is fine."""


def fields(model: type[BaseModel]) -> set[str]:
    names: set[str] = set()
    for field in model.model_fields.values():
        names.add(str(field.alias))
        for inner in models_in(field.annotation):
            names |= fields(inner)
    return names


def test_the_examples_are_without_mistake() -> None:
    examples = re.findall(r"```yaml\n(.*?)```", DOCS, flags=re.DOTALL)
    raw = "---\n".join(examples).encode()

    loaded = assemble([read_text(raw, Source(file="docs/rules.md", named=True), check_query=any_query)])

    kinds = (loaded.rules, loaded.budgets, loaded.price_sheets, loaded.forecasts, loaded.slos, loaded.policies)
    assert len(loaded.receivers) == 2
    assert [len(found) for found in kinds] == [5, 2, 1, 1, 2, 1]


def test_every_field_is_documented() -> None:
    documented = set(re.findall(r"\w+", " ".join(re.findall(r"^\| `([^|]*)\|", DOCS, flags=re.MULTILINE))))
    every = {name for model in KINDS.values() for name in fields(model)}

    assert every - documented - {"apiVersion", "kind", "metadata", "spec", "scaleUp", "scaleDown"} == set()
