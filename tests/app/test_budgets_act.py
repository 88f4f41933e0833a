"""Budgets over a fake of what rules cost: they tell, limit, wait, give back, and know all of it after a restart."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI

from app import budget_command, budget_endpoints
from app.budget_loop import Budgets
from app.budget_pause import paused
from app.budget_room import BudgetRoom
from controller.budgets import deeds
from controller.budgets.deeds import Approval, Change, DeedState, Order, Plan
from controller.guardrails import SloState
from controller.slo import Burn
from cost import periods
from cost.budgets import CostInterval
from domain.forecasts import Backtest, Forecast
from domain.money import Money
from domain.scaling import Mode, Workload
from forecaster.fit import FitRequest
from rules import RuleSet
from rules.schema import Budget, ScalingRule
from store.state import AuditTrail, DecisionLedger, State
from tests.app.asgi import call
from tests.app.world import SHOP, decision, rule_set, rule_text
from tests.fakes.clock import ManualClock

NOW = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)  # a Wednesday
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def fitted(request: FitRequest, *, held: float = 0.78) -> Forecast:
    """Each hour of the day as it was on average, normal around it: what a fit would find in ``costs``, in no time."""
    hours = (np.arange(len(request.values)) + request.start.hour) % 24
    mean = np.array([np.nanmean(request.values[hours == hour]) for hour in range(24)])
    spread = float(np.nanstd(request.values - mean[hours]))
    cutoff = request.start + (len(request.values) - 1) * request.step
    ahead = mean[(cutoff.hour + 1 + np.arange(request.horizon)) % 24]
    around = np.array([NormalDist().inv_cdf(level) for level in request.quantiles])
    return Forecast(
        signal=request.signal, model="daily", made_at=request.made_at, cutoff=cutoff, step=request.step,
        season=request.season, mean=ahead, quantiles=request.quantiles,
        values=np.maximum(ahead[:, None] + spread * around, 0.0), reference=None, history_start=request.start,
        backtest=Backtest(
            wape=0.1, coverage={}, origins=5, wape_by_model={}, sum_coverage={0.1: 0.11, 0.9: 0.11 + held}, sum_steps=24
        ),
    )  # fmt: skip


def costs(days: float, *, until: datetime = NOW + 40 * DAY, gap: bool = False) -> list[CostInterval]:
    """8 replicas by day and 3 by night, give or take one, at 1 USD an hour each."""
    assert days <= 28
    rng = np.random.default_rng(7)  # any seed: some noise that is the same every time
    start = (NOW - days * DAY).replace(minute=0)
    made = []
    while start < until:
        replicas = round(max((8 if 8 <= start.hour < 20 else 3) + rng.normal(), 0.0), 2)
        if not (gap and start.day % 3 == 0 and start.hour % 2):
            price = Money(amount=Decimal(str(replicas)), currency="USD")
            made.append(CostInterval(start=start, end=start + HOUR, cost_per_hour=price))
        start += HOUR
    return made


@dataclass
class Costs:
    """What ``Spending`` tells, of one rule, without a ledger."""

    intervals: list[CostInterval]

    def history(self, rule: str, *, now: datetime) -> list[CostInterval]:
        return [one for one in self.intervals if one.start < now and one.start >= now - 28 * DAY]

    def on(self, budget: Budget, rules: Iterable[str], *, now: datetime) -> list[CostInterval]:
        start = periods.around(budget.spec.repeats, now).start
        return [one for one in self.intervals if start <= one.start < now] if list(rules) else []


BUDGET = """
apiVersion: foretide.dev/v1alpha1
kind: Budget
metadata: {name: month, namespace: demo}
spec:
  amount: {limit: LIMIT, currency: USD}
  period: {every: month, timezone: Europe/Berlin}
  scope: {namespaces: [demo]}
  thresholds:
  - {id: warn, basis: BASIS, at: 80%, do: [tell, cap]}
  actions:
    tell: {type: notify}
    cap: {type: capMaxReplicas, select: {rule: demo/shop}, to: TO, mode: MODE}
