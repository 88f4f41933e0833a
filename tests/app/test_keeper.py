"""What happens is written down, and forgotten in time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from app.keeper import Keeper
from app.settings import RetentionTimes
from domain.errors import StoreError
from domain.scaling import Action, ActionResult, Mode
from store.state import AuditEntry, AuditTrail, DecisionLedger, ForecastShelf, State
from tests.app.world import NOW, SHOP, decision, forecast, rule_set
from tests.fakes.clock import ManualClock

RETENTION = RetentionTimes(
    metrics=timedelta(days=1), traces=timedelta(days=1), decisions=timedelta(days=3), forecasts=timedelta(hours=6)
)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = State.open(f"sqlite:///{tmp_path / 'state.db'}")
    yield opened
    opened.close()


@pytest.fixture
def keeper(state: State, clock: ManualClock) -> Keeper:
    return Keeper(state, clock=clock, retention=RETENTION)


def audit(state: State) -> list[AuditEntry]:
    with state.transaction() as session:
        return AuditTrail(session).newest(limit=10)


def test_a_decision_with_its_action_and_the_audit_line(state: State, keeper: Keeper) -> None:
    action = Action(
        id="a", decision_id=decision(1).id, at=NOW, actor="controller", cluster="fake", target=SHOP, from_replicas=2,
        to_replicas=3, result=ActionResult.FAILED, error="409",
    )  # fmt: skip
    keeper.record_decisions([(decision(1), action)])
    keeper.record_decisions([(decision(2), None)])
    with state.transaction() as session:
        found, total = DecisionLedger(session).page(limit=10)
        assert (total, DecisionLedger(session).actions(limit=10)) == (2, [action])
    assert {one.id for one in found} == {decision(1).id, decision(2).id}
    (line,) = audit(state)
    assert (line.actor, line.verb, line.object) == ("controller", "scale", "Deployment demo/shop")
    assert line.detail["error"] == "409"


def acted(number: int) -> Action:
    return Action(
        id=f"a{number}", decision_id=decision(number).id, at=NOW, actor="controller", cluster="fake", target=SHOP,
        from_replicas=2, to_replicas=3, result=ActionResult.DONE,
    )  # fmt: skip


def test_a_row_that_is_refused_loses_only_itself_with_its_action(state: State, keeper: Keeper) -> None:
    keeper.record_decisions([(decision(2), None)])
    unwritable = decision(4, limited_by=(object(),))
    lost = keeper.record_decisions([(decision(n), acted(n)) for n in (1, 2, 3)] + [(unwritable, acted(4))])
    assert set(lost) == {decision(2).id, unwritable.id}
    assert "UNIQUE" in lost[decision(2).id]
    with state.transaction() as session:
        ledger = DecisionLedger(session)
        assert ledger.page(limit=10)[1] == 3
        assert {one.id for one in ledger.actions(limit=10)} == {"a1", "a3"}
    assert {line.detail["decision"] for line in audit(state)} == {decision(1).id, decision(3).id}


def test_a_database_that_does_not_work_takes_nothing_of_a_pass(state: State, keeper: Keeper) -> None:
    with state.transaction() as session:
        session.connection().exec_driver_sql("DROP TABLE action")
    with pytest.raises(StoreError, match="no such table"):
        keeper.record_decisions([(decision(1), None), (decision(2), acted(2))])
    with state.transaction() as session:
        assert DecisionLedger(session).page(limit=10)[1] == 0


def test_the_newest_forecast_is_known_also_after_a_restart(state: State, keeper: Keeper, clock: ManualClock) -> None:
    assert keeper.latest_forecast("demo/shop/soon") is None
    keeper.save_forecast(forecast())
    newer = forecast(made_at=NOW + timedelta(minutes=1))
    keeper.save_forecast(newer)
    assert keeper.latest_forecast("demo/shop/soon") is newer
    again = Keeper(state, clock=clock, retention=RETENTION).latest_forecast("demo/shop/soon")
    assert again is not None
    assert again.made_at == newer.made_at


def test_rules_that_changed_are_noted_with_what_they_say(state: State, keeper: Keeper, tmp_path: Path) -> None:
    rules = rule_set(tmp_path)
    keeper.rules_changed(rules, NOW)
    keeper.rules_changed(rules, NOW + timedelta(hours=1))
    assert [line.detail["digest"] for line in audit(state)] == [rules.digest] * 2
    assert audit(state)[0].detail["rules"] == ["demo/shop"]


def test_old_things_are_forgotten_and_the_audit_trail_stays(state: State, keeper: Keeper) -> None:
    keeper.note("start", "foretide", {"version": "1"})
    old, young = NOW - timedelta(days=4), NOW - timedelta(days=2)
    for number, at in enumerate((old, young)):
        keeper.record_decisions([(decision(number, at=at), None)])
        keeper.save_forecast(forecast(made_at=at))
    keeper.save_forecast(replace(forecast(made_at=old), signal="other/rule/soon"))
    keeper.forget(NOW)
    with state.transaction() as session:
        assert DecisionLedger(session).page(limit=10)[1] == 1
        # The newest of each signal stays, however old: a forecast that is late says so.
        assert ForecastShelf(session).page(limit=10)[1] == 2
        assert ForecastShelf(session).made_before("demo/shop/soon", old) is None
    assert [line.verb for line in audit(state)] == ["start"]


def test_a_database_that_is_gone_is_said_in_a_sentence(state: State, keeper: Keeper, tmp_path: Path) -> None:
    with state.transaction() as session:
        session.connection().exec_driver_sql("DROP TABLE audit")
    with pytest.raises(StoreError, match="state database: no such table: audit"):
        keeper.note("start", "foretide", {})


def test_the_level_of_a_price_is_that_of_the_last_decision_about_its_target(keeper: Keeper, tmp_path: Path) -> None:
    rule = rule_set(tmp_path).rules[0]
    assert keeper.cautions(rule) == {}
    first, second = decision(1), decision(2, at=NOW + timedelta(seconds=15))
    for one, level in ((first, 3.0), (second, 4.25)):
        proposals = (replace(one.proposals[0], trigger="soon", caution=level), *one.proposals[1:])
        keeper.record_decisions([(replace(one, rule=rule.key, target=rule.target, proposals=proposals), None)])
    assert keeper.cautions(rule) == {"soon": 4.25}
    moved = replace(second, id=decision(3).id, at=NOW + timedelta(seconds=30), target=replace(rule.target, name="b"))
    keeper.record_decisions([(moved, None)])
    assert keeper.cautions(rule) == {}


def test_a_short_stop_does_not_forget_how_many_replicas_there_were(keeper: Keeper) -> None:
    acting = decision(1, mode=Mode.ENFORCE)
    keeper.record_decisions([(acting, None)])
    assert keeper.replicas_before("demo/shop", since=NOW - timedelta(minutes=10)) == acting.desired_replicas
    assert keeper.replicas_before("demo/shop", since=NOW + timedelta(seconds=1)) is None
    assert keeper.replicas_before("demo/other", since=NOW - timedelta(minutes=10)) is None
    watching = decision(2, at=NOW + timedelta(seconds=15), mode=Mode.OBSERVE)
    keeper.record_decisions([(watching, None)])
    assert watching.current_replicas != watching.desired_replicas
    assert keeper.replicas_before("demo/shop", since=NOW) == watching.current_replicas
