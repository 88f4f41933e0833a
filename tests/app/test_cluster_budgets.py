"""Where budgets stand is told in the cluster: at once when a state changes, its numbers once an hour."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from app.cluster_budgets import BudgetStatuses, news
from controller.guardrails import SloState
from store.state import State
from tests.app.test_budgets_act import BUDGET, HOUR, MINUTE, World
from tests.app.test_cluster_documents import Cluster, cluster  # noqa: F401


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    state = State.open(f"sqlite:///{tmp_path / 'state.db'}")
    folder = tmp_path / "world"
    folder.mkdir()
    yield World(folder, state, limit="2700", slo=SloState.OK)
    state.close()


def test_a_budgets_status_and_its_events(cluster: Cluster, world: World) -> None:  # noqa: F811
    text = BUDGET.replace("LIMIT", "2700").replace("BASIS", "actual").replace("TO", "affordable")
    cluster.has(yaml.safe_load(text.replace("MODE", "enforce")))
    cluster.poll()
    budgets, world.now = world.budgets(), cluster.clock.now()
    cluster.budgets = BudgetStatuses(lambda key: world.rules.budget(key), budgets.held, budgets.look)

    def after(pause: timedelta) -> int:
        world.tick(pause)
        cluster.clock.advance(pause)
        return cluster.tick()

    assert after(MINUTE) == 1
    status = cluster.status("month", "Budget")
    assert (status["period"], status["limit"], status["currency"]) == ("2026-11-01", "2700.00", "USD")
    assert status["thresholds"][0]["state"] == "Firing"
    assert (status["actions"][0]["id"], status["actions"][0]["state"]) == ("warn/cap", "Held")
    assert set(status["forecast"]) == {"p10", "p50", "p90", "probOver", "method", "fittedAt", "backtestCoverage80"}
    assert "p90" in status["exhaustsAt"]
    assert [reason for reason, _ in cluster.told] == ["BudgetThresholdFiring", "BudgetActionHeld"]
    spent = status["spent"]
    # Spend goes on and is no reason to write; after an hour it is.
    assert [after(MINUTE) for _ in range(5)] == [0] * 5
    assert after(HOUR) == 1
    assert float(cluster.status("month", "Budget")["spent"]) > float(spent)
    assert len(cluster.told) == 2


def test_a_new_period_clears_in_silence_and_a_credit_is_told() -> None:
    def status(period: str, state: str) -> dict[str, object]:
        return {"period": period, "thresholds": [{"id": "warn", "state": state, "reason": "why"}]}

    fired = status("2026-11-01", "Firing")
    assert [one.reason for one in news(fired, status("2026-11-01", "Ok"))] == ["BudgetThresholdCleared"]
    assert news(fired, status("2026-12-01", "Ok")) == []
    assert news(fired, fired) == []
