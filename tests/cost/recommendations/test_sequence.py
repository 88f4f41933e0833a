from datetime import date
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from cost.recommendations.effects import (
    Candidate,
    Commit,
    Consolidate,
    DropThing,
    DropWorkload,
    Resize,
    SwitchOff,
    ToSpot,
)
from cost.recommendations.packing import order, pack
from cost.recommendations.present import Present
from cost.recommendations.sequence import simulate
from domain.recommendations import Freed, Recommendation
from tests.cost.recommendations.presents import K, candidate, candidates, load, node, presents

FOUR = tuple(node(f"n{number}") for number in range(4))
HALF = tuple(range(84))


def drop(name: str) -> Candidate:
    return candidate(K.ABANDONED_WORKLOAD, name, DropWorkload(workload=name))


def smaller(name: str, cpu: int) -> Candidate:
    return candidate(K.RIGHT_SIZE_REQUESTS, name, Resize(workload=name, cpu_millicores=cpu, memory_bytes=0))


def saved(items: tuple[Recommendation, ...]) -> list[int]:
    return [int(one.saving.monthly) for one in items]


@settings(max_examples=150, deadline=None)
@given(present=presents, chosen=st.lists(candidates, max_size=12), aside=st.integers(0, 3))
def test_savings_add_up_to_what_is_left_over_of_the_bill_and_none_is_negative(
    present: Present, chosen: list[Candidate], aside: int
) -> None:
    left_out = {one.advice.id for one in chosen[:aside]}
    found = simulate(present, chosen, aside=left_out)
    counted = [one.saving.monthly for one in found.items if one.id not in left_out]
    assert sum(counted, Decimal(0)) == found.total
    assert Decimal(0) <= found.total <= found.before == present.monthly
    assert all(one.saving.monthly >= 0 for one in found.items)
    assert simulate(present, [*reversed(chosen)], aside=left_out).before == found.before


@settings(max_examples=40, deadline=None)
@given(present=presents, chosen=st.lists(candidates, max_size=8, unique_by=lambda one: one.advice.id))
def test_the_order_in_which_items_come_changes_nothing(present: Present, chosen: list[Candidate]) -> None:
    assert simulate(present, chosen) == simulate(present, chosen[::-1])


def test_two_items_about_one_workload_never_save_it_twice() -> None:
    present = Present(currency="EUR", nodes=FOUR, loads=(load("a", 8), load("b", 8)))
    found = simulate(present, [smaller("a", -500), drop("a")])
    assert saved(found.items) == [200]
    assert found.items[0].supersedes == (smaller("a", -500).advice.id,)
    assert found.total == 200


def test_room_is_money_only_once_a_whole_node_goes_and_it_is_told_by_whose_help() -> None:
    present = Present(currency="EUR", nodes=FOUR, loads=(load("a", 8), load("b", 8)))
    first, second = simulate(present, [smaller("a", -400), smaller("b", -250)]).items
    assert (first.saving.monthly, first.freed) == (0, Freed(cpu_millicores=3200))
    assert first.saving.realised_when == "never"
    assert (second.saving.monthly, second.saving.realised_when) == (100, "nodesRemoved")
    assert second.together == (first.id,)


def test_slack_that_is_there_today_belongs_to_the_node_pool_alone() -> None:
    present = Present(currency="EUR", nodes=FOUR, loads=(load("a", 4),))
    shrink = candidate(K.RIGHT_SIZE_NODE_POOL, "p", Consolidate(pool="p"))
    found = simulate(present, [smaller("a", -500), shrink])
    assert saved(found.items) == [0, 300]
    assert saved(simulate(present, [shrink]).items) == [300]


def test_what_asks_for_more_takes_up_slack_before_it_is_given_away() -> None:
    present = Present(currency="EUR", nodes=FOUR, loads=(load("a", 4),))
    shrink = candidate(K.RIGHT_SIZE_NODE_POOL, "p", Consolidate(pool="p"))
    grow = candidate(K.RIGHT_SIZE_REQUESTS, "a", Resize(workload="a", cpu_millicores=1000, memory_bytes=0))
    assert saved(simulate(present, [shrink, grow]).items) == [0, 200]


