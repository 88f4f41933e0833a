from __future__ import annotations

import os
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from domain.errors import RuleDocumentError
from domain.scaling import Mode
from rules import RuleSet, check_files, load_paths
from rules.schema import Policy, PolicyType, ScalingRule

RULE = """\
apiVersion: foretide.dev/v1alpha1
kind: ScalingRule
metadata: {name: NAME, namespace: shop}
spec:
  target: {name: NAME}
  replicas: {min: 2, max: 40}
  triggers:
  - {name: rps, query: up, perReplica: 0.1}
  - {name: soon, forecast: {of: rps}}
"""
PROMETHEUS = "global: &g {scrape_interval: 15s}\nother: *g\n"


def any_query(query: str) -> None:
    """Every PromQL text is fine."""


def rule(name: str) -> str:
    return RULE.replace("NAME", name)


def load(*paths: Path) -> RuleSet:
    return load_paths(paths, check_query=any_query)


def messages(*paths: Path) -> list[str]:
    return [mistake.message for mistake in check_files(paths, any_query)]


def test_defaults_are_the_documented_ones(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(rule("checkout"))

    loaded = load(tmp_path).rules[0]

    assert (loaded.key, str(loaded.target)) == ("shop/checkout", "Deployment shop/checkout")
    assert (loaded.spec.mode, loaded.spec.actuate.with_) == (Mode.OBSERVE, "scale")
    assert loaded.trigger("rps").per_replica == Decimal("0.1")
    forecast = loaded.trigger("soon").forecast
    assert forecast is not None
    assert (forecast.lead, forecast.season, forecast.effective_step) == (
        "auto", timedelta(days=1), timedelta(minutes=5),
    )  # fmt: skip
    up, down = loaded.spec.behavior.scale_up, loaded.spec.behavior.scale_down
    assert (up.stabilization_window_seconds, down.stabilization_window_seconds) == (0, 300)
    assert [policy.value for policy in up.policies] == [4, 100]
    assert down.policies == (Policy(type=PolicyType.PERCENT, value=100, period_seconds=15),)
    assert (up.tolerance, up.select_policy) == (0.1, "Max")


def test_a_rule_written_out_reads_back_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(rule("checkout"))
    loaded = load(tmp_path)
    (tmp_path / "a.yaml").write_text(loaded.rules[0].model_dump_json(by_alias=True))

    again = load(tmp_path)

    assert again.rules == loaded.rules
    assert again.digest == loaded.digest


def test_python_code_may_use_our_names_documents_may_not() -> None:
    document = {"apiVersion": "foretide.dev/v1alpha1", "kind": "ScalingRule", "metadata": {"name": "a"}}
    spec = {"target": {"name": "a"}, "replicas": {"min": 1, "max": 2}}
    trigger = {"name": "rps", "query": "up", "per_replica": 3}

    built = ScalingRule.model_validate({**document, "spec": {**spec, "triggers": [trigger]}})

    assert built.spec.triggers[0].per_replica == 3


def test_a_folder_is_walked_and_what_is_not_ours_passed_over(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "..data").mkdir()
    (tmp_path / "sub" / "a.yml").write_text(rule("a"))
    (tmp_path / "b.yaml").write_text("kind: Deployment\napiVersion: apps/v1\n---\n" + rule("b"))
    (tmp_path / "prometheus.yaml").write_text(PROMETHEUS)
    (tmp_path / "broken.yaml").write_text("{{ not: ours")
    for name in ("c_test.yaml", ".c.yaml", "#c.yaml", "c.yaml~", "..data/c.yaml", "c.txt"):
        (tmp_path / name).write_text(rule("c"))

    loaded = load(tmp_path)

    assert [one.key for one in loaded.rules] == ["shop/a", "shop/b"]
    assert loaded.sources["shop/b"] == f"{tmp_path / 'b.yaml'}:4"


def test_a_named_file_must_hold_a_document_of_ours(tmp_path: Path) -> None:
    (tmp_path / "prometheus.yaml").write_text(PROMETHEUS)
    (tmp_path / "empty.yaml").write_text("")

    assert messages(tmp_path / "prometheus.yaml", tmp_path / "empty.yaml", tmp_path / "none.yaml") == [
        "no such file or folder",
        "no document with apiVersion foretide.dev/v1alpha1 in it",
        "no document with apiVersion foretide.dev/v1alpha1 in it",
    ]


def test_broken_yaml_of_ours_in_a_folder_is_a_mistake_in_any_encoding(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(rule("a") + "  x: [\n")
    (tmp_path / "b.yaml").write_bytes(rule("b").encode("utf-16"))

    mistakes = check_files([tmp_path], any_query)

    assert [(Path(m.file).name, m.line) for m in mistakes] == [("a.yaml", 11), ("b.yaml", 1)]


def test_what_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")

    assert messages(tmp_path / "pipe.yaml", tmp_path / "loop.yaml") == [
        "cannot be read: not a regular file",
        "cannot be read: Too many levels of symbolic links",
    ]


def test_a_file_given_twice_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(rule("a"))

    assert [one.key for one in load(tmp_path / "a.yaml", tmp_path).rules] == ["shop/a"]


def test_mistakes_of_all_files_and_between_them_come_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(rule("a"))
    (tmp_path / "b.yaml").write_text(rule("b").replace("min: 2", "min: x"))
    (tmp_path / "c.yaml").write_text(rule("a").replace("perReplica", "perReplca"))

    with pytest.raises(RuleDocumentError) as raised:
        load(tmp_path)

    assert [(Path(m.file).name, m.line, m.field) for m in raised.value.mistakes] == [
        ("b.yaml", 6, "spec.replicas.min"),
        ("c.yaml", 3, "metadata.name"),
        ("c.yaml", 8, "spec.triggers[0].perReplca"),
    ]


def test_the_digest_is_of_what_the_documents_say(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    (one / "all.yaml").write_text(rule("a") + "---\n" + rule("b"))
    (two / "b.yaml").write_text("# a comment\n" + rule("b"))
    (two / "z.yaml").write_text(rule("a").replace("min: 2, max: 40", "max: 40, min: 2"))

    assert load(one).digest == load(two).digest
    (two / "z.yaml").write_text(rule("a").replace("min: 2", "min: 3"))
    assert load(one).digest != load(two).digest


def test_a_file_full_of_mistakes_says_a_hundred_of_them(tmp_path: Path) -> None:
    fields = "".join(f"field{number}: 1\n" for number in range(5000))
    (tmp_path / "a.yaml").write_text(rule("a") + fields)

    said = messages(tmp_path)

    assert len(said) == 101
    assert said[-1] == "and 4900 more mistakes"


def test_what_is_allowed_and_probably_not_meant_is_a_warning(tmp_path: Path) -> None:
    text = rule("a").replace("{of: rps}}\n", "{of: rps}}\n  - {name: cpu, resource: {name: cpu, utilization: 70}}\n")
    text += "  mode: enforce\n  actuate: {with: none}\n  combine: max(10 - rps, soon)\n"
    (tmp_path / "a.yaml").write_text(text)

    warnings = load(tmp_path).warnings

    assert [(one.line, one.field, one.message) for one in warnings] == [
        (11, "spec.mode", "acts on nothing: actuate is with none"),
        (13, "spec.combine", 'more of "rps" may mean fewer replicas'),
        (10, "spec.triggers[2].name", '"cpu" is not in combine, so nothing depends on it'),
    ]
