"""Foretide beside somebody's own targets and rules: what is wrong with them is told, the rest goes on."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.pages import pages, silence
from tests.e2e.program import Program, free_port, running, said

pytestmark = [pytest.mark.slow, pytest.mark.program]
SHOP_RULES = Path(__file__).parents[2] / "examples" / "shop" / "rules"
PICKED_UP_SECONDS = 5.0
CONFIG = """\
rules_dir: rules
global: {{scrape_interval: 1s, scrape_timeout: 800ms}}
scrape_configs:
- job_name: shop
  static_configs:
  - targets: [{right}]
- job_name: absent
  static_configs:
  - targets: ["127.0.0.1:{absent}"]
- job_name: garbage
  metrics_path: /garbage
  static_configs:
  - targets: [{right}]
- job_name: failing
  metrics_path: /nosuch
  static_configs:
  - targets: [{right}]
- job_name: silent
  static_configs:
  - targets: [{silent}]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operated:
    """A Foretide with a configuration of its own."""

    program: Program
    rules: Path

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.program.api("status")
        return status

    def targets(self) -> dict[str, dict[str, Any]]:
        """Its targets by job."""
        return {one["job"]: one for one in self.status()["targets"]}


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    folder = tmp_path_factory.mktemp("operated")
    shutil.copytree(SHOP_RULES, folder / "rules")
    with pages() as right, silence() as silent:
        (folder / "foretide.yaml").write_text(CONFIG.format(right=right, silent=silent, absent=free_port()))
        with running(folder, "up", "--config", "foretide.yaml") as program:
            yield Operated(program=program, rules=folder / "rules" / "shop.yaml")
            assert program.end(signal.SIGTERM) == 0, said(program.log)
            program.wait_gone()


def test_targets_that_are_wrong_are_down_with_a_sentence_and_the_others_are_up(operated: Operated) -> None:
    program = operated.program
    program.until(
        "every target was tried", lambda: all(one["last_scrape"] for one in operated.targets().values()), seconds=10
    )
    targets = operated.targets()
    assert {job: one["health"] for job, one in targets.items()} == {
        "shop": "up", "node": "up", "absent": "down", "garbage": "down", "failing": "down", "silent": "down",
    }  # fmt: skip
    assert "refused" in targets["absent"]["last_error"].lower()
    assert "line 1" in targets["garbage"]["last_error"]
    assert "500" in targets["failing"]["last_error"]
    assert "deadline exceeded" in targets["silent"]["last_error"]
    assert targets["shop"]["last_error"] == ""

    up = {one["metric"]["job"]: one["value"][1] for one in program.query("up")}
    assert up == {"shop": "1", "node": "1", "absent": "0", "garbage": "0", "failing": "0", "silent": "0"}
    assert program.number("jobs_total") == 17
    assert [one["metric"]["job"] for one in program.query("jobs_total")] == ["shop"]


def test_a_rule_with_a_mistake_is_told_and_the_running_one_stays(operated: Operated) -> None:
    program, before = operated.program, operated.status()
    assert (before["rules_running"], before["rule_mistakes"]) == (1, [])
    right = operated.rules.read_text()
    line, text = next(
        (n, text) for n, text in enumerate(right.splitlines(), 1) if text.lstrip().startswith("perReplica")
    )

    operated.rules.write_text(right.replace(text, text.replace("perReplica", "perReplcia")))
    (first, *_) = program.until(
        "the mistake is told", lambda: operated.status()["rule_mistakes"], seconds=PICKED_UP_SECONDS
    )
    assert first["file"].endswith("rules/shop.yaml")
    assert (first["line"], first["column"]) == (line, text.index("perReplica") + 1)
    assert "perReplcia" in first["field"] + first["message"]
    assert operated.status()["rules_digest"] == before["rules_digest"]
    assert max_replicas(program) == 8

    operated.rules.write_text(right.replace("max: 8", "max: 6"))
    program.until(
        "the right one runs", lambda: operated.status()["rules_digest"] != before["rules_digest"],
        seconds=PICKED_UP_SECONDS,
    )  # fmt: skip
    assert operated.status()["rule_mistakes"] == []
    assert max_replicas(program) == 6


def max_replicas(program: Program) -> int:
    """Of the one running rule."""
    (rule,) = program.api("rules")
    most: int = rule["spec"]["replicas"]["max"]
    return most


def test_an_observed_workload_is_decided_upon_but_never_acted_on(operated: Operated) -> None:
    """Nothing to act on: cluster ``observe`` counts the targets that are up, and the deed is refused."""
    decision = operated.program.until("a decision", lambda: operated.program.api("decisions"), seconds=20)[0]
    assert decision["current_replicas"] == 1
    assert decision["desired_replicas"] == 2
    assert "bounds" in " ".join(decision["limited_by"])