"""
SLO = """
apiVersion: foretide.dev/v1alpha1
kind: SLO
metadata: {name: latency, namespace: demo}
spec:
  objective: 99
  window: 30d
  indicator: {ratio: {good: 'good', total: 'all'}}
"""


@dataclass
class World:
    folder: Path
    state: State
    limit: str = "2300"
    basis: str = "actual"
    mode: str = "enforce"
    to: str = "affordable"
    labels: str = ""
    guard: bool = True
    days: float = 24
    gap: bool = False
    slo: SloState = SloState.OK
    guards: str = ""
    now: datetime = NOW
    held: float = 0.78
    made: Budgets | None = None
    rules: RuleSet = field(init=False)

    def __post_init__(self) -> None:
        self.edit()
        with self.state.transaction() as session:
            price = Money(amount=Decimal(8), currency="USD")
            DecisionLedger(session).append(decision(1, at=NOW, desired_replicas=8, cost_per_hour=price))

    def edit(self, *, budget: bool = True) -> None:
        rule = rule_text().replace("replicas: {min: 2, max: 8}", "replicas: {min: 2, max: 20}")
        rule = rule.replace("metadata: {", f"metadata: {{{self.labels}", 1)
        if self.guard:
            rule += "  guard: {slo: latency}\n"
        text = BUDGET.replace("LIMIT", self.limit).replace("BASIS", self.basis).replace("TO", self.to)
        text = text.replace("MODE", self.mode) + self.guards
        documents = [rule, SLO, *([text] if budget else [])]
        self.rules = rule_set(self.folder, *documents)

    def burn(self, rule: ScalingRule, now: datetime) -> Burn | None:
        return None if rule.spec.guard is None else Burn(state=self.slo, said="")

    def budgets(self) -> Budgets:
        if self.made is None:
            self.made = Budgets(
                rules=lambda: self.rules, spending=Costs(costs(self.days, gap=self.gap)), state=self.state,  # type: ignore[arg-type]
                fit=partial(fitted, held=self.held), burn=self.burn,
            )  # fmt: skip
        return self.made

    def tick(self, after: timedelta = MINUTE) -> Budgets:
        self.now += after
        self.budgets().tick(self.now)
        return self.budgets()

    def deed(self) -> Any:
        (standing,) = self.budgets().held("demo/month").standings
        return standing.deeds["cap"]

    def most(self) -> int | None:
        return self.budgets().limits("demo/shop", self.now).most

    def notices(self) -> int:
        with self.state.transaction() as session:
            return sum(one.verb == "budget.notice" for one in AuditTrail(session).newest(limit=500))


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = State.open(f"sqlite:///{tmp_path / 'state.db'}")
    yield opened
    opened.close()


def test_an_enforced_cap_holds_what_is_needed_and_is_given_back_with_the_period(state: State, tmp_path: Path) -> None:
    world = World(tmp_path, state)
    world.tick()
    deed = world.deed()
    assert deed.state is DeedState.HELD
    # The money is good for none, but the 95th percentile of the need is 9.0, and a tenth more needs 10.
    assert (world.most(), [str(one) for one in deed.changes]) == (10, ["rule demo/shop: replicas.max 20 -> 10"])
    assert "95th percentile" in deed.said
    for _ in range(5):
        world.tick()
    assert (world.notices(), world.deed().state) == (1, DeedState.HELD)
    world.now = datetime(2026, 11, 30, 22, 59, tzinfo=UTC)
    assert world.tick(timedelta()).limits("demo/shop", world.now).most == 10
    # Midnight of 1 December in Berlin: a tenth of 20 a minute, then nothing of it is left.
    assert [world.tick().limits("demo/shop", world.now).most for _ in range(7)] == [10, 12, 14, 16, 18, None, None]
    assert world.notices() == 1


def test_the_ceiling_goes_into_decisions_without_a_link(state: State, tmp_path: Path) -> None:
    world = World(tmp_path, state)
    (rule,) = world.rules.rules
    workload = Workload(ref=SHOP, current_replicas=15, ready_replicas=15, source="test")
    room = BudgetRoom(world.budgets()._spending, lambda: world.rules, clock=ManualClock(NOW), acting=world.tick())
    ceiling = room.of(rule, workload, world.now)
    assert ceiling is not None
    assert (ceiling.kind, ceiling.replicas) == ("budget", 10)
    world.edit(budget=False)
    for _ in range(8):
        world.tick()
    assert room.of(rule, workload, world.now) is None


def test_a_critical_tier_and_a_rule_without_slo_wait_for_a_person(state: State, tmp_path: Path) -> None:
    critical = World(tmp_path, state, labels="labels: {tier: critical}, ")
    critical.tick()
    assert (critical.deed().state, critical.most()) == (DeedState.AWAITING_APPROVAL, None)
    assert critical.deed().reason.endswith("demo/shop is of tier critical")


def test_without_a_guard_nothing_is_cut_by_itself(state: State, tmp_path: Path) -> None:
    world = World(tmp_path, state, guard=False)
    world.tick()
    assert (world.deed().state, world.most()) == (DeedState.AWAITING_APPROVAL, None)


@pytest.mark.parametrize("slo", [SloState.BURNING, SloState.UNKNOWN])
def test_the_slo_beats_the_budget(state: State, tmp_path: Path, slo: SloState) -> None:
    world = World(tmp_path, state, slo=slo)
    world.tick()
    assert (world.deed().state, world.most(), world.notices()) == (DeedState.INACTIVE, None, 1)
    assert "SLO demo/latency of demo/shop" in world.deed().reason
    world.slo = SloState.OK
    world.tick()
    assert world.most() == 10


@pytest.mark.parametrize(("days", "gap", "why"), [(9, False, "history"), (24, True, "of the spend is known")])
def test_a_forecast_that_cannot_be_trusted_alerts_only(
    state: State, tmp_path: Path, days: float, gap: bool, why: str
) -> None:
    world = World(tmp_path, state, basis="forecast", limit="1500", days=days, gap=gap)
    for _ in range(9):
        world.tick(HOUR)
    assert world.notices() <= 1
    assert world.most() is None
    sight = world.budgets().held("demo/month").sight
    assert sight is not None
    assert why in sight.doubt


@pytest.mark.parametrize(
    ("held", "probability", "acts"), [(0.69, 0.8, False), (0.71, 0.8, True), (0.97, 0.8, True), (0.97, 0.45, False)]
)
def test_a_band_too_narrow_for_its_sums_blocks_and_one_too_wide_only_what_asks_for_less_than_an_even_chance(
    state: State, tmp_path: Path, held: float, probability: float, acts: bool
) -> None:
    world = World(tmp_path, state, basis=f"forecast, probability: {probability}, clear: 0.1", limit="1500", held=held)
    for _ in range(8):
        world.tick(HOUR)
    assert world.notices() == 1
    assert (world.deed().state is DeedState.HELD) is acts, world.deed().reason
    found = call(application(world), "/api/v1/budgets/demo/month/explanation").json["data"]
    assert (found["alerts_only"] != "", found["width"] != "") == (held < 0.7, held > 0.9)
    assert f"its 80% interval held {100 * held:.0f}% of the back-test's sums of 24 h" in world.deed().reason or acts


def test_a_forecast_fires_after_six_hours_and_once(state: State, tmp_path: Path) -> None:
    world = World(tmp_path, state, basis="forecast", limit="4000", mode="recommend", days=27)
    told = [(world.tick(HOUR), world.notices())[1] for _ in range(9)]
    assert told == [0, 0, 0, 0, 0, 0, 1, 1, 1]
    assert world.deed().state is DeedState.RECOMMENDED


def test_a_restart_knows_what_stands_and_a_lost_database_leaves_nothing(state: State, tmp_path: Path) -> None:
    world = World(tmp_path, state)
    world.tick()
    world.made = None
    assert world.budgets().limits("demo/shop", world.now).most is None  # before it has read anything
    world.tick()
    assert (world.most(), world.notices()) == (10, 1)
    empty = State.open(f"sqlite:///{tmp_path / 'other.db'}")
    lost = World(tmp_path, empty, mode="observe")
    lost.tick()
    assert lost.most() is None
    empty.close()


def test_the_users_own_max_wins_in_between(state: State, tmp_path: Path) -> None:
    """The cap is a ceiling among others: a lower max of the user's decides, and a higher one is free after the undo."""
    world = World(tmp_path, state)
    world.tick()
    (tmp_path / "rules.yaml").write_text((tmp_path / "rules.yaml").read_text().replace("max: 20", "max: 40"))
    world.mode = "observe"
    world.edit()
    assert [world.tick().limits("demo/shop", world.now).most for _ in range(7)][-2:] == [None, None]
    assert world.deed().state is DeedState.INACTIVE


