"""Applied changes are measured each week against what would have been, verified once, and told with our own cost."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI

from app import savings_command, savings_endpoints
from app.own_cost import OwnCosts
from app.own_use import OwnMeter
from app.queries import Queries
from app.savings import Savings
from app.savings_hours import CostByHour, Demand, by_hour
from app.savings_rules import AT_ONCE, RuleSavings
from app.savings_settings import SavingsSection
from cost.allocation.rollup import HourCosts, rolled
from cost.recommendations import states
from cost.verified.by_rule import LOOKS
from domain.money import Money
from domain.recommendations import KeptRecommendation, RecommendationState, Target
from domain.scaling import Decision, Mode
from rules.ruleset import RuleSet
from store.metrics import MetricsStore
from store.state import AuditTrail, Recommendations, ResizingCases, State
from tests.app.asgi import call
from tests.app.recommended import EUROS, desk
from tests.app.world import decision, rule_set, rule_text
from tests.cost.recommendations.advice import resize
from tests.fakes.clock import ManualClock

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CHANGED = datetime(2026, 10, 19, tzinfo=UTC)
WEB = Target(namespace="shop", kind="Deployment", name="web")


def text(name: str, namespace: str = "shop") -> str:
    """As an hour keeps a workload."""
    said = {"cluster": "prod", "namespace": namespace, "owner_kind": "Deployment", "owner": name}
    return json.dumps(said, separators=(",", ":"))


class World:
    """Four weeks before a change and five after; web costs a euro an hour, and after it ``after``."""

    def __init__(self, state: State, store: MetricsStore) -> None:
        self.state, self.clock = state, ManualClock(CHANGED)
        self.desk, self.queries = desk(store, state, self.clock), Queries(store, clock=self.clock)
        self.enforced = ["demo/shop"]
        self.after, self.currency, self.twin = Decimal("0.7"), "EUR", Decimal(2)
        self.leads, self.days = True, 35
        self.decisions: list[Decision] = []
        self.begin()

    def begin(self, **twins: str) -> None:
        """A process that has just started."""
        self.rules = RuleSavings(
            lambda rule, start, end: [one for one in self.decisions if start <= one.at < end], lambda: self.enforced
        )
        self.savings = Savings(
            state=self.state, desk=self.desk, hours=self.hours, rules=self.rules, leads=lambda: self.leads,
            demand=lambda: Demand(self.queries, RuleSet()), twins_of=twins,
        )  # fmt: skip

    def hours(self, since: datetime) -> Iterator[HourCosts]:
        start = max(since, CHANGED - 28 * DAY)
        while start + HOUR <= min(self.clock.now(), CHANGED + self.days * DAY):
            noise = Decimal((start.day * 7) % 5) / 100
            cost = (Decimal(1) if start < CHANGED else self.after) + noise
            costs = {text("web"): cost, text("twin"): self.twin, text("other", "media"): Decimal(3)}
            yield HourCosts(start=start, currency=self.currency, seen=1.0, costs=costs)
            start += HOUR

    def apply(self) -> str:
        accepted = states.accept(states.first(resize(), CHANGED), digest=resize().digest, by="ada", now=CHANGED)
        self.put(states.apply(accepted, by="foretide", now=CHANGED))
        return accepted.id

    def put(self, kept: KeptRecommendation) -> None:
        with self.state.transaction() as session:
            Recommendations(session).put(kept)

    def at(self, moment: datetime) -> dict[str, Any]:
        """What the API says after the tick of that moment."""
        self.clock.advance(moment - self.clock.now())
        self.savings.tick(moment)
        app = FastAPI()
        own = OwnCosts(OwnMeter(Path("/nowhere")), lambda: EUROS, self.desk._allocations)
        app.include_router(savings_endpoints.router(self.savings, own, self.clock), prefix="/api/v1")
        answer = call(app, "/api/v1/cost/savings")
        assert answer.status == 200
        found: dict[str, Any] = answer.json["data"]
        return found

    def line(self, moment: datetime) -> dict[str, Any]:
        found: dict[str, Any] = self.at(moment)["items"][0]
        return found

    def state_of(self, id_: str) -> RecommendationState:
        return self.desk.get(id_).standing.state


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    state = State.open(f"sqlite:///{tmp_path / 'state.db'}")
    store = MetricsStore.open(tmp_path / "metrics.db", retention=timedelta(days=60))
    yield World(state, store)
    store.close()
    state.close()


def test_a_change_waits_for_a_week_then_is_measured_and_verified(world: World) -> None:
    id_ = world.apply()
    line = world.line(CHANGED + 3 * DAY)
    assert (line["why"], line["measured"], line["promised"]) == ("not yet: 3 of 7 days", None, "212.40")
    assert world.state_of(id_) is RecommendationState.APPLIED
    line = world.line(CHANGED + 7 * DAY)
    assert (line["method"], line["days"], line["why"]) == ("beforeAfter", 7, "")
    low, middle, high = (float(line[name]) for name in ("p10", "measured", "p90"))
    assert low <= middle <= high
    assert middle == pytest.approx(0.3 * 730, abs=15)
    assert world.state_of(id_) is RecommendationState.VERIFIED
    with world.state.transaction() as session:
        newest = AuditTrail(session).newest(limit=1)[0]
    assert newest.verb == "recommendation verified"
    assert "EUR a month (p10" in str(newest.detail["reason"])


def test_it_is_measured_anew_each_week_four_times_and_a_restart_knows_it(world: World) -> None:
    world.apply()
    for week in range(1, 6):
        world.begin()
        line = world.line(CHANGED + week * 7 * DAY)
        assert line["days"] == 7 * min(week, 4)
        assert line["state"] == "verified"


def test_less_than_a_third_of_the_promise_twice_is_said(world: World) -> None:
    world.apply()
    world.after = Decimal("0.98")
    assert world.line(CHANGED + 7 * DAY)["advice"] == ""
    line = world.line(CHANGED + 14 * DAY)
    assert line["advice"].endswith("of what was promised, twice below 30%: consider taking it back")


def test_what_cost_more_is_a_negative_saving(world: World) -> None:
    world.apply()
    world.after = Decimal("1.5")
    found = world.at(CHANGED + 7 * DAY)
    assert float(found["items"][0]["measured"]) == pytest.approx(-365, abs=15)
    assert found["totals"][0]["measured"] == found["items"][0]["measured"]


def test_a_right_sizing_that_is_still_watched_is_measured_and_verified_later(world: World) -> None:
    id_ = world.apply()
    with world.state.transaction() as session:
        ResizingCases(session).put(id_, at=CHANGED, over=False, body={})
    assert world.line(CHANGED + 7 * DAY)["measured"] is not None
    assert world.state_of(id_) is RecommendationState.APPLIED
    with world.state.transaction() as session:
        ResizingCases(session).put(id_, at=CHANGED, over=True, body={})
    world.at(CHANGED + 7 * DAY + HOUR)
    assert world.state_of(id_) is RecommendationState.VERIFIED


def test_a_change_that_was_taken_back_and_applied_again_begins_anew(world: World) -> None:
    id_ = world.apply()
    world.at(CHANGED + 7 * DAY)
    later = CHANGED + 8 * DAY
    opened = states.undo(world.desk.get(id_), by="ada", now=later, reason="no")
    world.put(states.apply(states.accept(opened, digest=resize().digest, by="ada", now=later), by="ada", now=later))
    line = world.line(later + 2 * DAY)
    assert (line["why"], line["measured"]) == ("not yet: 2 of 7 days", None)


def test_a_named_twin_says_what_would_have_been(world: World) -> None:
    world.apply()
    world.begin(**{"shop/Deployment/web": "shop/Deployment/twin"})
    line = world.line(CHANGED + 7 * DAY)
    assert line["method"] == "twin"
    assert float(line["measured"]) == pytest.approx(0.3 * 730, abs=15)
    world.begin(**{"shop/Deployment/web": "shop/Deployment/nobody"})
    assert world.line(CHANGED + 14 * DAY)["days"] == 7  # the last verdict stays; a twin without cost makes none


def test_what_hours_do_not_tell_is_said_and_so_are_two_currencies(world: World) -> None:
    world.apply()
    world.currency = "USD"
    assert world.line(CHANGED + 8 * DAY)["why"] == "promised in EUR, but hours of cost are in USD"
    costs = CostByHour(world.hours(CHANGED - DAY))
    assert costs.of(Target(namespace="shop", kind="PersistentVolumeClaim", name="data")) is None
    whole = costs.of(Target(namespace="", kind="NodePool", name="prod/general"))
    space = costs.of(Target(namespace="", kind="Namespace", name="media"))
    web = costs.of(WEB)
    assert whole is not None
    assert space is not None
    assert web is not None
    assert whole.cost[0] == pytest.approx(web.cost[0] + 2 + space.cost[0])
    assert space.cost[0] == 3


def test_hours_are_read_as_they_are_kept() -> None:
    from cost.allocation.ledger import NOTHING, Item, ledger
    from cost.allocation.subject import Subject

    subject = Subject(cluster="prod", namespace="shop", owner_kind="Deployment", owner="web")
    books = ledger("EUR", items=[Item(subject=subject, costs=(Decimal(1), *NOTHING[1:]))])
    assert list(rolled(books)) == [text("web")]


def test_a_follower_measures_nothing(world: World) -> None:
    id_ = world.apply()
    world.leads = False
    world.at(CHANGED + 7 * DAY)
    assert world.state_of(id_) is RecommendationState.APPLIED


def looks(mode: Mode = Mode.ENFORCE, days: int = 8, hpa: int = 5, ran: int = 3) -> list[Decision]:
    price = Money(amount=Decimal("0.30"), currency="EUR")
    return [
        decision(number, at=CHANGED - days * DAY + number * DAY / LOOKS, mode=mode, current_replicas=ran,
                 hpa_only_replicas=hpa, desired_replicas=3, cost_per_hour=price)
        for number in range(days * LOOKS)
    ]  # fmt: skip


def test_a_rule_saves_what_the_hpa_alone_would_have_run_more(world: World) -> None:
    world.decisions = looks()
    line = world.line(CHANGED)
    assert (line["kind"], line["target"], line["method"], line["days"]) == ("scalingRule", "demo/shop", "ledger", 8)
    assert (line["measured"], line["promised"], line["since"][:10]) == ("146.00", None, "2026-10-11")
    world.begin()
    world.decisions = looks(hpa=2)
    assert world.line(CHANGED)["measured"] == "-73.00"


def test_a_rule_that_only_recommends_has_saved_nothing_and_days_are_read_once(world: World) -> None:
    world.decisions = looks(Mode.RECOMMEND)
    assert world.line(CHANGED)["why"] == "not yet: 0 of 7 days"
    asked: list[datetime] = []
    rules = RuleSavings(lambda rule, start, end: asked.append(start) or [], lambda: ["a/a", "b/b", "c/c"])
    for _ in range(4):
        rules.tick(CHANGED)
    assert len(asked) == 84 > AT_ONCE
    rules.tick(CHANGED + DAY)
    assert len(asked) == 87


def test_the_table_tells_what_is_missing_and_csv_and_json_have_every_line(world: World) -> None:
    world.apply()
    found = world.at(CHANGED + 7 * DAY)
    out = io.StringIO()
    savings_command.write(found, "table", out)
    lines = out.getvalue().splitlines()
    assert lines[1].split()[:2] == ["rightSizeHpa", "shop/Deployment/web"]
    assert lines[2].split()[:2] == ["scalingRule", "demo/shop"]
    assert lines[2].endswith("not yet: 0 of 7 days")
    assert lines[3].startswith("measured in all: ")
    assert lines[3].endswith("promised 212.40 EUR")
    assert lines[4] == "Foretide itself: measured from a minute after the start"
    out = io.StringIO()
    savings_command.write(found, "csv", out)
    assert [row["id"] for row in csv.DictReader(io.StringIO(out.getvalue()))] == [one["id"] for one in found["items"]]
    assert savings_command.ask(output="yaml", server="http://127.0.0.1:1", token_file=None, out=out) == 2


def test_with_nothing_applied_it_says_why(world: World) -> None:
    world.enforced = []
    found = world.at(CHANGED)
    assert found["items"] == []
    assert found["why"].startswith("no change is applied and no rule is in enforce")


class Proc:
    """A small /proc: ours (pid 7), a worker below it, a shop that we run for somebody, and somebody else's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for pid, parent, line in (
            (7, 1, b"foretide"), (8, 7, b"python -c from multiprocessing.spawn"), (9, 7, b"shop"), (10, 1, b"else"),
        ):  # fmt: skip
            (folder / str(pid)).mkdir()
            (folder / str(pid) / "cmdline").write_bytes(line)
            self.write(pid, parent, 0)

    def write(self, pid: int, parent: int, ticks: int) -> None:
        fields = ["S", str(parent), *["0"] * 9, str(ticks), "0", *["0"] * 8, "100", "0"]
        (self.folder / str(pid) / "stat").write_text(f"{pid} (a (name)) {' '.join(fields)}")


