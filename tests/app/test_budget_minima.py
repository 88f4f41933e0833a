"""A lower ``min`` by a budget: as low as the need of the last weeks says, below ``min`` too, and given back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from controller.budgets.deeds import DeedState
from controller.guardrails import Lowered, SloState
from domain.scaling import Reason, TraceLine
from store.state import DecisionLedger, State
from tests.app import test_budgets_act
from tests.app.test_budgets_act import DAY, HOUR, NOW
from tests.app.world import decision, rule_set, rule_text

LOWER = "cap: {type: lowerMinReplicas, select: {rule: demo/shop}, to: 1, mode: MODE}"
CAP = "cap: {type: capMaxReplicas, select: {rule: demo/shop}, to: TO, mode: MODE}"


class World(test_budgets_act.World):
    """The rule's min is 6; by day it needs 3, by night 1."""

    def edit(self, *, budget: bool = True) -> None:
        rule = rule_text().replace("replicas: {min: 2, max: 8}", "replicas: {min: 6, max: 20}")
        rule = rule.replace("metadata: {", f"metadata: {{{self.labels}", 1) + "  guard: {slo: latency}\n"
        text = test_budgets_act.BUDGET.replace(CAP, LOWER).replace("LIMIT", self.limit).replace("BASIS", self.basis)
        documents = [rule, test_budgets_act.SLO, *([text.replace("MODE", self.mode)] if budget else [])]
        self.rules = rule_set(self.folder, *documents)

    def needed(self, days: float, *, reason: Reason = Reason.TOO_FEW_REPLICAS) -> None:
        """What was needed every 15 minutes, as the ledger's trace has it."""
        made, at, number = [], (NOW - days * DAY).replace(minute=0), 100
        while at < NOW:
            need = 3 if 8 <= at.hour < 20 else 1
            trace = (TraceLine(stage="forecast", replicas=need, message=""),)
            made.append((decision(number, at=at, id=str(UUID(int=number)), trace=trace, reason=reason), None))
            at, number = at + HOUR / 4, number + 1
        with self.state.transaction() as session:
            DecisionLedger(session).append_all(made)

    def least(self) -> int | None:
        (rule,) = self.rules.rules
        found = self.budgets().lowered(rule, self.now)
        return None if found is None else found.replicas


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = State.open(f"sqlite:///{tmp_path / 'state.db'}")
    yield opened
    opened.close()


def test_it_goes_as_low_as_the_need_and_comes_back_by_a_tenth_a_minute(state: State, tmp_path: Path) -> None:
    world = World(tmp_path, state)
    world.needed(9)
    world.tick()
    assert world.deed().state is DeedState.HELD
    # 3 by day and never more: the 95th percentile is 3, and a tenth more needs 4.
    assert [str(one) for one in world.deed().changes] == ["rule demo/shop: replicas.min 6 -> 4"]
    assert "at least 4 instead of 6 (95th percentile of the need and a tenth), saves " in world.deed().said
    assert world.deed().promised > 0
    (rule,) = world.rules.rules
    assert world.budgets().lowered(rule, world.now) == Lowered(by="month/warn/cap", replicas=4)
    assert world.most() is None
    world.mode = "observe"
    world.edit()
    assert [world.tick() and world.least() for _ in range(4)] == [4, 5, None, None]
    assert world.deed().state is DeedState.INACTIVE


@pytest.mark.parametrize(("days", "reason"), [(3, Reason.TOO_FEW_REPLICAS), (9, Reason.NO_DATA)])
def test_where_the_need_is_not_known_nothing_is_lowered(
    state: State, tmp_path: Path, days: float, reason: Reason
) -> None:
    world = World(tmp_path, state)
    world.needed(days, reason=reason)
    world.tick()
    assert (world.deed().state, world.least()) == (DeedState.INACTIVE, None)
    assert "what demo/shop will need is not known" in world.deed().reason


def test_a_critical_tier_waits_and_a_burning_slo_begins_nothing(state: State, tmp_path: Path) -> None:
    world = World(tmp_path, state, labels="labels: {tier: critical}, ")
    world.needed(9)
    world.slo = SloState.UNKNOWN
    world.tick()
    assert (world.deed().state, world.least()) == (DeedState.INACTIVE, None)
    world.slo = SloState.OK
    world.tick(timedelta(minutes=1))
    assert world.deed().state is DeedState.AWAITING_APPROVAL
    assert world.deed().reason.endswith("demo/shop is of tier critical")
