"""Who may enforce: only with a backtest of the rule as it stands that allows it, or with an override."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from app.gate import Gate
from app.rule_digest import digest_of
from domain.errors import StoreError
from rules.schema import ScalingRule
from store.state import BacktestBrief
from tests.app.world import NOW
from tests.controller.stories import rule_of
from tests.fakes.clock import ManualClock


def rule(per_replica: int = 10, **spec: Any) -> ScalingRule:
    triggers = [{"name": "rps", "query": "sum(rate(a[1m]))", "perReplica": per_replica}]
    return rule_of({"replicas": {"min": 1, "max": 20}, "mode": "enforce", "triggers": triggers, **spec})


def backtest(of: ScalingRule, verdict: str) -> BacktestBrief:
    return BacktestBrief(id="1", rule=of.key, digest=digest_of(of), at=NOW, verdict=verdict, message="it came to this")


@pytest.mark.parametrize("verdict", ["better", "as good"])
def test_a_backtest_that_is_not_worse_opens(verdict: str) -> None:
    gate = Gate(lambda: [backtest(rule(), verdict)], clock=ManualClock(NOW))
    assert gate.objection(rule()) == ""


@pytest.mark.parametrize("verdict", ["worse", "not credible", "not proven"])
def test_a_backtest_that_says_no_refuses_with_its_sentence_and_the_command(verdict: str) -> None:
    objection = Gate(lambda: [backtest(rule(), verdict)], clock=ManualClock(NOW)).objection(rule())
    assert f"the backtest says {verdict} (it came to this)" in objection
    assert "run foretide backtest demo/shop" in objection


def test_without_a_backtest_nothing_is_enforced() -> None:
    assert "there is no backtest of this rule" in Gate(list, clock=ManualClock(NOW)).objection(rule())


def test_a_rule_that_decides_otherwise_needs_a_new_proof() -> None:
    gate = Gate(lambda: [backtest(rule(), "better")], clock=ManualClock(NOW))
    assert "the rule has changed since its backtest" in gate.objection(rule(11))


def test_an_override_opens_and_so_does_not_acting_at_all() -> None:
    gate = Gate(list, clock=ManualClock(NOW))
    assert gate.objection(rule(backtestOverride={"reason": "a demo"})) == ""
    assert gate.objection(rule(mode="observe")) == ""
    assert gate.objection(rule(actuate={"with": "none"})) == ""


def test_a_new_backtest_counts_at_once_and_that_of_another_process_soon() -> None:
    found: list[BacktestBrief] = []
    clock = ManualClock(NOW)
    gate = Gate(lambda: found, clock=clock)
    assert gate.objection(rule())
    found.append(backtest(rule(), "better"))
    assert gate.objection(rule())
    clock.advance(timedelta(seconds=31))
    assert gate.objection(rule()) == ""
    found[0] = backtest(rule(), "worse")
    gate.forget()
    assert gate.objection(rule())


def test_while_the_database_does_not_answer_what_was_known_stays() -> None:
    answers: list[Any] = [[backtest(rule(), "better")], StoreError("state database: gone")]

    def newest() -> list[BacktestBrief]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return list(answer)

    gate = Gate(newest, clock=ManualClock(NOW))
    assert gate.objection(rule()) == ""
    gate.forget()
    assert gate.objection(rule()) == ""
