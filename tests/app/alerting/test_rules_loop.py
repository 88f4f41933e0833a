"""Rule files in the running program: due at their intervals, edited, broken, cut off and begun again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from alerts.evaluation.group import GroupRun
from app.alerting.rule_files import RuleFiles
from app.alerting.rules_loop import RulesConfig, RulesLoop
from domain.alerts import Alert, AlertState
from domain.clock import to_ms
from domain.labels import Labels
from store.metrics import MetricsStore
from store.promql import Evaluator, Vector

START = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
RULES = """
groups:
- name: web
  rules:
  - {record: "job:up:sum", expr: sum by (job) (up)}
  - {alert: Down, expr: up == 0, for: 2m, labels: {severity: page}, annotations: {said: "{{ $labels.job }} is down"}}
- name: fast
  interval: 15s
  rules: [{alert: Seen, expr: up >= 0}]
"""


class Live:
    """A loop over a store and a folder of its own."""

    def __init__(self, folder: Path, rules: Path | None = None) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.rules = rules or folder / "web.yaml"
        self.store = MetricsStore.open(folder / "metrics.db", retention=timedelta(days=15))
        self.offered: list[Alert] = []
        self.leading = True
        self.questions: list[str] = []
        self.registry = CollectorRegistry()
        evaluator = Evaluator(self.store.select)

        def ask(query: str, at_ms: int) -> object:
            self.questions.append(query)
            return evaluator.instant(query, at_ms=at_ms)

        self.loop = RulesLoop(
            RuleFiles([str(self.rules)], folder=None),
            config=RulesConfig(external_url="http://here", external_labels={"cluster": "eu"}),
            ask=ask, metrics=self.store, registry=self.registry,  # type: ignore[arg-type]
            offer=self.offered.extend, leads=lambda: self.leading,
        )  # fmt: skip

    def up(self, at: datetime, **jobs: float) -> None:
        labels = [Labels.of(__name__="up", job=job) for job in jobs]
        self.store.append(labels, to_ms(at), np.array(list(jobs.values())))

    def play(self, since: datetime, until: datetime, **jobs: float) -> None:
        """A sample and a tick each second, from ``since`` to before ``until``."""
        for second in range(int((until - since) / SECOND)):
            at = since + second * SECOND
            self.up(at, **jobs)
            self.loop.tick(at + timedelta(milliseconds=200))

    def group(self, name: str) -> GroupRun:
        return next(one for one in self.loop.groups() if one.group.name == name)

    def told(self, name: str) -> list[Alert]:
        return [one for one in self.offered if one.name == name]

    def counted(self, name: str) -> float:
        return sum(self.registry.get_sample_value(name, {"rule_group": f"{self.rules};{one}"}) or 0 for one in GROUPS)

    def values(self, query: str, at: datetime) -> dict[str, float]:
        found = Evaluator(self.store.select).instant(query, at_ms=to_ms(at))
        assert isinstance(found, Vector)
        return dict(zip(map(str, found.labels), found.values.tolist(), strict=True))

    def killed(self, folder: Path) -> Live:
        """Another process on the files as a kill leaves them."""
        self.store.append_durably([]).result(10)
        folder.mkdir()
        for file in self.folder.glob("metrics.db*"):
            if not file.name.endswith(".lock"):
                shutil.copy(file, folder)
        return Live(folder, rules=self.rules)


GROUPS = ("web", "fast")


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    (tmp_path / "web.yaml").write_text(RULES)
    made = Live(tmp_path)
    yield made
    made.store.close()


def states(live: Live, name: str) -> list[tuple[AlertState, datetime]]:
    run = next(run for group in live.loop.groups() for run in group.alerting() if run.rule.name == name)
    assert run.alerting is not None
    return [(one.state, one.active_at) for one in run.alerting.current()]


def test_each_group_is_evaluated_at_its_own_interval_and_what_it_makes_is_written(live: Live) -> None:
    live.play(START + SECOND, START + 4 * MINUTE, a=1, b=0)

    assert live.group("web").evaluated_at == START + 3 * MINUTE
    assert live.group("fast").evaluated_at == START + timedelta(minutes=3, seconds=45)
    assert live.counted("foretide_rule_group_iterations_total") == 3 + 15
    assert live.counted("foretide_rule_group_iterations_missed_total") == 0
    assert live.values("job:up:sum", START + 3 * MINUTE) == {'job:up:sum{job="a"}': 1.0, 'job:up:sum{job="b"}': 0.0}
    alerts = live.values("ALERTS{alertname='Down'}", START + 3 * MINUTE)
    assert alerts == {'ALERTS{alertname="Down", alertstate="firing", job="b", severity="page"}': 1.0}
    (told,) = live.told("Down")
    assert dict(told.labels) == {"alertname": "Down", "cluster": "eu", "job": "b", "severity": "page"}
    assert (told.starts_at, dict(told.annotations)) == (START + 3 * MINUTE, {"said": "b is down"})
    assert told.generator_url == "http://here/prometheus/api/v1/query?query=up+%3D%3D+0"


def test_groups_that_are_due_together_are_asked_together(live: Live) -> None:
    live.play(START + SECOND, START + MINUTE, a=1)
    live.questions.clear()

    live.play(START + MINUTE, START + MINUTE + SECOND, a=1)

    assert sorted(live.questions) == ["sum by (job) (up)", "up"]


def test_what_was_missed_is_counted_and_not_made_up_for(live: Live) -> None:
    live.play(START + SECOND, START + MINUTE + SECOND, a=1)
    late = START + 11 * MINUTE + 20 * SECOND
    live.loop.tick(late)

    assert live.group("web").evaluated_at == START + 11 * MINUTE
    assert live.counted("foretide_rule_group_iterations_total") == 1 + 4 + 2
    assert live.counted("foretide_rule_group_iterations_missed_total") == 9 + 40


def test_an_edit_keeps_states_and_ends_what_went(live: Live) -> None:
    live.play(START + SECOND, START + 2 * MINUTE, b=0)
    live.rules.write_text(RULES.replace("is down", "is gone").partition("- name: fast")[0])
    live.play(START + 2 * MINUTE, START + 3 * MINUTE + SECOND, b=0)

    assert states(live, "Down") == [(AlertState.FIRING, START + MINUTE)]
    assert dict(live.told("Down")[-1].annotations) == {"said": "b is gone"}
    assert [group.group.name for group in live.loop.groups()] == ["web"]
    assert live.values("ALERTS{alertname='Seen'}", START + 3 * MINUTE) == {}


def test_a_broken_edit_is_told_with_its_place_and_what_ran_goes_on(live: Live) -> None:
    live.play(START + SECOND, START + 2 * MINUTE, b=0)
    live.rules.write_text(RULES.replace("up == 0", "up == ("))
    live.play(START + 2 * MINUTE, START + 3 * MINUTE + SECOND, b=0)

    assert states(live, "Down") == [(AlertState.FIRING, START + MINUTE)]
    (broken,) = live.loop.broken()
    assert (broken.group, broken.name, broken.expr, broken.records) == ("web", "Down", "up == (", False)
    assert broken.error.startswith(f"{live.rules}:6:25: groups[0].rules[1].expr: ")
    assert live.registry.get_sample_value("foretide_rule_file_mistakes") == 1


def test_what_is_right_in_a_file_that_begins_broken_runs(live: Live) -> None:
    live.rules.write_text(RULES.replace("up == 0", "up == ("))
    live.play(START + SECOND, START + MINUTE + SECOND, a=1)

    assert [run.rule.name for group in live.loop.groups() for run in group.rules] == ["job:up:sum", "Seen"]
    assert [one.name for one in live.loop.broken()] == ["Down"]
    assert live.group("web").rules[0].health == "ok"


def test_rule_files_among_the_documents_are_found_by_their_content(tmp_path: Path) -> None:
    (tmp_path / "alerts.yaml").write_text(RULES)
    (tmp_path / "deployment.yaml").write_text("kind: Deployment\ngroups: []\n")
    files = RuleFiles([], folder=tmp_path)

    assert files.poll()
    assert [one.file for one in files.loaded.files] == [str(tmp_path / "alerts.yaml")]
    assert not files.poll()


def test_a_file_that_is_named_and_not_there_is_told_and_runs_once_it_is(tmp_path: Path) -> None:
    files = RuleFiles([str(tmp_path / "later.yaml"), str(tmp_path / "none*.yaml")], folder=None)
    assert files.poll()
    assert [str(one) for one in files.loaded.mistakes] == [f"{tmp_path / 'later.yaml'}: no such rule file"]

    (tmp_path / "later.yaml").write_text(RULES)
    assert files.poll()
    assert (len(files.loaded.files), files.loaded.mistakes) == (1, ())


def test_whoever_follows_evaluates_nothing_and_goes_on_when_it_leads_again(live: Live) -> None:
    live.play(START + SECOND, START + 4 * MINUTE, b=0)
    live.leading = False
    asked = len(live.questions)
    live.play(START + 4 * MINUTE, START + 6 * MINUTE, b=0)
    assert len(live.questions) == asked
    assert states(live, "Down") == []

    live.leading = True
    live.play(START + 6 * MINUTE, START + 7 * MINUTE + SECOND, b=0)
    assert states(live, "Down") == [(AlertState.FIRING, START + MINUTE)]
    assert live.told("Down")[-1].starts_at == START + 3 * MINUTE


def test_after_a_kill_what_fired_fires_with_its_start_and_is_told_again(live: Live, tmp_path: Path) -> None:
    live.play(START + SECOND, START + 5 * MINUTE, b=0)
    after = live.killed(tmp_path / "after")
    after.play(START + 7 * MINUTE + SECOND, START + 8 * MINUTE + SECOND, b=0)
    after.store.close()

    assert states(after, "Down") == [(AlertState.FIRING, START + MINUTE)]
    assert [(one.starts_at, one.resolved_at(START + 8 * MINUTE)) for one in after.told("Down")] == [
        (START + 3 * MINUTE, False)
    ]


def test_after_a_kill_what_is_over_by_then_is_resolved_and_told(live: Live, tmp_path: Path) -> None:
    live.play(START + SECOND, START + 5 * MINUTE, b=0)
    after = live.killed(tmp_path / "after")
    after.play(START + 7 * MINUTE + SECOND, START + 8 * MINUTE + SECOND, b=1)
    left = after.values("ALERTS{alertname='Down'}", START + 8 * MINUTE)
    after.store.close()

    (told,) = after.told("Down")
    assert (told.starts_at, told.ends_at) == (START + 3 * MINUTE, START + 8 * MINUTE)
    assert left == {}


@pytest.mark.parametrize(("away", "active_at"), [(MINUTE, MINUTE), (6 * MINUTE, 6 * MINUTE)])
def test_after_a_kill_what_was_pending_has_its_age_without_the_time_nobody_looked(
    live: Live, tmp_path: Path, away: timedelta, active_at: timedelta
) -> None:
    live.play(START + SECOND, START + MINUTE + 30 * SECOND, b=0)
    assert states(live, "Down") == [(AlertState.PENDING, START + MINUTE)]
    after = live.killed(tmp_path / "after")
    again = START + away + SECOND
    after.play(max(again, START + MINUTE + 31 * SECOND), START + away + MINUTE + SECOND, b=0)
    after.store.close()

    assert states(after, "Down") == [(AlertState.PENDING, START + active_at)]


def test_an_alert_that_two_rules_may_have_written_goes_to_the_one_that_yields_it(live: Live, tmp_path: Path) -> None:
    live.rules.write_text(
        "groups:\n- name: web\n  rules:\n"
        "  - {alert: Down, expr: 'up{job=\"b\"} == 0', for: 2m}\n"
        "  - {alert: Down, expr: 'up{job=\"c\"} == 0', for: 2m}\n"
    )
    live.play(START + SECOND, START + 5 * MINUTE, b=0, c=1)
    after = live.killed(tmp_path / "after")
    after.play(START + 7 * MINUTE + SECOND, START + 8 * MINUTE + SECOND, b=0, c=1)
    after.store.close()

    (told,) = after.told("Down")
    assert (told.starts_at, told.resolved_at(START + 8 * MINUTE)) == (START + 3 * MINUTE, False)


def test_what_stood_longer_than_an_hour_ago_is_not_brought_back(live: Live, tmp_path: Path) -> None:
    live.play(START + SECOND, START + 5 * MINUTE, b=0)
    after = live.killed(tmp_path / "after")
    after.play(START + 65 * MINUTE + SECOND, START + 66 * MINUTE + SECOND, b=0)
    after.store.close()

    assert states(after, "Down") == [(AlertState.PENDING, START + 66 * MINUTE)]
