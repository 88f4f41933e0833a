"""The runner itself: it must be able to fail, to skip, and to read what it has not seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.rightsizing import main

TABLE: dict[str, Any] = {
    "SOURCE": "own",
    "histogram": [
        {"name": "right", "linear": [4.0, 1.0, 1e-9], "samples": [[1, 1, 0]], "percentiles": [[0.5, 2]]},
        {"name": "wrong", "linear": [4.0, 1.0, 1e-9], "samples": [[1, 1, 0]], "percentiles": [[0.5, 3], [1, 2]]},
        {"name": "taken out", "linear": [4.0, 1.0, 1e-9], "samples": [[1, 1, 0], [3, 1, 0]],
         "subtract": [[3, 1, 0]], "percentiles": [[1, 2]]},
        {"name": "exponential", "exponential": [500.0, 40.0, 1.5, 1e-3], "samples": [[50, 1, 0]],
         "percentiles": [[1, 100]]},
        {"name": "of later", "linear": [4.0, 1.0, 1e-9], "samples": [], "moon": 1, "percentiles": [[1, 0]]},
    ],
    "buckets": [{"name": "too many", "kind": "linear", "args": [2.0, 1.0, 0.1], "starts": [[3, 3]]}],
    "oom": [{"name": "peak", "requestMb": 1, "peakMb": 1000, "expectMb": 1200}],
    "minResources": {"name": "three", "podMinCpuMilli": 25, "containers": 3, "perContainerCpuMilli": 8.33},
    "phases": [{"name": "full"}],
}  # fmt: skip


def test_values_are_counted_and_what_is_unknown_is_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "own.json"
    path.write_text(json.dumps(TABLE), encoding="utf-8")
    assert main([str(path)]) == 1
    *failing, last = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[1:3] for line in failing] == [["wrong", "percentile 0.5"], ["too many", "IndexError"]]
    assert last == "6 passed, 2 failed, 2 skipped"


def test_without_files_it_says_how(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "rightsizing FILE" in capsys.readouterr().err