def test_our_own_use_is_ours_and_our_workers_at_the_price_of_the_nodes_or_says_why_not(
    world: World, tmp_path: Path
) -> None:
    (tmp_path / "proc").mkdir()
    proc = Proc(tmp_path / "proc")
    meter = OwnMeter(proc.folder, pid=7)
    meter.tick(CHANGED)
    assert meter.use() is None
    for pid, ticks in ((7, 3000), (8, 3000), (9, 99_000), (10, 99_000)):
        proc.write(pid, 1 if pid in (7, 10) else 7, ticks * meter._ticks // 100)
    meter.tick(CHANGED + timedelta(minutes=1))
    use = meter.use()
    assert use is not None
    assert use.cpu_cores == pytest.approx(1.0)
    assert use.memory_bytes == 200 * meter._page
    flat = EUROS.model_copy(update={"spec": EUROS.spec.model_validate(
        {"currency": "EUR", "cpuCoreHour": 0.03, "memoryGiBHour": 0.004}, by_alias=True, by_name=False)})  # fmt: skip
    cost = OwnCosts(meter, lambda: flat, world.desk._allocations).now(CHANGED)
    assert (cost.monthly, cost.currency) == (Decimal("21.90"), "EUR")
    cost = OwnCosts(meter, lambda: EUROS, world.desk._allocations).now(CHANGED)
    assert cost.monthly is None
    assert cost.why.startswith("no node with a price is known")


def test_the_demand_of_an_hour_is_the_mean_of_its_looks() -> None:
    found = by_hour(np.array([1.0, 2, np.nan, 3, np.nan, np.nan, np.nan, np.nan, 4]), 3)
    assert found[0] == 2
    assert np.isnan(found[1])
    assert found[2] == 4


def test_demand_is_that_of_the_rule_that_scales_the_workload(world: World, tmp_path: Path) -> None:
    hours = CostByHour(world.hours(CHANGED)).of(WEB)
    assert hours is None  # nothing was seen yet
    world.clock.advance(DAY)
    hours = CostByHour(world.hours(CHANGED)).of(WEB)
    assert hours is not None
    rules = rule_set(tmp_path, rule_text())
    demand = Demand(world.queries, rules)
    assert demand.of(WEB, hours) is None
    told = demand.of(Target(namespace="demo", kind="Deployment", name="shop"), hours)
    assert told is not None
    assert len(told) == len(hours.cost)


def test_a_workload_is_not_its_own_twin() -> None:
    with pytest.raises(ValueError, match="a/Deployment/b cannot be its own twin"):
        SavingsSection.model_validate({"twins": {"a/Deployment/b": "a/Deployment/b"}})
    with pytest.raises(ValueError, match="pattern"):
        SavingsSection.model_validate({"twins": {"a/b": "a/Deployment/b"}})