def application(world: World) -> FastAPI:
    made = FastAPI()
    clock = ManualClock(world.now)
    made.include_router(budget_endpoints.router(world.budgets(), lambda: world.rules, clock), prefix="/api/v1")

    @made.middleware("http")
    async def actor(request: Any, call_next: Any) -> Any:
        request.state.actor = "token"
        return await call_next(request)

    return made


def test_an_approval_by_the_api_is_for_one_digest(state: State, tmp_path: Path) -> None:
    world = World(tmp_path, state, mode="approve")
    world.tick()
    api, path = application(world), "/api/v1/budgets/demo/month/approvals"
    body = {"threshold": "warn", "action": "cap", "digest": "0" * 16}

    def post(sent: dict[str, str]) -> int:
        headers = {"content-type": "application/json"}
        return call(api, path, method="POST", headers=headers, body=[json.dumps(sent).encode()]).status

    assert post(body) == 409
    assert post({**body, "action": "nothing"}) == 404
    assert post({**body, "digest": "latest"}) == 422
    assert post({**body, "digest": world.deed().digest}) == 202
    world.tick()
    assert (world.deed().state, world.most()) == (DeedState.HELD, 10)
    assert world.deed().approval.by == "token"
    assert post({**body, "digest": world.deed().digest}) == 409
    with state.transaction() as session:
        assert "budget.approve" in {one.verb for one in AuditTrail(session).newest(limit=50)}