def test_a_node_whose_commitment_cannot_be_given_back_saves_nothing_until_it_ends() -> None:
    ends = date(2027, 3, 31)
    owned = tuple(node(f"n{number}", committed_until=ends) for number in range(3))
    present = Present(currency="EUR", nodes=(*owned, node("n3")), loads=(load("a", 8), load("b", 8)))
    first, second = simulate(present, [drop("a"), drop("b")]).items
    assert (first.saving.monthly, second.saving.monthly) == (100, 0)
    assert second.saving.realised_when == "commitment ends 2027-03-31"


def test_nights_off_save_the_nodes_of_these_hours() -> None:
    present = Present(currency="EUR", nodes=FOUR, loads=(load("a", 8), load("b", 8)))
    off = [candidate(K.OFF_HOURS_SCHEDULE, name, SwitchOff(workload=name, hours=frozenset(HALF))) for name in "ab"]
    found = simulate(present, off)
    assert saved(found.items) == [100, 100]
    assert found.total == 200


def test_spot_is_only_taken_where_it_is_cheaper_by_whole_nodes() -> None:
    loads = (load("a", 8), load("b", 8))
    move = candidate(K.SPOT_MOVE, "a", ToSpot(workload="a"))
    cheap = Present(currency="EUR", nodes=FOUR, loads=loads, spot_ratio={"p": Decimal("0.35")})
    assert saved(simulate(cheap, [move]).items) == [130]
    few = Present(currency="EUR", nodes=FOUR, loads=(load("a", 1), load("b", 12)), spot_ratio={"p": Decimal("0.35")})
    assert saved(simulate(few, [move]).items) == [65]
    owned = tuple(node(f"n{number}", committed_until=date(2027, 1, 1)) for number in range(4))
    idle = Present(currency="EUR", nodes=owned, loads=loads, spot_ratio={"p": Decimal("0.35")})
    assert saved(simulate(idle, [move]).items) == [0]


def test_a_commitment_is_bought_for_what_is_left_after_everything_else() -> None:
    present = Present(currency="EUR", nodes=FOUR, loads=(load("a", 8), load("b", 8)))
    buy = candidate(K.COMMITMENT_BUY, "m4", Commit(machine="m4", quantity=4, ratio=Decimal("0.6")))
    assert saved(simulate(present, [buy]).items) == [160]
    assert saved(simulate(present, [buy, drop("a")]).items) == [200, 80]


def test_a_volume_goes_once() -> None:
    present = Present(currency="EUR", things={"v": Decimal(10)})
    part = candidate(K.OVERSIZED_PV, "part", DropThing(thing="v", monthly=Decimal(4)))
    whole = candidate(K.UNUSED_PVC, "whole", DropThing(thing="v"))
    assert simulate(present, [part, whole]).total == 10


def test_what_somebody_does_not_want_changes_nothing_for_the_others() -> None:
    present = Present(currency="EUR", nodes=FOUR, loads=(load("a", 8), load("b", 8)))
    no = drop("a")
    found = simulate(present, [no, smaller("a", -500)], aside={no.advice.id})
    assert saved(found.items) == [100, 100]
    assert found.total == 100


def test_daemons_take_room_on_every_node_and_the_largest_pod_has_to_fit() -> None:
    every = load("d", 4, cpu=500, on_every_node=True)
    assert pack(order(FOUR), [load("a", 6), every]).used.tolist() == [True, True, False, False]
    assert not pack(order(FOUR), [load("a", 1, cpu=3600), every]).fits
    present = Present(currency="EUR", nodes=FOUR, loads=(load("a", 1, cpu=3600), every))
    assert saved(simulate(present, [candidate(K.RIGHT_SIZE_NODE_POOL, "p", Consolidate(pool="p"))]).items) == [0]
