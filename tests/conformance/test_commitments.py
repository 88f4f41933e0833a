"""The runner of commitment tables can fail, skip, and read what it has not seen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conformance.commitments import main

TABLE = {
    "cases": [
        {"mu": 10, "sigma": 2, "p": 1.0, "r": 0.5, "Q": 10.0, "cost": 5.7979, "onDemandOnly": 10.0},
        {"mu": 10, "sigma": 2, "p": 1.0, "r": 0.5, "Q": 10.0002},
        {"rate": 1},
        {"mu": 10, "sigma": 2, "p": 0, "r": 0.5, "Q": 1},
    ],
    "empirical": [{"demand": [1, 2, 3], "p": 1.0, "r": 0.5, "Q": 2, "cost": 4.0, "onDemandOnly": 6.0}],
}


def test_values_are_counted_one_by_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "own.json"
    path.write_text(json.dumps(TABLE), encoding="utf-8")

    assert main([str(path)]) == 1
    *failing, last = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[1] for line in failing] == ["cases 2", "cases 4"]
    assert last == "6 passed, 2 failed, 1 skipped"
