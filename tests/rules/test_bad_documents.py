"""Every case of tests/golden/bad_documents.txt says exactly what stands under it.

``# ---- kind`` begins a part, ``## name`` a case, ``>>`` a line of what is said (``line:column: field: message``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from domain.errors import RuleDocumentError
from rules import yaml_tree
from rules.load import Source, assemble, read_text
from tests.rules.test_golden import check_query

GOLDEN = Path(__file__).parent.parent / "golden" / "bad_documents.txt"
HEADS = {
    "rule": "kind: ScalingRule\nmetadata: {name: checkout, namespace: shop}\nspec:\n  target: {name: checkout}\n",
    "slo": "kind: SLO\nmetadata: {name: latency, namespace: shop}\nspec:\n",
    "policy": "kind: ScalingPolicy\nmetadata: {name: web}\nspec:\n",
}


def cases() -> Iterator[tuple[str, str, list[str]]]:
    """Name, document and what is said of it."""
    for part in GOLDEN.read_text(encoding="utf-8").split("# ---- ")[1:]:
        kind, _, rest = part.partition("\n")
        for case in rest.split("## ")[1:]:
            name, *lines = case.rstrip("\n").split("\n")
            body = "\n".join(line for line in lines if not line.startswith(">> "))
            said = [line.removeprefix(">> ") for line in lines if line.startswith(">> ")]
            yield name, f"apiVersion: foretide.dev/v1alpha1\n{HEADS[kind]}{body}\n", said


CASES = list(cases())


def said_of(text: str) -> list[str]:
    reading = read_text(text.encode(), Source(file="f.yaml", named=True), check_query=check_query)
    try:
        assemble([reading])
    except RuleDocumentError as error:
        return [str(mistake).removeprefix("f.yaml:") for mistake in error.mistakes]
    return []


def test_the_parser_is_the_one_whose_words_are_written_down() -> None:
    """PyYAML's wheels carry libyaml; without it the same mistakes are found and told, in PyYAML's own words."""
    assert yaml_tree._LOADER is yaml.CSafeLoader


def test_there_are_many_and_each_has_a_name_of_its_own() -> None:
    assert len({name for name, _, _ in CASES}) == len(CASES) >= 100


@pytest.mark.parametrize(("name", "text", "said"), CASES, ids=[name for name, _, _ in CASES])
def test_a_bad_document_is_told_at_its_line(name: str, text: str, said: list[str]) -> None:
    assert said_of(text) == said
    assert all(line.partition(":")[0].isdigit() for line in said)
