"""The runner itself: it must be able to fail, to skip, and to read what it has not seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.allocation import main


def _allocation(namespace: str, pod: str, **more: Any) -> dict[str, Any]:
    own = {"cluster": "c1", "namespace": namespace, "pod": pod, "container": "x", "node": "n", "controller": None}
    return {**own, **dict.fromkeys(("cpu", "ram", "gpu", "pv", "net", "lb"), 1.0), **more}


TABLE: dict[str, Any] = {
    "allocations": [
        _allocation("a", "p1", app="web", controller="deployment1"),
        _allocation("a", "p2", app="web", labels={"env": "prod"}),
        _allocation("b", "p3"),
    ],
    "idle": {"c1": {"cpu": 3.0}},
    "cases": [
        {"name": "right", "by": "namespace", "upstream": {"a": 12, "b": 6, "__idle__": 3}},
        {"name": "wrong", "by": "namespace", "upstream": {"a": 12, "b": 7, "__idle__": 3}},
        {"name": "not asserted", "by": "namespace", "upstream": {"a": 12, "__idle__": 3}},
        {"name": "corrected", "by": "cluster", "upstream": {"c1": 1}, "exact": {"c1": 21}, "shareIdle": True},
        {"name": "labels", "by": ["label:app", "label:env"], "splitIdle": True,
         "upstream": {"app=web/__unallocated__": 6, "app=web/env=prod": 6, "__unallocated__": 6, "c1/__idle__": 3}},
        {"name": "owner", "by": "controller",
         "upstream": {"deployment:deployment1": 6, "__unallocated__": 12, "__idle__": 3}},
        {"name": "of later", "by": "namespace", "phaseOfMoon": 1, "upstream": {"a": 12, "b": 6}},
        {"name": "unknown", "by": "galaxy", "upstream": {"a": 12}},
    ],
    "normalise": [{"node": 10, "cpus": 2, "gib": 0, "gpus": 0, "cpu": 3, "ram": 1, "gpu": 0, "expect": [5, 0, 1]}],
}  # fmt: skip


def test_values_are_counted_and_what_is_unknown_is_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "own.json"
    path.write_text(json.dumps(TABLE), encoding="utf-8")
    assert main([str(path)]) == 1
    *failing, last = capsys.readouterr().out.splitlines()
    told = [line.split(": ")[1:3] for line in failing]
    assert told == [["wrong", "b"], ["not asserted", "b"], ["normalise 1", "gpu"]]
    assert last == "17 passed, 3 failed, 3 skipped"
