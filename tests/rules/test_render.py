from __future__ import annotations

from pathlib import Path

from domain.errors import Mistake
from rules import render, source_texts


def mistake(line: int, column: int, *, file: str = "a.yaml") -> Mistake:
    return Mistake(file=file, line=line, column=column, field="spec", message="wrong")


def test_the_caret_stands_under_the_column() -> None:
    assert render([mistake(2, 3)], {"a.yaml": "one\ntwo: x\n"}) == (
        "a.yaml:2:3: spec: wrong\n    2 | two: x\n      |   ^"
    )


def test_without_text_or_place_the_sentence_stands_alone() -> None:
    assert render([mistake(2, 3), mistake(0, 0)], {}) == "a.yaml:2:3: spec: wrong\na.yaml: spec: wrong"


def test_a_long_line_is_cut_around_the_caret() -> None:
    _, source, caret = render([mistake(1, 501)], {"a.yaml": "-" * 500 + "X" + "-" * 500}).splitlines()

    assert len(source) < 140
    assert source[caret.index("^")] == "X"


def test_nothing_from_the_file_reaches_the_terminal_unseen() -> None:
    rendered = render([mistake(1, 1)], {"a.yaml": "\x1b[31m\tred"})

    assert "·[31m red" in rendered


def test_texts_are_read_for_files_with_a_place(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(b"\xef\xbb\xbfx: 1\n")

    texts = source_texts([mistake(1, 1, file=str(file)), mistake(1, 1, file="gone.yaml"), mistake(0, 0, file="b")])

    assert texts == {str(file): "x: 1\n"}
