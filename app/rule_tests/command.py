"""``foretide test``: find the files, play every test, say what was decided otherwise."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TextIO

from app.alert_rules import unit_tests
from app.rule_tests import compare, diff, play, read, report
from app.rule_tests.compare import TestResult
from rules import render, source_texts

WRITERS: Final = {"table": report.table, "json": report.to_json}


def test_paths(paths: Sequence[Path], *, output: str, junit: Path | None, as_diff: bool, out: TextIO) -> int:
    """Run every test file.

    Returns:
        The exit code: 0 all is decided as expected, 1 something is not, 2 a path, an option or a file cannot be used.
    """
    problem = _problem(paths, output)
    if problem:
        return _refused(problem)
    found = read.load(paths)
    if found.mistakes:
        print(render(found.mistakes, source_texts(found.mistakes)), file=sys.stderr)
        return 2
    if not found.files and not found.unit_tests:
        return _refused(f"no tests in {', '.join(map(str, paths))}; a test file is called NAME_test.yaml")
    results = _quietly(found.files)
    played = [one for tests in found.unit_tests for one in unit_tests.play(tests)]
    if junit is not None:
        try:
            junit.write_text(report.to_junit(results, played), encoding="utf-8")
        except OSError as error:
            return _refused(f"--junit {junit}: {error.strerror}")
    if as_diff:
        out.write(_differences(results) + "".join(unit_tests.differences(played)))
    else:
        out.write(f"{WRITERS[output](results, played)}\n")
    return 1 if any(one.failures for one in results) or any(one.outcome.failures for one in played) else 0


test_paths.__test__ = False  # type: ignore[attr-defined]  # pytest: this is no test of ours


def _problem(paths: Sequence[Path], output: str) -> str:
    if output not in WRITERS:
        return f"-o {output}: expected one of {', '.join(WRITERS)}"
    missing = [str(path) for path in paths if not path.exists()]
    return "\nforetide: ".join(f"{path}: no such file or folder" for path in missing)


def _refused(message: str) -> int:
    print(f"foretide: {message}", file=sys.stderr)
    return 2


def _quietly(files: Sequence[read.Loaded]) -> list[TestResult]:
    """Every test of every file, without the loop's warnings: each missing signal is part of a story here."""
    loop = logging.getLogger("controller")
    level = loop.level
    loop.setLevel(logging.ERROR)
    try:
        return [result for loaded in files for result in _played(loaded)]
    finally:
        loop.setLevel(level)


def _played(loaded: read.Loaded) -> list[TestResult]:
    every = loaded.file.evaluation_interval
    pairs = zip(loaded.file.tests, loaded.rules, strict=True)
    decisions = (play.play(test, rule, loaded.running, every=every) for test, rule in pairs)
    return [compare.result(loaded, number, one) for number, one in enumerate(decisions)]


def _differences(results: Sequence[TestResult]) -> str:
    """Of each file that has something to change."""
    files = dict.fromkeys(one.file for one in results if one.failures)
    texts = {file: Path(file).read_text(encoding="utf-8") for file in files}
    return "".join(diff.unified(texts[file], [one for one in results if one.file == file]) for file in files)
