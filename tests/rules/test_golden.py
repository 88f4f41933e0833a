"""Every file of tests/golden/bad_rules says exactly what its .expected says, as a compiler would."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from domain.errors import QuerySyntaxError, RuleDocumentError, UnknownSourceError
from rules import yaml_tree
from rules.faults import fields_of
from rules.load import Source, assemble, read_text

GOLDEN = Path(__file__).parent.parent / "golden" / "bad_rules"
FILES = sorted(GOLDEN.glob("*.bad.yaml"))


def check_query(query: str, source: str | None = None, *, traces: bool = False) -> None:
    if traces:
        if source != "jaeger":
            raise UnknownSourceError(f'"{source}" is not a source of traces of foretide.yaml; it has jaeger')
        return
    if source is not None and source != "prometheus":
        raise UnknownSourceError(f'"{source}" is not a source of foretide.yaml; it has local, prometheus')
    if query.count("(") != query.count(")"):
        raise QuerySyntaxError(f"a parenthesis is not closed in {query!r}")


def test_there_are_at_least_twenty_faults() -> None:
    assert len(FILES) >= 20


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.removesuffix(".bad.yaml"))
def test_bad_rule(path: Path) -> None:
    reading = read_text(path.read_bytes(), Source(file=path.name, named=True), check_query=check_query)

    with pytest.raises(RuleDocumentError) as raised:
        assemble([reading])

    expected = path.with_name(path.name.replace(".bad.yaml", ".expected")).read_text().splitlines()
    said = str(raised.value).splitlines()
    assert said == expected


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.removesuffix(".bad.yaml"))
def test_every_place_exists_in_the_file(path: Path) -> None:
    reading = read_text(path.read_bytes(), Source(file=path.name, named=True), check_query=check_query)
    lines = yaml_tree.split_lines(path.read_bytes().decode("utf-8", errors="replace"))

    for mistake in reading.mistakes:
        if mistake.line:
            assert 1 <= mistake.column <= len(lines[mistake.line - 1]) + 1


def test_a_models_fields_are_found_through_lists_and_mappings() -> None:
    class Inner(BaseModel):
        colour: str

    class Outer(BaseModel):
        inner: dict[str, tuple[Inner, ...]] | None = None

    assert fields_of(Outer, ("inner", "any", 0)) == ["colour"]
    assert fields_of(Outer, ()) == ["inner"]
