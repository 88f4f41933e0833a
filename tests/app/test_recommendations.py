"""From series in the store to a list that adds up, and what somebody's answers do to it."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.recommendations import RecommendationDesk
from app.recommendations_command import Asked, whole, write
from app.recommendations_endpoints import view
from cost.recommendations import states
from cost.unused.finding import Finding, Target
from cost.unused.survey import NotKnown, Survey
from domain.recommendations import KeptRecommendation, RecommendationState
from store.metrics import MetricsStore
from store.state import State
from tests.app.conftest import Served
from tests.app.recommended import CLUSTER, READY, Surveyor, buying, desk
from tests.app.world import NOW
from tests.fakes.clock import ManualClock

MINUTE = timedelta(minutes=1)
S = RecommendationState
VOLUME = Finding(
    kind="unusedPVC", target=Target(namespace="shop", kind="PersistentVolumeClaim", name="old"),
    monthly=Decimal("9.50"), since=None, evidence=(("mounted by", "nobody"),), advice="Look at it.",
    command="kubectl -n shop get pvc old", undo="a snapshot",
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Iterator[MetricsStore]:
    opened = MetricsStore.open(tmp_path / "metrics.db", retention=timedelta(days=15), clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = State.open(f"sqlite:///{tmp_path}/state.db")
    yield opened
    opened.close()


def surveyed(*findings: Finding, silent: tuple[NotKnown, ...] = ()) -> Survey:
    return Survey(currency="EUR", findings=findings, kept=(), not_known=silent, notes=())


def by_kind(found: RecommendationDesk) -> dict[str, KeptRecommendation]:
    return {one.advice.kind.value: one for one in found.items(every=True)}


def test_a_list_is_computed_whose_savings_add_up_to_less_than_the_bill(
    store: MetricsStore, state: State, clock: ManualClock
) -> None:
    store.load(CLUSTER)
    asked = desk(store, state, clock, Surveyor(surveyed(VOLUME)))
    asked.tick(NOW)
    assert asked.last is not None
    found = by_kind(asked)
    assert set(found) == {
        "rightSizeRequests", "offHoursSchedule", "rightSizeNodePool", "commitmentIdle", "unusedPVC",
    }  # fmt: skip
    # three nodes at 0.2, the fee, two commitments that nobody uses, and the volume that was found
    assert asked.last.before == (3 * Decimal("0.2") + Decimal("0.1") + 2 * Decimal("0.05")) * 730 + Decimal("9.50")
    assert sum(one.advice.saving.monthly for one in asked.items(every=True)) == asked.last.total
    web = found["rightSizeRequests"].advice
    assert [(one.path, one.before, one.after) for one in web.changes][0] == (
        "containers[app].requests.cpu", "1000m", "700m",
    )  # fmt: skip
    assert (web.freed.cpu_millicores, web.saving.monthly) == (900, 0)
    assert found["unusedPVC"].advice.saving.monthly == Decimal("9.50")
    assert found["rightSizeNodePool"].advice.saving.monthly == Decimal("146")
    night = found["offHoursSchedule"].advice
    assert night.changes[0].after == "21:00-05:00 UTC"
    assert night.saving.monthly == Decimal("48.666667")  # its node, 8 of 24 hours
    assert {one.advice.kind.value for one in asked.items()} == {"offHoursSchedule", "rightSizeNodePool", "unusedPVC"}
    asked.tick(NOW + timedelta(minutes=1))
    assert asked.last.at == NOW  # once an hour


def test_answers_outlive_the_next_pass_and_what_nobody_wants_is_not_counted(
    store: MetricsStore, state: State, clock: ManualClock
) -> None:
    store.load(CLUSTER)
    asked = desk(store, state, clock)
    asked.compute(NOW)
    assert asked.last is not None
    total = asked.last.total
    found = by_kind(asked)
    pool, night = found["rightSizeNodePool"], found["offHoursSchedule"]
    asked.change(pool.id, lambda one: states.accept(one, digest=pool.advice.digest, by="ann", now=NOW))
    until = NOW + 4 * MINUTE
    asked.change(night.id, lambda one: states.snooze(one, reason="trial", until=until, by="ann", now=NOW))
    asked.compute(NOW + 2 * MINUTE)
    assert [asked.get(one.id).standing.state for one in (pool, night)] == [S.ACCEPTED, S.SNOOZED]
    assert asked.last.total == total - night.advice.saving.monthly
    assert night.id not in {one.id for one in asked.items()}
    asked.compute(until)
    assert asked.get(night.id).standing.reason.endswith("trial")
    assert asked.last.total == total


def test_nobody_else_writes_between_the_look_at_an_item_and_the_answer(
    store: MetricsStore, state: State, clock: ManualClock, tmp_path: Path
) -> None:
    store.load(CLUSTER)
    asked = desk(store, state, clock)
    asked.compute(NOW)
    night = by_kind(asked)["offHoursSchedule"]

    def answered(kept: KeptRecommendation) -> KeptRecommendation:
        with closing(sqlite3.connect(tmp_path / "state.db", timeout=0)) as other:
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
        return states.accept(kept, digest=night.advice.digest, by="ada", now=NOW)

    assert asked.change(night.id, answered).standing.state is S.ACCEPTED


def test_evidence_that_is_gone_expires_and_what_nobody_could_look_at_stays(
    store: MetricsStore, state: State, clock: ManualClock
) -> None:
    store.load(CLUSTER)
    surveyor = Surveyor(surveyed(VOLUME))
    asked = desk(store, state, clock, surveyor)
    asked.compute(NOW)
    volume = by_kind(asked)["unusedPVC"].id
    for nothing in (None, surveyed(silent=(NotKnown(kind=VOLUME.kind, why="may not be listed"),))):  # type: ignore[arg-type]
        surveyor.survey = nothing
        asked.compute(NOW + 2 * MINUTE)
        assert asked.get(volume).standing.state is S.OPEN
    assert asked.last is not None
    assert "not known: unusedPVC: may not be listed" in asked.last.notes
    surveyor.survey = surveyed()
    asked.compute(NOW + 2 * MINUTE)
    assert asked.get(volume).standing.state is S.EXPIRED
    assert asked.get(volume).standing.reason.startswith("its evidence is gone: not there any more at 20")


def test_without_a_priced_node_nothing_is_touched(store: MetricsStore, state: State, clock: ManualClock) -> None:
    asked = desk(store, state, clock)
    asked.tick(NOW)
    assert asked.last is None
    assert asked.items(every=True) == []


def test_spot_and_commitments_come_last_and_take_what_is_left(
    store: MetricsStore, state: State, clock: ManualClock
) -> None:
    store.load(CLUSTER)
    asked = desk(store, state, clock, spot=READY, plans=buying(3))
    asked.compute(NOW)
    found = by_kind(asked)
    # of three nodes one is nobody's, one carries what moves, and one always runs: only that can be committed to
    assert found["rightSizeNodePool"].advice.saving.monthly == Decimal("146")
    assert found["spotMove"].advice.saving.realised_when == "moved"
    assert found["commitmentBuy"].advice.saving.monthly == Decimal("146") * Decimal("0.4")
    assert found["commitmentBuy"].advice.evidence[0] == ("price", "0.12 committed, 0.2 on demand, an hour")
    assert asked.last is not None
    assert sum(one.advice.saving.monthly for one in found.values()) == asked.last.total < asked.last.before


def test_the_command_prints_what_the_api_answers(store: MetricsStore, state: State, clock: ManualClock) -> None:
    store.load(CLUSTER)
    asked = desk(store, state, clock)
    asked.compute(NOW)
    shown: list[dict[str, Any]] = [json.loads(view(one).model_dump_json(by_alias=True)) for one in asked.items()]
    summary = {"computed_at": NOW.isoformat(), "currency": "EUR", "current_monthly": "584.00",
               "saving_monthly": "194.67", "shown": 2, "hidden": 2, "notes": ["something"]}  # fmt: skip
    out = io.StringIO()
    write(shown, summary, Asked(), out)
    text = out.getvalue()
    assert f"{shown[0]['id']}  rightSizeNodePool" in text
    assert "all open items save 194.67 of 584.00 EUR a month, as of" in text
    assert "2 more are small, answered or over: --all lists them" in text
    out = io.StringIO()
    write(shown, summary, Asked(output="csv"), out)
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert [row["monthly"] for row in rows] == [one["saving"]["monthly"] for one in shown]
    one = "\n".join(whole(shown[1]))
    assert "schedule.off: none -> 21:00-05:00 UTC" in one
    assert "kubectl -n shop scale deployment api --replicas 0" in one


def test_the_api_lists_and_takes_answers(served: Served) -> None:
    listed = served.ask("/api/v1/recommendations?all=true")
    assert (listed.status, listed.json["meta"]["page"]) == (200, 1)
    assert served.ask("/api/v1/recommendations/summary").json["data"]["saving_monthly"] is None
    assert served.ask("/api/v1/recommendations?kind=nothing").status == 422
    missing = served.ask("/api/v1/recommendations/0123456789ab")
    assert missing.status == 404
    json_body = {"Content-Type": "application/json"}
    gone = served.ask("/api/v1/recommendations/0123456789ab/accept", method="POST", headers=json_body,
                      body=b'{"digest": "0123456789abcdef"}')  # fmt: skip
    assert gone.status == 404
    naive = served.ask("/api/v1/recommendations/0123456789ab/snooze", method="POST", headers=json_body,
                       body=b'{"reason": "later", "until": "2026-12-24T00:00:00"}')  # fmt: skip
    assert naive.status == 422


def test_the_api_refuses_a_yes_to_another_patch(served: Served) -> None:
    from store.state import Recommendations
    from tests.cost.recommendations.advice import resize

    item = states.first(resize(), NOW)
    with served.house.state.transaction() as session:
        Recommendations(session).put(item)

    def post(verb: str, body: dict[str, str] | None) -> Any:
        return served.ask(f"/api/v1/recommendations/{item.id}/{verb}", method="POST",
                          headers={"Content-Type": "application/json"},
                          body=b"" if body is None else json.dumps(body).encode())  # fmt: skip

    other = post("accept", {"digest": "0123456789abcdef"})
    assert other.status == 409
    assert item.advice.digest in other.json["error"]["message"]
    yes = post("accept", {"digest": item.advice.digest}).json["data"]
    assert (yes["state"], yes["by"], yes["changes"][0]["from"]) == ("accepted", "local", "1000m")
    assert post("accept", {"digest": item.advice.digest}).status == 409
    assert post("reopen", None).json["data"]["state"] == "open"
    assert post("reject", {"reason": "too risky"}).json["data"]["reason"] == "too risky"
