from __future__ import annotations

import os
from pathlib import Path

from domain.errors import QuerySyntaxError
from rules import RulesFolder

RULE = """\
apiVersion: foretide.dev/v1alpha1
kind: ScalingRule
metadata: {name: checkout, namespace: shop}
spec:
  target: {name: checkout}
  replicas: {min: 2, max: 40}
  triggers: [{name: rps, query: up, perReplica: 10}]
"""


def only_up(query: str) -> None:
    if query != "up":
        raise QuerySyntaxError(f"{query!r} is not up")


def bounds(folder: RulesFolder) -> list[tuple[str, int]]:
    return [(rule.key, rule.spec.replicas.min) for rule in folder.running.rules]


def test_a_change_on_disk_is_picked_up_once(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(RULE)
    folder = RulesFolder(tmp_path, check_query=only_up)

    assert folder.running.rules == ()
    assert folder.poll()
    assert not folder.poll()
    assert bounds(folder) == [("shop/checkout", 2)]

    file.write_text(RULE.replace("min: 2", "min: 3"))  # the same size
    assert folder.poll()
    assert bounds(folder) == [("shop/checkout", 3)]

    file.unlink()
    assert folder.poll()
    assert bounds(folder) == []


def test_a_comment_changes_the_places_but_not_the_set(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(RULE)
    folder = RulesFolder(tmp_path, check_query=only_up)
    folder.poll()

    (tmp_path / "a.yaml").write_text("# said\n" + RULE)

    assert not folder.poll()
    assert folder.running.sources["shop/checkout"].endswith("a.yaml:2")


def test_with_a_bad_file_the_running_rules_stay(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(RULE)
    folder = RulesFolder(tmp_path, check_query=only_up)
    folder.poll()
    before = folder.running

    (tmp_path / "a.yaml").write_text(RULE.replace("min: 2", "min: 3"))
    (tmp_path / "b.yaml").write_text(RULE.replace("name: checkout", "name: b").replace("query: up", "query: dwon"))

    assert not folder.poll()
    assert folder.running is before
    assert [(m.line, m.message) for m in folder.mistakes] == [(7, "'dwon' is not up")]
    assert not folder.poll()
    assert len(folder.mistakes) == 1

    (tmp_path / "b.yaml").unlink()
    assert folder.poll()
    assert [bounds(folder), list(folder.mistakes)] == [[("shop/checkout", 3)], []]


def test_a_half_written_file_is_a_mistake_for_one_poll(tmp_path: Path) -> None:
    folder = RulesFolder(tmp_path, check_query=only_up)

    for length in range(1, len(RULE) - 1, 7):
        (tmp_path / "a.yaml").write_text(RULE[:length])
        folder.poll()
        assert folder.running.rules == ()
    assert folder.mistakes

    (tmp_path / "a.yaml").write_text(RULE)
    assert folder.poll()
    assert folder.mistakes == ()


def test_a_missing_folder_is_a_sentence_and_the_rules_stay(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    folder = RulesFolder(rules, check_query=only_up)

    assert not folder.poll()
    assert [str(m) for m in folder.mistakes] == [
        f"{rules}: the rules folder is not there; create it, or name another one in foretide.yaml"
    ]

    rules.mkdir()
    (rules / "a.yaml").write_text(RULE)
    assert folder.poll()
    assert folder.mistakes == ()

    (rules / "a.yaml").unlink()
    rules.rmdir()
    assert not folder.poll()
    assert (len(folder.mistakes), bounds(folder)) == (1, [("shop/checkout", 2)])


def test_a_folder_that_comes_back_unchanged_is_well_again(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "a.yaml").write_text(RULE)
    folder = RulesFolder(rules, check_query=only_up)
    folder.poll()

    rules.rename(tmp_path / "away")
    folder.poll()
    assert folder.mistakes
    (tmp_path / "away").rename(rules)

    assert not folder.poll()
    assert folder.mistakes == ()


def test_a_config_map_is_swapped_behind_its_link(tmp_path: Path) -> None:
    for version, minimum in (("..one", "min: 2"), ("..two", "min: 5")):
        (tmp_path / version).mkdir()
        (tmp_path / version / "a.yaml").write_text(RULE.replace("min: 2", minimum))
    (tmp_path / "..data").symlink_to("..one")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    folder = RulesFolder(tmp_path, check_query=only_up)
    folder.poll()

    (tmp_path / "..next").symlink_to("..two")
    os.replace(tmp_path / "..next", tmp_path / "..data")

    assert folder.poll()
    assert bounds(folder) == [("shop/checkout", 5)]


def test_an_unchanged_folder_is_not_read_again(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(RULE)
    checked: list[str] = []
    folder = RulesFolder(tmp_path, check_query=checked.append)

    for _ in range(3):
        folder.poll()

    assert checked == ["up"]
