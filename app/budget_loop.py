"""Budgets, once a minute: look, judge each threshold, tell once, do or take back what is due, and write it down.

Only the leader does; whoever takes over knows from the database what stands. Without a database that it shares with the
one before it begins anew, and no limit stands: what a budget takes away it takes by limiting decisions.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from app import budget_minima, budget_off_hours
from app.budget_approvals import name_of
from app.budget_needs import NEEDS_EVERY, Needs, nobody_knows
from app.budget_outlook import HOUR, Fit, Outlooks
from app.budget_pause import paused
from app.budget_plans import lifts_of, plan_of
from app.budget_seen import Sight, sight
from app.budget_tally import Tallies
from app.budget_world import Cluster, World, needed
from app.budget_writes import kept, taken_back, writes, written
from app.spending import Spending
from controller.budgets import alerts, deeds, levers
from controller.budgets.alerts import AlertState, Notice
from controller.budgets.deeds import Approval, Deed, DeedState, Order, Plan
from controller.budgets.records import Standing, from_json, to_json
from controller.guardrails import Lowered
from controller.slo import Burn
from cost import periods
from cost.budgets import spent_between
from domain.errors import ForetideError
from domain.scaling import Decision, Mode
from rules import RuleSet
from rules.schema import Budget, BudgetAction, BudgetThreshold, ScalingRule
from store.state import AuditEntry, AuditTrail, BudgetStandings, DecisionLedger, State

log = logging.getLogger(__name__)
Key = tuple[str, str]
LOOKED_AT_FOR: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What is known of one budget: for the API."""

    sight: Sight | None
    standings: tuple[Standing, ...]


class NoSuchDeedError(ForetideError):
    """Nothing of that name waits."""