def test_two_of_the_approvers_have_to_say_yes_each_by_name(state: State, tmp_path: Path) -> None:
    world = World(tmp_path, state, mode="approve, approvers: [ada, grace, eve], approvals: 2")
    world.tick()
    api, path = application(world), "/api/v1/budgets/demo/month/approvals"

    def post(**by: str) -> tuple[int, str]:
        body = {"threshold": "warn", "action": "cap", "digest": world.deed().digest, **by}
        found = call(
            api, path, method="POST", headers={"content-type": "application/json"}, body=[json.dumps(body).encode()]
        )
        return found.status, json.dumps(found.json)

    assert post()[0] == 403
    status, text = post(by="mallory")
    assert (status, "mallory is no approver of it; ada, grace, eve are" in text) == (403, True)
    assert post(by="ada")[0] == 202
    assert post(by="ada")[0] == 409
    world.tick()
    assert (world.deed().state, world.most()) == (DeedState.AWAITING_APPROVAL, None)
    world.made = None  # a restart remembers who has said it
    world.tick()
    api = application(world)
    assert post(by="grace")[0] == 202
    world.tick()
    assert (world.deed().state, world.most()) == (DeedState.HELD, 10)
    with state.transaction() as session:
        trail = [one.detail["by"] for one in AuditTrail(session).newest(limit=50) if one.verb == "budget.approve"]
    assert trail == ["grace", "ada"]


