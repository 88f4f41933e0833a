"""Puts together what measures savings and what measures ourselves, and plans their loops."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from app.cost_allocation import Allocations
from app.cost_hours import HourlyCosts
from app.own_cost import OwnCosts
from app.own_use import EVERY as OWN_EVERY
from app.own_use import OwnMeter
from app.queries import Queries
from app.recommendations import RecommendationDesk
from app.savings import EVERY, Savings
from app.savings_hours import Demand
from app.savings_rules import RuleSavings
from app.schedule import Schedule
from cost.verified.by_rule import LOOKS
from domain.scaling import Decision, Mode
from rules import RuleSet
from store.state import DecisionLedger, State


class SavingParts:
    """What the endpoint reads, and the two loops."""

    def __init__(
        self, state: State, desk: RecommendationDesk, hours: HourlyCosts, queries: Queries, allocations: Allocations,
        *, rules: Callable[[], RuleSet], leads: Callable[[], bool], twins_of: Mapping[str, str],
    ) -> None:  # fmt: skip
        """Nothing runs before ``plan``."""

        def look(rule: str, start: datetime, end: datetime) -> Sequence[Decision]:
            with state.transaction() as session:
                return DecisionLedger(session).spaced(rule, since=start, until=end, every=timedelta(days=1) / LOOKS)

        self.savings = Savings(
            state=state, desk=desk, hours=hours.since, demand=lambda: Demand(queries, rules()), leads=leads,
            rules=RuleSavings(look, lambda: [one.key for one in rules().rules if one.spec.mode is Mode.ENFORCE]),
            twins_of=twins_of,
        )  # fmt: skip
        self._meter = OwnMeter()
        self.own = OwnCosts(self._meter, lambda: rules().price_sheet, allocations)

    def plan(self, schedule: Schedule) -> None:
        """Beside the other loops; savings after the first hours of cost were written."""
        schedule.every(OWN_EVERY, "own_use", self._meter.tick)
        schedule.every(EVERY, "savings", self.savings.tick, first_after=timedelta(minutes=2))
