"""Rings: who acts first, when the next ring comes, and what halts it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.actuation import rings
from controller.actuation.ring_trouble import Count, Told, burns_more, trouble
from controller.actuation.rings import Plan, State
from tests.controller.cluster.world import NOON

PLAN = Plan()
NAMES = st.sets(st.from_regex(r"[a-z]{1,6}", fullmatch=True), min_size=1, max_size=60)


def told(*namespaces: str, version: str = "1", origin: str = "policy ops/web", **more: object) -> dict[str, Told]:
    return {f"{name}/web": Told(version=version, origin=origin, **more) for name in namespaces}  # type: ignore[arg-type]


def passed(state: State, fleet: dict[str, Told], *, minutes: float = 0, halts: str = "", plan: Plan = PLAN) -> State:
    """One pass, with a trouble of every release or none."""
    state = rings.joined(state, fleet, fleet, controller="0.1")
    why = {one.name: halts for one in state.releases} if halts else {}
    return rings.moved(state, fleet, why, plan=plan, now=NOON + timedelta(minutes=minutes))


def acting(state: State, fleet: dict[str, Told]) -> int:
    return len(fleet.keys() - rings.held(state, fleet, PLAN).keys())


HUNDRED = told(*(f"n{number}" for number in range(100)))


def test_what_is_new_acts_in_1_then_10_then_100_percent_of_its_namespaces() -> None:
    state, seen = State(), []
    for minutes in (0, 14.9, 15, 29, 30):
        state = passed(state, HUNDRED, minutes=minutes)
        seen.append(acting(state, HUNDRED))
    assert seen == [1, 1, 10, 10, 100]
    assert (state.releases, len(state.done)) == ((), 100)
    assert passed(state, HUNDRED, minutes=31) is not None
    assert passed(state, HUNDRED, minutes=31) == state


def test_one_namespace_is_all_of_them_and_three_have_no_second_ring() -> None:
    assert acting(passed(State(), told("shop")), told("shop")) == 1
    three = told("a", "b", "c")
    state = passed(State(), three)
    assert acting(state, three) == 1
    assert acting(passed(state, three, minutes=15), three) == 3


def test_a_halted_ring_stays_where_it_is_until_somebody_lets_it_go_on() -> None:
    state = passed(State(), HUNDRED)
    state = passed(state, HUNDRED, minutes=5, halts="3 of 4 writes in it were refused")
    for minutes in (20, 600):
        state = passed(state, HUNDRED, minutes=minutes)
    assert acting(state, HUNDRED) == 1
    (sentence,) = set(rings.held(state, HUNDRED, PLAN).values())
    assert sentence == (
        "held: ring 1 of 3 halted because 3 of 4 writes in it were refused; "
        "foretide rings --resume lets it go on (new: Foretide 0.1)"
    )
    state = passed(rings.resumed(state), HUNDRED, minutes=601)
    assert acting(passed(state, HUNDRED, minutes=615), HUNDRED) == 1
    assert acting(passed(state, HUNDRED, minutes=616), HUNDRED) == 10
    assert acting(passed(rings.resumed(state, finish=True), HUNDRED, minutes=602), HUNDRED) == 100


def everywhere(fleet: dict[str, Told]) -> State:
    return passed(rings.resumed(passed(State(), fleet), finish=True), fleet)


def test_another_version_of_a_policy_begins_at_the_first_ring_and_nobody_elses_rules_wait() -> None:
    fleet = HUNDRED | {"other/cart": Told(version="1", origin="rules")}
    state = everywhere(fleet)
    changed = fleet | told(*(rings.space(rule) for rule in HUNDRED), version="2")
    state = passed(state, changed)
    assert acting(state, changed) == 2
    halted = passed(state, changed, minutes=1, halts="x")
    edited = fleet | told(*(rings.space(rule) for rule in HUNDRED), version="3")
    again = passed(halted, edited, minutes=2)
    assert (acting(again, edited), [one.halted for one in again.releases]) == (2, [""])


def test_a_workload_more_acts_at_once_unless_its_policy_is_on_its_way() -> None:
    state = everywhere(HUNDRED)
    more = HUNDRED | told("new")
    assert acting(passed(state, more), more) == 101
    on_its_way = passed(state, told(*(rings.space(rule) for rule in HUNDRED), version="2"))
    more = told(*(rings.space(rule) for rule in HUNDRED), "new", version="2")
    assert acting(passed(on_its_way, more), more) == 1


def test_another_foretide_makes_everything_new_once() -> None:
    state = everywhere(HUNDRED)
    state = rings.joined(state, HUNDRED, HUNDRED, controller="0.2")
    state = rings.moved(state, HUNDRED, {}, plan=PLAN, now=NOON)
    assert acting(state, HUNDRED) == 1
    assert rings.joined(state, HUNDRED, HUNDRED, controller="0.2") == state


def test_a_rule_that_may_not_act_for_a_while_is_not_forgotten() -> None:
    state = everywhere(HUNDRED)
    silent = {rule: replace(one, acts=False) for rule, one in HUNDRED.items()}
    state = rings.joined(state, {}, silent, controller="0.1")
    assert acting(passed(state, HUNDRED), HUNDRED) == 100


@given(NAMES, st.integers(0, 2**32))
def test_the_same_namespaces_are_first_each_time_and_those_that_are_named_before_them(
    names: set[str], seed: int
) -> None:
    first = sorted(names)[seed % len(names)]
    ordered = rings.order(sorted(names, key=lambda one: hash((one, seed))), [first])
    assert ordered == rings.order(names, [first])
    assert ordered[0] == first


@given(NAMES, st.lists(st.tuples(st.floats(0.1, 40), st.booleans(), st.booleans()), max_size=12))
def test_a_ring_never_closes_again_and_never_opens_more_than_its_share(
    names: set[str], passes: list[tuple[float, bool, bool]]
) -> None:
    fleet, state, minutes, before, halted = told(*names), State(), 0.0, 0, False
    for more, halts, resumes in passes:
        minutes += more
        state = rings.resumed(state) if resumes else state
        state = passed(state, fleet, minutes=minutes, halts="x" if halts else "")
        now = acting(state, fleet)
        assert now >= before or before == 0
        halted = any(one.halted for one in state.releases)
        assert now in {0, 1, max(1, -(-len(names) // 10)), len(names)}
        assert not halted or now == before or before == 0
        before = now


@pytest.mark.parametrize(
    ("writes", "evaluations", "halts"),
    [
        (Count(2, 2, "x"), Count(), False),  # two of two say nothing yet
        (Count(3, 3, "x"), Count(), True),
        (Count(60, 3, "x"), Count(), False),  # exactly 5 %
        (Count(59, 3, "x"), Count(), True),
        (Count(), Count(100, 6), True),
    ],
)
def test_more_than_5_percent_that_fail_halt_a_ring(writes: Count, evaluations: Count, halts: bool) -> None:
    assert bool(trouble(writes, evaluations, "")) == halts


def burning(*rules: str, of: int = 10) -> dict[str, Told]:
    return {
        f"n{number}/web": Told(version="1", origin="rules", burning=f"n{number}" in rules) for number in range(of)
    }  # fmt: skip


def test_slos_that_burn_in_the_ring_more_than_elsewhere_halt_it() -> None:
    inside = ["n0/web", "n1/web"]
    assert burns_more(burning("n0"), inside, []) == (
        "the SLO burns of 1 of 2 rules in it (n0/web), and of 0 of 8 elsewhere"
    )
    assert burns_more(burning("n5"), inside, []) == ""
    assert burns_more(burning("n0"), inside, ["n0/web"]) == ""
    assert burns_more(burning("n0", "n2", "n3", "n4", "n5"), inside, []) == ""
    assert burns_more(burning("n0", of=2), inside, []) != ""
