"""Rings over passes of the loop: what is counted, kept, told; and rules that wait for theirs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from controller.actuation.limits import Limits
from controller.actuation.ring_trouble import Count, Told
from controller.actuation.rings import Plan, State
from controller.rings import Rings
from domain.errors import KubeError, RefusedError
from tests.controller.reconciling import TICK, Bench, rule

FLEET = {f"n{number}/web": Told(version="1", origin="rules") for number in range(20)}


class Kept:
    """A store, and Foretides that look at it one after the other."""

    def __init__(self) -> None:
        self.state, self.writes, self.said = State(), 0, [("", "")]
        self.tried: Mapping[str, Count] = {}
        self.refuses: Exception | None = None

    def read(self) -> State:
        if self.refuses is not None:
            raise self.refuses
        return self.state

    def write(self, state: State) -> None:
        self.state, self.writes = state, self.writes + 1

    def foretide(self) -> Rings:
        return Rings(
            read=self.read, write=self.write, plan=Plan(), controller="0.1", tried=lambda: self.tried,
            say=lambda reason, message: self.said.append((reason, message)),
        )  # fmt: skip


def test_the_state_is_written_on_change_only_and_the_next_leader_goes_on(now: datetime) -> None:
    kept = Kept()
    first = kept.foretide()
    assert len(first.held(FLEET, now)) == 19
    for tick in range(1, 60):
        first.held(FLEET, now + tick * TICK)
    assert kept.writes == 1
    assert len(kept.foretide().held(FLEET, now + timedelta(minutes=15))) == 18
    assert kept.foretide().held(FLEET, now + timedelta(minutes=30)) == {}
    assert [reason for reason, _ in kept.said[1:]] == ["RingOpened", "RingOpened", "RingsDone"]


def test_refused_writes_in_the_ring_halt_it_and_those_elsewhere_do_not(now: datetime) -> None:
    kept = Kept()
    foretide = kept.foretide()
    foretide.held(FLEET, now)
    (first,) = kept.state.releases[0].open
    elsewhere = next(one for one in kept.state.releases[0].namespaces if one != first)
    kept.tried = {elsewhere: Count(5, 5, "no")}
    foretide.held(FLEET, now + TICK)
    assert foretide.halted == 0
    kept.tried = {first: Count(2, 2, "minReplicas is refused")}
    for tick in (2, 3):
        foretide.held(FLEET, now + tick * TICK)
    assert foretide.halted == 1
    assert kept.said[-1] == (
        "RingHalted", "Foretide 0.1: ring 1 of 3 halted because 4 of 4 writes in it were refused, the last: "
        "minReplicas is refused; foretide rings --resume lets it go on",
    )  # fmt: skip
    assert foretide.status == (kept.said[-1][1],)


def test_where_nobody_knows_how_far_the_rings_are_everything_is_held_and_a_follower_holds_nothing(
    now: datetime,
) -> None:
    kept = Kept()
    foretide = kept.foretide()
    kept.refuses = KubeError("no answer", status=0, reason="Timeout")
    held = foretide.held(FLEET, now)
    assert held.keys() == FLEET.keys()
    assert held["n1/web"] == "held: how far the rings are is not known: no answer"
    kept.refuses = RefusedError("another process leads")
    assert foretide.held(FLEET, now) == {}
    assert kept.writes == 0


def test_a_rule_before_its_ring_decides_keeps_score_and_writes_nothing(bench: Bench, now: datetime) -> None:
    bench.rules = [rule(actuate={"with": "bounds", "hpa": "shop"})]
    at = ("HorizontalPodAutoscaler", "demo", "shop")
    bench.cluster.autoscalers[at] = Limits(low=1, high=20)
    bench.held = {"demo/shop": "held: ring 1 of 3 acts in 1 of 9 namespaces"}
    bench.reconciler.tick(now)
    decision, action = bench.last("shop")
    assert (bench.cluster.autoscalers[at], action) == (Limits(low=1, high=20), None)
    assert (decision.trace[-1].stage, decision.trace[-1].message) == ("ring", bench.held["demo/shop"])
    assert decision.desired_replicas == 6
    assert bench.cluster.settled == [{"demo/shop"}]  # what an earlier version set there is not given back
    bench.held = {}
    bench.reconciler.tick(now + TICK)
    assert bench.cluster.autoscalers[at].low > 1
