from __future__ import annotations

from decimal import Decimal

import pytest

from rules import yaml_tree


def value_of(text: str) -> object:
    reading = yaml_tree.read(f"a: {text}\n".encode(), file="f")
    assert not reading.mistakes
    (document,) = reading.documents
    assert isinstance(document.data, dict)
    return document.data["a"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True), ("false", False), ("on", "on"), ("off", "off"), ("yes", "yes"), ("no", "no"), ("y", "y"),
        ("1", 1), ("-3", -3), ("0.1", Decimal("0.1")), ("1e3", Decimal("1e3")), ("010", "010"), ("0x10", "0x10"),
        ("1_000", "1_000"), ("12:30:45", "12:30:45"), ("2026-11-21", "2026-11-21"), (".inf", ".inf"),
        (".nan", ".nan"), ("'1'", "1"), ('"true"', "true"), ("~", None), ("", None), ("null", None), ("=", "="),
    ],
)  # fmt: skip
def test_scalars_are_yaml_1_2(text: str, value: object) -> None:
    read = value_of(text)
    assert (type(read), read) == (type(value), value)


def test_numbers_are_exact() -> None:
    assert value_of("0.1000000000000000055511151231257827") == Decimal("0.1000000000000000055511151231257827")


def test_places_count_lines_and_columns_from_one() -> None:
    (document,) = yaml_tree.read(b"a:\n  b: [x, y]\n", file="f").documents

    assert document.values[("a", "b", 1)] == yaml_tree.Place(line=2, column=10)
    assert document.keys[("a", "b")] == yaml_tree.Place(line=2, column=3)


def test_columns_count_characters_not_bytes() -> None:
    (document,) = yaml_tree.read("{é: ü, z: 1}\n".encode(), file="f").documents

    assert document.keys[("z",)].column == 8


def test_a_byte_order_mark_is_no_mistake() -> None:
    (document,) = yaml_tree.read(b"\xef\xbb\xbfa: 1\n", file="f").documents

    assert document.data == {"a": 1}


def test_a_syntax_mistake_keeps_the_documents_before_it() -> None:
    reading = yaml_tree.read(b"a: 1\n---\nb: [\n", file="f")

    assert [document.data for document in reading.documents] == [{"a": 1}]
    assert [mistake.line for mistake in reading.mistakes] == [4]


def test_size_and_document_count_are_bounded() -> None:
    large = yaml_tree.read(b"#" * (yaml_tree.MAX_BYTES + 1), file="f")
    assert [str(mistake) for mistake in large.mistakes] == ["f: larger than 256 KiB"]

    many = yaml_tree.read(b"--- a\n" * (yaml_tree.MAX_DOCUMENTS + 5), file="f")
    assert len(many.documents) == yaml_tree.MAX_DOCUMENTS
    assert [(m.line, m.message) for m in many.mistakes] == [(1001, "more than 1000 documents in one file")]


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    "bomb", [b"a: " + b"[" * 200_000, b"{" * 200_000, b"- " * 100_000, b"? " * 100_000, b"a: 1\na: " + b"[" * 200_000]
)
def test_a_deep_bomb_ends_the_file_early(bomb: bytes) -> None:
    reading = yaml_tree.read(bomb, file="f")

    assert reading.mistakes[-1].message == "not YAML: nested deeper than 24 levels"


def test_a_mistake_inside_what_is_broken_is_said_once() -> None:
    (document,) = yaml_tree.read(b"a: &x {b: *x}\n", file="f").documents

    assert [(m.column, m.field) for m in document.mistakes] == [(4, "a"), (11, "a.b")]