class Budgets:
    """All of them; thread-safe."""

    def __init__(
        self, *, rules: Callable[[], RuleSet], spending: Spending, state: State, fit: Fit,
        burn: Callable[[ScalingRule, datetime], Burn | None], leads: Callable[[], bool] = lambda: True,
        cluster: Cluster | None = None, hpa_need: Callable[[str, str, datetime], float | None] = nobody_knows,
        tallies: Tallies | None = None,
    ) -> None:  # fmt: skip
        """Nothing is read before the first tick.

        Args:
            rules: Those that run, with their budgets.
            spending: What rules cost.
            state: Where standings and the trail are kept.
            fit: Runs a fit in a worker.
            burn: State of the SLO that guards a rule.
            leads: Whether this process may act.
            cluster: Whoever writes there; None without one.
            hpa_need: The 95th percentile of what an HPA without a rule needed.
            tallies: What counts; without, what the rules' replicas requested.
        """
        self._hpa_need, self._tallies = hpa_need, tallies or Tallies(spending)
        self._cluster, self._hands = cluster, {} if cluster is None else cluster.hands
        self._rules, self._spending, self._state = rules, spending, state
        self._outlooks, self._burn, self._leads = Outlooks(fit), burn, leads
        self._lock = threading.Lock()
        self._standings: dict[Key, Standing] | None = None
        self._sights: dict[str, Sight] = {}
        self._in_force: tuple[Deed, ...] = ()
        self._needed: dict[str, float] = {}
        self._needed_least: dict[str, float] = {}
        self._needs = Needs(self._decided)

    def tick(self, now: datetime) -> None:
        """Every budget with thresholds, and what is left of those that are gone."""
        with self._lock:
            if not self._leads():
                self._standings, self._in_force = None, ()
                return
            known = self._known()
            asked = {(one.key, each.id) for one in self._rules().budgets for each in one.spec.thresholds}
            for budget in self._rules().budgets:
                if budget.spec.thresholds and periods.around(budget.spec.repeats, now).start <= now:
                    self._looked_at(budget, now)
            for key in [key for key in known if key not in asked]:
                self._wound_down(known[key], now)
            self._publish()

    def limits(self, rule: str, now: datetime) -> levers.Limits:
        """What stands of the budgets' deeds for a rule; never less than what it needs by the newest forecast."""
        found = levers.limits_of(self._in_force, rule, now)
        if found.most is not None:
            found = replace(found, most=levers.never_below(found.most, needed=self._needed.get(rule)))
        if found.least is not None:
            need = self._needed_least.get(rule)
            found = replace(found, least=None if need is None else levers.never_below(found.least, needed=need))
        return found

    def lowered(self, rule: ScalingRule, now: datetime) -> Lowered | None:
        """What stands in place of a rule's ``min``."""
        found = self.limits(rule.key, now)
        return None if found.least is None else Lowered(by=found.by.partition("/")[2], replicas=found.least)

    def held(self, key: str) -> Held:
        """Of one budget, as the last tick left it."""
        with self._lock:
            known = self._known()
            return Held(
                sight=self._sights.get(key), standings=tuple(one for (budget, _), one in known.items() if budget == key)
            )

    def look(self, budget: Budget, now: datetime, *, forecast: bool = False) -> Sight:
        """Where a budget stands, also one that no tick looks at; ``forecast``: also where nothing else asks for one."""
        with self._lock:
            before = self._sights.get(budget.key)
            if before is None or now - before.at >= LOOKED_AT_FOR or (forecast and not before.outlook.was_asked):
                before = self._sights[budget.key] = self._sight(budget, now, asked=forecast)
            return before

    def approve(
        self, key: str, threshold: str, action: str, *, digest: str, actor: str, now: datetime, by: str | None = None
    ) -> Deed:  # fmt: skip
        """Somebody's yes to one patch; it is done with the next tick.

        Raises:
            NoSuchDeedError: There is no such deed.
            NotAnApproverError: Whoever says it (``by`` their own word, ``actor`` to the API) may not.
            ValueError: It does not wait, is about another patch by now, or they have said it already.
        """
        with self._lock:
            standing = self._known().get((key, threshold))
            deed = None if standing is None else standing.deeds.get(action)
            if standing is None or deed is None:
                raise NoSuchDeedError(f"budget {key} does nothing called {action} for a threshold {threshold}")
            budget = self._rules().budget(key)
            wanted = None if budget is None else budget.spec.actions.get(action)
            name = name_of(wanted, by, actor=actor)
            needed = 1 if wanted is None else wanted.approvals
            agreed = deeds.approved(deed, Approval(digest=digest, by=name, at=now), needed=needed)
            self._keep(replace(standing, deeds={**standing.deeds, action: agreed}), now)
            self._note(now, actor, "budget.approve", key, {"deed": agreed.id, "digest": digest, "by": name})
            return agreed

    def wake(self, key: str, *, until: datetime, by: str, now: datetime) -> list[Deed]:
        """Whatever a budget lets sleep by the clock stays awake until then, from the next look on.

        Raises:
            NoSuchDeedError: Nothing of it sleeps, or would.
        """
        with self._lock:
            woken = list[Deed]()
            for standing in [one for (budget, _), one in self._known().items() if budget == key]:
                asleep = {name: deed for name, deed in standing.deeds.items() if levers.goes_by_clock(deed)}
                after = {name: deeds.woken(deed, until, by) for name, deed in asleep.items()}
                if after:
                    self._keep(replace(standing, deeds={**standing.deeds, **after}), now)
                    woken += after.values()
            if not woken:
                raise NoSuchDeedError(f"nothing sleeps by the clock because of budget {key}")
            detail = {"deeds": [one.id for one in woken], "until": until.isoformat()}
            self._note(now, by, "budget.wake", key, detail)
            return woken

    def _known(self) -> dict[Key, Standing]:
        if self._standings is None:
            with self._state.transaction() as session:
                rows = BudgetStandings(session).all()
            self._standings = {key: from_json(*key, body) for key, body in rows.items()}
            self._publish()
        return self._standings

    def _sight(self, budget: Budget, now: datetime, *, asked: bool = False) -> Sight:
        return sight(
            budget, self._rules().rules, spending=self._spending, outlooks=self._outlooks, now=now,
            before=self._sights.get(budget.key), asked=asked, tallies=self._tallies,
        )  # fmt: skip

    def _looked_at(self, budget: Budget, now: datetime) -> None:
        try:
            seen = self._sights[budget.key] = self._sight(budget, now)
            for threshold in budget.spec.thresholds:
                self._judged(budget, threshold, seen, now)
        except Exception as error:
            log.warning("budget not judged", extra={"budget": budget.key, "error": str(error)}, exc_info=True)

    def _judged(self, budget: Budget, threshold: BudgetThreshold, seen: Sight, now: datetime) -> None:
        key = (budget.key, threshold.id)
        before = self._known().get(key) or Standing(budget=budget.key, threshold=threshold.id)
        alert, notice = alerts.step(threshold, before.alert, seen.seen, budget=budget.key, now=now)
        firing = alert.state is AlertState.FIRING
        actions = {name: one for name, one in budget.spec.actions.items() if one.type != "notify"}
        names = dict.fromkeys([*(name for name in threshold.do if name in actions), *before.deeds])
        after = {}
        for name in names:
            wanted = actions.get(name) if name in threshold.do else None
            was = before.deeds.get(name)
            order = self._order(budget, threshold, name, wanted, seen, firing=firing, was=was, now=now)
            due = deeds.step(was, order, now)
            if writes(due) and due.state is DeedState.ACTING:
                self._keep(replace(before, alert=alert, deeds={**before.deeds, name: due}), now)  # the journal first
            after[name] = self._done(due, seen, now)
        gone = {name for name in after if name not in threshold.do and not after[name].in_force}
        self._told(notice, before, after, now)
        self._keep(replace(before, alert=alert, deeds={n: one for n, one in after.items() if n not in gone}), now)

    def _order(
        self, budget: Budget, threshold: BudgetThreshold, name: str, action: BudgetAction | None, seen: Sight, *,
        firing: bool, was: Deed | None, now: datetime,
    ) -> Order:  # fmt: skip
        id_ = f"{budget.key}/{threshold.id}/{name}"
        if action is None:
            return Order(
                id=id_, period=seen.span.id, mode=Mode.OBSERVE, firing=False, plan=Plan(), ends=seen.span.end
            )  # fmt: skip
        plan, lifts = Plan(), ""
        if was is not None and was.in_force:
            lifts = lifts_of(action, was, self._world(now))
        elif firing:
            world = self._world(now)
            made = plan_of(budget, threshold, action, seen, world, now=now)
            plan = paused(made, budget, seen.rules, world.rules, world.burn)
        return Order(
            id=id_, period=seen.span.id, mode=action.mode, firing=firing, plan=plan, ends=seen.span.end,
            lasts=action.lasts, lifts=lifts,
        )  # fmt: skip

    def _world(self, now: datetime) -> World:
        return World(
            rules=self._rules().rules, price=self._price_of, replicas=self._replicas_of,
            burn=lambda rule: self._burn(rule, now), outlooks=self._outlooks, needs=self._needs,
            hpa_need=self._hpa_need, cluster=self._cluster,
        )  # fmt: skip

    def _price_of(self, rule: str) -> Decimal | None:
        with self._state.transaction() as session:
            newest = DecisionLedger(session).latest(rule)
        if newest is None or newest.cost_per_hour is None or not newest.desired_replicas:
            return None
        return newest.cost_per_hour.amount / newest.desired_replicas

    def _replicas_of(self, rule: str) -> int | None:
        with self._state.transaction() as session:
            newest = DecisionLedger(session).latest(rule)
        return None if newest is None else newest.current_replicas

    def _decided(self, rule: str, since: datetime, until: datetime) -> list[Decision]:
        with self._state.transaction() as session:
            return DecisionLedger(session).spaced(rule, since=since, until=until, every=NEEDS_EVERY)

    def _done(self, deed: Deed, seen: Sight, now: datetime) -> Deed:
        """A limit on decisions needs no write: it holds from the next decision on, and is given back by the clock."""
        if deed.state is DeedState.ACTING:
            self._look_at_needs(deed, seen, now)
            return written(deed, self._hands, now)
        if deed.state is DeedState.REVERTING:
            return taken_back(deed, self._hands, now)
        if deed.state is DeedState.HELD and deed.acted_at is not None:
            until = deed.acted_at + (now - deed.acted_at) // HOUR * HOUR
            self._look_at_needs(deed, seen, now)
            spent = [spent_between(seen.costs.get(key, []), deed.acted_at, until) for key in levers.rules_of(deed)]
            return deeds.measured(self._by_clock(deed, now), sum(spent, Decimal(0)), now)
        return deed

    def _by_clock(self, deed: Deed, now: datetime) -> Deed:
        world, sleepers = self._world(now), None if self._cluster is None else self._cluster.sleepers
        return kept(deed, sleepers, now, hold=lambda change: budget_off_hours.objection(change, world))

    def _look_at_needs(self, deed: Deed, seen: Sight, now: datetime) -> None:
        """What the limits that stand must not go below."""
        world = self._world(now)
        self._needed |= needed(seen, levers.rules_of(deed, levers.MAX), world, now=now)
        for rule in levers.rules_of(deed, levers.MIN):
            if (need := budget_minima.needed(rule, seen, world, now=now)) is not None:
                self._needed_least[rule] = need

    def _wound_down(self, standing: Standing, now: datetime) -> None:
        """Of a threshold that no document has any more: taken back by the same steps, then forgotten."""
        left = {}
        for name, deed in standing.deeds.items():
            order = Order(
                id=deed.id, period=deed.period, mode=Mode.OBSERVE, firing=False, plan=Plan(),
                ends=deed.expires_at or now,
            )  # fmt: skip
            stepped = deeds.step(deed, order, now)
            if stepped.state is DeedState.REVERTING:
                stepped = taken_back(stepped, self._hands, now)
            if stepped.in_force:
                left[name] = stepped
        if left:
            return self._keep(replace(standing, deeds=left), now)
        self._known().pop((standing.budget, standing.threshold), None)
        with self._state.transaction() as session:
            BudgetStandings(session).forget(standing.budget, standing.threshold)

    def _told(self, notice: Notice | None, before: Standing, after: Mapping[str, Deed], now: datetime) -> None:
        if notice is not None:
            log.warning("budget notice", extra={"notice": notice.id, "message_text": notice.message})
            self._note(now, "foretide", "budget.notice", notice.budget, {"id": notice.id, "message": notice.message})
        for name, deed in after.items():
            was = before.deeds.get(name)
            by_clock = was is not None and levers.goes_by_clock(deed) and was.reason != deed.reason
            if was is None or was.state is not deed.state or by_clock:
                detail = {"deed": deed.id, "state": deed.state.value, "reason": deed.reason, "digest": deed.digest,
                          "changes": [str(one) for one in deed.changes]}  # fmt: skip
                self._note(now, "foretide", "budget.deed", before.budget, detail)

    def _keep(self, standing: Standing, now: datetime) -> None:
        """Written only when something but the time of the last look is another."""
        key, known = (standing.budget, standing.threshold), self._known()
        before = known.get(key)
        known[key] = standing
        self._publish()
        if before is not None and _apart_from_time(before) == _apart_from_time(standing):
            return
        with self._state.transaction() as session:
            BudgetStandings(session).put(*key, at=now, body=to_json(standing))

    def _note(self, now: datetime, actor: str, verb: str, key: str, detail: Mapping[str, object]) -> None:
        entry = AuditEntry(at=now, actor=actor, verb=verb, object=f"Budget {key}", detail=detail)
        with self._state.transaction() as session:
            AuditTrail(session).record(entry)

    def _publish(self) -> None:
        every = (deed for one in (self._standings or {}).values() for deed in one.deeds.values())
        self._in_force = tuple(deed for deed in every if deed.in_force)


def _apart_from_time(standing: Standing) -> Standing:
    """The alert's sentence and the saving so far move at every look; they are made anew after a restart."""
    alert = None if standing.alert is None else replace(standing.alert, at=standing.alert.since, reason="")
    still = {
        name: replace(deed, realised=None, realised_low=None, realised_high=None)
        for name, deed in standing.deeds.items()
    }  # fmt: skip
    return replace(standing, alert=alert, deeds=still)
