from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from examples.shop.edge import Endpoints


def write(path: Path, *targets: str) -> None:
    path.write_text(json.dumps([{"targets": list(targets), "labels": {"job": "shop"}}]))


def test_the_least_busy_replica_is_chosen(tmp_path: Path) -> None:
    write(tmp_path / "t.json", "a:1", "b:1", "c:1")
    endpoints = Endpoints(tmp_path / "t.json")
    endpoints.read()

    chosen: Counter[str] = Counter()
    for _ in range(30):
        target = endpoints.choose()
        assert target is not None
        endpoints.add(target, +1)
        chosen[target] += 1

    assert set(chosen.values()) == {10}
    assert endpoints.choose(but="a:1") in ("b:1", "c:1")


def test_a_change_keeps_what_is_under_way(tmp_path: Path) -> None:
    write(tmp_path / "t.json", "a:1", "b:1")
    endpoints = Endpoints(tmp_path / "t.json")
    endpoints.read()
    endpoints.add("a:1", +3)

    write(tmp_path / "t.json", "a:1", "new:1")
    endpoints.read()
    endpoints.add("b:1", -1)  # it is gone

    assert endpoints.outstanding == {"a:1": 3, "new:1": 0}


def test_without_replicas_nothing_is_chosen(tmp_path: Path) -> None:
    endpoints = Endpoints(tmp_path / "missing.json")
    endpoints.read()

    assert endpoints.choose() is None


@pytest.mark.parametrize("text", ["", "{", "[3]", '[{"labels": {}}]', '{"a": 1}', "null"])
def test_a_broken_file_leaves_the_replicas(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "t.json", "a:1")
    endpoints = Endpoints(tmp_path / "t.json")
    endpoints.read()

    (tmp_path / "t.json").write_text(text)
    endpoints.read()
    endpoints.read()

    assert endpoints.choose() == "a:1"
    assert capsys.readouterr().err.count("the replicas stay as they are") == 1