def test_another_patch_begins_with_no_yes() -> None:
    def order(after: int) -> Order:
        plan = Plan(changes=(Change(target="rule a/b", field="replicas.max", before=20, after=after),))
        return Order(id="m/warn/cap", period="p", mode=Mode.APPROVE, firing=True, plan=plan, ends=NOW + 30 * DAY)

    deed = deeds.step(None, order(9), NOW)
    deed = deeds.approved(deed, Approval(digest=deed.digest, by="ada", at=NOW), needed=2)
    assert [one.by for one in deeds.step(deed, order(8), NOW + HOUR).yeses] == ["ada"]  # it stands for a day
    later = deeds.step(deed, order(8), NOW + 25 * HOUR)
    assert (later.yeses, later.state) == ((), DeedState.AWAITING_APPROVAL)


@pytest.mark.parametrize(
    ("burn", "fast", "acts"), [("fast", True, False), ("fast", False, True), ("any", False, False)]
)
def test_a_budget_pauses_while_anything_that_counts_burns(
    state: State, tmp_path: Path, burn: str, fast: bool, acts: bool
) -> None:
    """The rule that burns is not the one that would be cut."""
    world = World(tmp_path, state, guards=f"  guards: {{pauseWhile: {{sloBurn: {burn}}}}}\n")
    (shop,) = world.rules.rules
    others = shop.model_copy(update={"metadata": shop.metadata.model_copy(update={"name": "other"})})
    plan = Plan(changes=(Change(target="rule demo/shop", field="replicas.max", before=20, after=10),))

    def burning(rule: ScalingRule) -> Burn:
        return Burn(state=SloState.BURNING if rule.key == "demo/other" else SloState.OK, said="", fast=fast)

    (budget,) = world.rules.budgets
    found = paused(plan, budget, ["demo/shop", "demo/other"], [shop, others], burning)
    assert (found.blocked_for_all == "") is acts
    assert paused(plan, budget, ["demo/shop"], [shop, others], burning) == plan


def test_a_budget_without_thresholds_is_explained_and_every_budget_is_listed(state: State, tmp_path: Path) -> None:
    world = World(tmp_path, state, limit="2100")
    head, _, _ = BUDGET.replace("LIMIT", "2600").replace("name: month", "name: counted").partition("  thresholds:")
    world.rules = rule_set(tmp_path, rule_text(), BUDGET.replace("LIMIT", world.limit).replace("BASIS", "actual")
                           .replace("TO", "affordable").replace("MODE", "observe"), head)  # fmt: skip
    world.tick()
    api, out = application(world), io.StringIO()
    budget_command.write(call(api, "/api/v1/budgets/demo/counted/explanation").json["data"], "table", out)
    told = "of 2600.00 USD\n  counted is what the replicas of 1 rule requested\n  at its end"
    assert told in out.getvalue(), out.getvalue()
    assert "no thresholds: it is counted, and says nothing by itself" in out.getvalue()
    out = io.StringIO()
    budget_command.write_list(call(api, "/api/v1/budgets").json["data"], "table", out)
    header, *rows = out.getvalue().splitlines()
    assert header.split()[:3] == ["BUDGET", "PERIOD", "SPENT"]
    told = {row.split()[0]: row.split()[-1] for row in rows}
    assert told == {"demo/counted": "-", "demo/month": "warn"}


def test_explain_tells_where_it_stands_and_how_to_undo_it(state: State, tmp_path: Path) -> None:
    world = World(tmp_path, state)
    world.tick()
    world.tick(3 * HOUR)
    found = call(application(world), "/api/v1/budgets/demo/month/explanation").json["data"]
    out = io.StringIO()
    budget_command.write(found, "table", out)
    told = out.getvalue()
    for part in (
        "budget demo/month, period 2026-11-01: 2026-10-31 23:00 to 2026-11-30 23:00 UTC", "of 2300.00 USD",
        "warn (actual): Firing, told 1x", "cap: Held", "rule demo/shop: replicas.max 20 -> 10",
        "saved so far", "undo: set the action's mode to observe",
    ):  # fmt: skip
        assert part in told, told
    assert call(application(world), "/api/v1/budgets/demo/mont/explanation").status == 404
