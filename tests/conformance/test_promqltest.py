"""The conformance runner itself: it must be able to fail, and to count."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.labels import Labels
from tests.conformance.promqltest import main
from tests.conformance.testfile import Eval, Load, commands

_FILE = """
# a comment
load 10s
  m{a="x"} 1+1x3 _ stale
  h {{sum:1 count:2}}x2

eval instant at 10s m
  m{a="x"} 2

eval instant at 10s m
  m{a="x"} 3

eval range from 0 to 40s step 10s m
  m{a="x"} 1 2 3 4 4

eval instant at 10s h

eval instant at 10s rate(m[1m:])[
eval instant at 10s sum(

eval instant at 10s m + on() {a=~".+"}
  expect fail msg: no such message

eval instant at 0 topk(1, m)
  expect ordered
  expect no_warn
  m{a="x"} 1

clear
eval instant at 10s m
"""


def test_counts_cases_and_reruns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "own.test"
    path.write_text(_FILE, encoding="utf-8")
    assert main([str(path)]) == 1
    *failing, last = capsys.readouterr().out.splitlines()
    # right: m, its rerun, the range, topk twice, the empty store twice; wrong: m = 3 twice, the failure that is none;
    # skipped: the native histogram twice and two queries without syntax, twice each
    assert last == "7 passed, 3 failed, 6 skipped"
    assert [line.split(":")[1] for line in failing] == ["10", "10", "21"]


def test_reads_every_kind_of_point() -> None:
    (load,) = commands(
        'load 1m\n  m{a="b,}",`c`="d"} 1-0.5x2 0x2 _x2 NaN 3 -Inf {{count:1}}+{{count:1}}x1\n'.replace("`", '"')
    )
    assert isinstance(load, Load)
    labels, points = load.series[0]
    assert labels == Labels.of(__name__="m", a="b,}", c="d")
    assert points[:8] == [1.0, 0.5, 0.0, 0.0, 0.0, 0.0, None, None]
    assert str(points[8]) == "nan"
    assert points[9:] == [3.0, float("-inf"), "histogram", "histogram"]


def test_reads_deprecated_forms() -> None:
    failing, ordered = commands("eval_fail instant at 1m x\n  expected_fail_message so\neval_ordered instant at 90 y\n")
    assert isinstance(failing, Eval)
    assert isinstance(ordered, Eval)
    assert [(e.kind, e.text) for e in failing.expectations] == [("fail", "so")]
    assert (ordered.start_ms, ordered.expects("ordered")) == (90_000, True)
