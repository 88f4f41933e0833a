"""The ledger, the shelf and the trail keep what they are given, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from domain.capacity import Learning
from domain.errors import StoreError
from domain.forecasts import Backtest, Combination, Forecast, ForecastMemory, HorizonAccuracy, Quality
from domain.money import Money
from domain.scaling import (
    Action,
    ActionResult,
    Decision,
    Mode,
    Outcome,
    Proposal,
    Reason,
    TraceLine,
    WorkloadRef,
)
from domain.shadow import ShadowScore, ShadowSide
from store.state import (
    AuditEntry,
    AuditTrail,
    BacktestBrief,
    Backtests,
    CostHour,
    CostHours,
    DecisionLedger,
    DocumentsSeen,
    ForecastMemories,
    ForecastShelf,
    LearnedCapacities,
    ShadowScores,
    State,
    engine,
)
from store.state.records import forecast_row
from store.state.tables import Base

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SHOP = WorkloadRef(kind="Deployment", namespace="demo", name="shop")

ACCURACY = HorizonAccuracy(
    until=timedelta(seconds=15), wape=0.1, mase=0.7, pinball=0.03, coverage_95=0.94, skill_vs_naive=0.4,
    skill_vs_seasonal_naive=-0.1,
)  # fmt: skip


def decision(number: int, *, outcome: Outcome = Outcome.SCALE_UP, at: datetime = NOW) -> Decision:
    return Decision(
        id=str(UUID(int=number)),
        rule="demo/shop",
        target=SHOP,
        mode=Mode.ENFORCE,
        at=at,
        current_replicas=2,
        ready_replicas=1,
        desired_replicas=3,
        reactive_replicas=2,
        forecast_replicas=3,
        outcome=outcome,
        reason=Reason.FORECAST_FLOOR,
        message="forecast p90 = 22/s ÷ 8/s → 3",
        limited_by=("forecast",),
        proposals=(
            Proposal(
                trigger="soon",
                kind="forecast",
                replicas=3,
                value=22.1,
                target=8.0,
                unit="/s",
                reason="p90",
                as_of=NOW,
            ),
        ),
        trace=(TraceLine(stage="forecast floor", replicas=3, message="raised from 2"),),
        cost_per_hour=Money(amount=Decimal("0.0251"), currency="USD"),
        cost_change_per_hour=Money(amount=Decimal("0.0083"), currency="USD"),
    )


def forecast(made_at: datetime = NOW) -> Forecast:
    return Forecast(
        signal="demo/shop/soon",
        model="fourier_ar",
        made_at=made_at,
        cutoff=NOW,
        step=timedelta(seconds=15),
        season=timedelta(minutes=24),
        mean=np.array([1.0, 2.0]),
        quantiles=(0.5, 0.9),
        values=np.array([[1.0, 1.5], [2.0, 2.75]]),
        reference=np.array([1.1, 2.1]),
        backtest=Backtest(
            wape=0.1,
            coverage={0.9: 0.91},
            origins=6,
            wape_by_model={"fourier_ar": 0.1},
            by_horizon=(ACCURACY, replace(ACCURACY, until=timedelta(minutes=15), mase=None)),
        ),
        history_start=NOW - timedelta(hours=8),
        generated=True,
        fitted_at=made_at - timedelta(hours=3),
        model_version="1",
        quality=Quality(history_steps=1920, missing_ratio=0.01, cold_start=False, level_shift=NOW),
        combination=(
            Combination(until=timedelta(seconds=15), members=("naive", "waves"), weights={}),
            Combination(until=timedelta(seconds=30), members=("naive", "waves"), weights={"naive": 0.4, "waves": 0.6}),
        ),
        served_wapes={timedelta(days=3): 0.125},
    )


@pytest.fixture(params=["sqlite", "postgresql"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'state.db'}"
    else:
        url = request.getfixturevalue("postgres_url")
    state = State.open(url)
    yield state
    with state.transaction() as session:
        for table in Base.metadata.sorted_tables:
            session.execute(table.delete())
    state.close()


def test_a_decision_comes_back_with_its_whole_why(state: State) -> None:
    with state.transaction() as session:
        DecisionLedger(session).append(decision(1))
    with state.transaction() as session:
        assert DecisionLedger(session).get(decision(1).id) == decision(1)


def test_a_decision_without_numbers_comes_back(state: State) -> None:
    blind = replace(
        decision(2),
        current_replicas=None,
        ready_replicas=None,
        desired_replicas=None,
        reactive_replicas=None,
        forecast_replicas=None,
        outcome=Outcome.HOLD,
        reason=Reason.NO_REPLICA_COUNT,
        proposals=(),
        trace=(),
        cost_per_hour=None,
        cost_change_per_hour=None,
    )
    with state.transaction() as session:
        DecisionLedger(session).append(blind)
    with state.transaction() as session:
        assert DecisionLedger(session).latest("demo/shop") == blind


def test_pages_are_newest_first_and_can_leave_out_holds(state: State) -> None:
    with state.transaction() as session:
        for number in range(6):
            outcome = Outcome.HOLD if number % 2 else Outcome.SCALE_UP
            DecisionLedger(session).append(decision(number, outcome=outcome, at=NOW + timedelta(seconds=15 * number)))
    with state.transaction() as session:
        ledger = DecisionLedger(session)
        found, total = ledger.page(limit=2, offset=1)
        assert ([UUID(one.id).int for one in found], total) == ([4, 3], 6)
        changes, count = ledger.page(changes_only=True, since=NOW + timedelta(seconds=1), limit=10)
        assert ([UUID(one.id).int for one in changes], count) == ([4, 2], 2)
        points = ledger.points("demo/shop", since=NOW, until=NOW + timedelta(seconds=30))
        assert [point.at for point in points] == [NOW + timedelta(seconds=15 * n) for n in range(3)]
        assert points[0].cost_per_hour == Decimal("0.0251")


def test_an_action_stands_beside_its_decision(state: State) -> None:
    action = Action(
        id=str(UUID(int=9)),
        decision_id=decision(1).id,
        at=NOW,
        actor="foretide",
        cluster="local",
        target=SHOP,
        from_replicas=2,
        to_replicas=3,
        result=ActionResult.FAILED,
        error="no such workload",
    )
    with state.transaction() as session:
        DecisionLedger(session).append(decision(1), action)
    with state.transaction() as session:
        assert DecisionLedger(session).actions(limit=5) == [action]


def test_what_is_older_than_the_retention_goes(state: State) -> None:
    with state.transaction() as session:
        ledger = DecisionLedger(session)
        ledger.append(decision(1, at=NOW - timedelta(days=2)))
        ledger.append(decision(2))
        assert ledger.forget_before(NOW - timedelta(days=1)) == 1
        assert ledger.page(limit=5)[1] == 1


def test_a_forecast_comes_back_and_the_latest_outlives_the_retention(state: State) -> None:
    with state.transaction() as session:
        shelf = ForecastShelf(session)
        shelf.put(forecast(NOW - timedelta(minutes=2)))
        shelf.put(forecast(NOW - timedelta(minutes=1)))
        shelf.forget_before(NOW)
    with state.transaction() as session:
        shelf = ForecastShelf(session)
        kept = shelf.latest("demo/shop/soon")
        assert kept is not None
        assert kept.made_at == NOW - timedelta(minutes=1)
        np.testing.assert_array_equal(kept.values, forecast().values)
        assert kept.backtest == forecast().backtest
        assert kept.backtest is not None
        assert kept.backtest.by_horizon[0] == ACCURACY
        assert kept.generated is True
        assert kept.fitted_at == NOW - timedelta(hours=3, minutes=1)
        assert kept.model_version == "1"
        assert kept.quality == forecast().quality
        assert shelf.made_before("demo/shop/soon", NOW - timedelta(minutes=2)) is None
        assert shelf.page(limit=5)[1] == 1
        assert shelf.latest("demo/other/soon") is None


def test_a_forecast_stored_before_accuracy_was_counted_by_horizon_still_reads(state: State) -> None:
    row = forecast_row(forecast())
    del row.body["backtest"]["by_horizon"]
    with state.transaction() as session:
        session.add(row)
    with state.transaction() as session:
        kept = ForecastShelf(session).latest("demo/shop/soon")
        assert kept is not None
        assert kept.backtest is not None
        assert (kept.backtest.wape, kept.backtest.by_horizon) == (0.1, ())


def test_a_forecast_stored_before_its_life_was_told_still_reads(state: State) -> None:
    row = forecast_row(forecast())
    for field in ("fitted_at", "model_version", "quality"):
        del row.body[field]
    with state.transaction() as session:
        session.add(row)
    with state.transaction() as session:
        kept = ForecastShelf(session).latest("demo/shop/soon")
        assert kept is not None
        assert (kept.fitted_at, kept.model_version, kept.quality) == (None, "", None)


def test_a_forecast_memory_takes_the_place_of_the_signals_last_and_is_forgotten(state: State) -> None:
    old = ForecastMemory(signal="demo/shop/soon", plan="a" * 64, saved_at=NOW, body={"version": 1, "rings": ["AAA="]})
    new = replace(old, plan="b" * 64, saved_at=NOW + timedelta(hours=1))
    for memory in (old, new):
        with state.transaction() as session:
            ForecastMemories(session).put(memory)
    with state.transaction() as session:
        assert ForecastMemories(session).of("demo/shop/soon") == new
        assert ForecastMemories(session).of("demo/other/soon") is None
        ForecastMemories(session).forget_before(NOW + timedelta(hours=2))
        assert ForecastMemories(session).of("demo/shop/soon") is None


def test_a_document_is_new_once(state: State) -> None:
    for minute, is_new in ((0, True), (1, False)):
        with state.transaction() as session:
            seen = DocumentsSeen(session).record(
                kind="ScalingRule",
                key="demo/shop",
                digest="d" * 64,
                source="shop.yaml:1",
                body={"spec": {}},
                at=NOW + timedelta(minutes=minute),
            )
            assert seen is is_new


def test_the_audit_trail_is_newest_first(state: State) -> None:
    with state.transaction() as session:
        for verb in ("start", "scale"):
            AuditTrail(session).record(AuditEntry(at=NOW, actor="foretide", verb=verb, object="demo/shop"))
    with state.transaction() as session:
        assert [entry.verb for entry in AuditTrail(session).newest(limit=5)] == ["scale", "start"]


def test_a_failed_transaction_leaves_nothing(state: State) -> None:
    with pytest.raises(RuntimeError, match="power"), state.transaction() as session:
        DecisionLedger(session).append(decision(1))
        raise RuntimeError("power cut")
    with state.transaction() as session:
        assert DecisionLedger(session).page(limit=5) == ([], 0)


def test_migrations_make_exactly_the_tables(state: State) -> None:
    with state.transaction() as session:
        context = MigrationContext.configure(session.connection(), opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_head_is_the_newest_migration() -> None:
    scripts = ScriptDirectory(str(Path(engine.__file__).parent / "migrations"))
    assert scripts.get_heads() == [engine.HEAD]


def test_a_broken_file_is_moved_aside_and_the_state_starts_empty(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(b"this was a database once" * 400)
    state = State.open(f"sqlite:///{path}")
    assert state.quarantined == str(tmp_path / "state.db.broken-1")
    assert Path(state.quarantined).read_bytes().startswith(b"this was")
    with state.transaction() as session:
        assert DecisionLedger(session).page(limit=1) == ([], 0)
    state.close()


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"state database sqlite:///.*nowhere/state\.db: unable to open"):
        State.open(f"sqlite:///{tmp_path}/nowhere/state.db")


def test_a_server_that_is_not_there_is_a_sentence_without_the_password() -> None:
    with pytest.raises(StoreError, match="state database postgresql") as caught:
        State.open("postgresql+psycopg://foretide:secret@127.0.0.1:1/foretide")
    assert "secret" not in str(caught.value)


def test_a_driver_that_is_not_installed_is_a_sentence() -> None:
    with pytest.raises(StoreError, match=r"driver pg8000 is not installed: PostgreSQL needs foretide\[postgres\]"):
        State.open("postgresql+pg8000://foretide@127.0.0.1/foretide")


def test_a_url_that_is_none_is_not_shown() -> None:
    with pytest.raises(StoreError, match=r"state database \(unreadable URL\)") as caught:
        State.open("secret@nowhere")
    assert "secret" not in str(caught.value).partition(":")[0]


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    State.open(f"sqlite:///{path}").close()
    newer = create_engine(f"sqlite:///{path}")
    with newer.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    newer.dispose()
    with pytest.raises(StoreError, match="9999.*written by a newer one"):
        State.open(f"sqlite:///{path}")


def test_the_newest_backtests_of_each_rule_are_kept(state: State) -> None:
    def brief(number: int, digest: str = "a", rule: str = "demo/shop") -> BacktestBrief:
        return BacktestBrief(
            id=str(UUID(int=number)), rule=rule, digest=digest, at=NOW + timedelta(minutes=number), verdict="better",
            message=f"number {number}",
        )  # fmt: skip

    with state.transaction() as session:
        for number in range(25):
            Backtests(session).add(brief(number), {"rule": "demo/shop", "number": number})
        Backtests(session).add(brief(30, digest="b"), {})
        Backtests(session).add(brief(31, rule="demo/cart"), {})
    with state.transaction() as session:
        found, total = Backtests(session).page("demo/shop", limit=3)
        assert (total, [one.message for one in found]) == (20, ["number 30", "number 24", "number 23"])
        assert Backtests(session).body(str(UUID(int=24))) == {"rule": "demo/shop", "number": 24}
        assert Backtests(session).body(str(UUID(int=1))) is None
        newest = {(one.rule, one.digest): one.message for one in Backtests(session).newest()}
    assert newest == {("demo/shop", "a"): "number 24", ("demo/shop", "b"): "number 30", ("demo/cart", "a"): "number 31"}


def test_shadow_scores_come_back_as_they_were(state: State) -> None:
    ours = ShadowSide(replica_seconds=12.5, violated_seconds=15.0, cost=Decimal("0.0123"))
    score = ShadowScore(
        rule="demo/shop", digest="d" * 64, since=NOW, at=NOW + timedelta(seconds=15), replicas=5,
        starting=((NOW + timedelta(seconds=60), 2),), counted_seconds=15.0, judged_seconds=15.0, shadow=ours,
        real=ShadowSide(), currency="USD",
    )  # fmt: skip
    with state.transaction() as session:
        ShadowScores(session).put([score, replace(score, rule="demo/cart")])
    with state.transaction() as session:
        ShadowScores(session).put([replace(score, replicas=6)])
        ShadowScores(session).forget_others({"demo/shop"})
    with state.transaction() as session:
        assert ShadowScores(session).all() == [replace(score, replicas=6)]


def test_learned_capacities_come_back_as_they_were_and_others_are_forgotten(state: State) -> None:
    one = Learning(
        rule="demo/shop", trigger="rps", subject="s", version="5d8f7c9b4d", since=NOW, deployed=True, at=NOW, ready=3,
        settled_since=NOW, load=12.5, top=70.25, samples=412, sums=(1.0, 2.5, 0.1, 3.0, 0.25, 0.01), learned=True,
        outcomes={-3: (1.5, 0.0), 41: (0.25, 7.0)},
    )  # fmt: skip
    later = replace(one, samples=413, settled_since=None)
    with state.transaction() as session:
        LearnedCapacities(session).put_all([one, replace(one, trigger="jobs"), replace(one, rule="demo/cart")])
    with state.transaction() as session:
        LearnedCapacities(session).put_all([later, replace(one, trigger="jobs")])
    with state.transaction() as session:
        assert LearnedCapacities(session).all() == [
            replace(one, trigger="jobs"), later,
        ]  # fmt: skip


def test_an_hours_costs_are_kept_as_they_are_put_and_forgotten_when_old(state: State) -> None:
    start = datetime(2026, 11, 21, 9, tzinfo=UTC)
    for number in range(3):
        hour = CostHour(
            start=start + timedelta(hours=number), currency="EUR", seen=0.5, made_at=start, costs={"{}": "0.3"}
        )
        with state.transaction() as session:
            CostHours(session).put(hour)
            CostHours(session).put(replace(hour, seen=1.0, costs={'{"namespace":"größe"}': "1.000000000000000001"}))
    with state.transaction() as session:
        kept = CostHours(session)
        kept.forget_before(start + timedelta(hours=1))
        found = list(kept.since(start))
        assert [(one.start.hour, one.seen, one.currency) for one in found] == [(10, 1.0, "EUR"), (11, 1.0, "EUR")]
        assert found[0].costs == {'{"namespace":"größe"}': "1.000000000000000001"}
        assert kept.known(start + timedelta(hours=2)) == {start + timedelta(hours=2): (1.0, start)}
