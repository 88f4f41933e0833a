"""What floors may add together: never above the room, never below what stands, whoever is looked at first."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from controller.actuation.shares import Claim, Granted, Room, granted

CLAIMS = st.lists(
    st.builds(
        dict,
        namespace=st.sampled_from(["a", "b"]), stands=st.integers(0, 40), wants=st.integers(0, 90),
        free=st.integers(0, 40), cpu=st.sampled_from([0.0, 0.1, 0.25, 1.0, 3.5]),
    ),
    min_size=1, max_size=8,
)  # fmt: skip
AMOUNTS = st.floats(-5, 120)


def claims_of(drawn: list[dict[str, object]]) -> list[Claim]:
    return [
        Claim(rule=f"{one['namespace']}/r{at}", pod={"cpu": one.pop("cpu"), "pods": 1.0}, **one)  # type: ignore[arg-type, dict-item]
        for at, one in enumerate(map(dict, drawn))
    ]


def added(claims: list[Claim], levels: dict[str, int], resource: str) -> float:
    return sum(max(0, max(levels[one.rule], one.stands) - one.free) * one.pod[resource] for one in claims)


@given(CLAIMS, AMOUNTS, AMOUNTS, st.integers(0, 1000))
def test_never_above_the_room_never_below_what_stands_and_in_any_order_the_same(
    drawn: list[dict[str, object]], cores: float, pods: float, seed: int
) -> None:
    claims = claims_of(drawn)
    rooms = [
        Room(resource="pods", amount=pods, said="quota q", namespace="a"),
        Room(resource="cpu", amount=cores, said="the setting"),
    ]
    result = granted(claims, rooms)
    levels = {rule: one.low for rule, one in result.items()}
    stands = {one.rule: one.stands for one in claims}
    in_a = [one for one in claims if one.namespace == "a"]
    assert added(claims, levels, "cpu") <= max(cores, added(claims, stands, "cpu")) + 1e-6
    assert added(in_a, levels, "pods") <= max(pods, added(in_a, stands, "pods")) + 1e-6
    for one in claims:
        assert min(one.stands, one.wants) <= levels[one.rule] <= one.wants
        assert bool(result[one.rule].why) == (levels[one.rule] < one.wants)
    shuffled = list(claims)
    Random(seed).shuffle(shuffled)
    assert granted(shuffled, rooms) == result


def claim(rule: str, wants: int, *, stands: int = 2, free: int = 2, cpu: float = 1.0) -> Claim:
    return Claim(
        rule=rule, namespace=rule.partition("/")[0], stands=stands, wants=wants, free=free, pod={"cpu": cpu, "pods": 1}
    )  # fmt: skip


def test_everybody_gets_the_same_share_and_the_sentence() -> None:
    room = Room(resource="cpu", amount=9.0, said="kubernetes.most_added_cores")
    why = "rules together would add 18.0 cores, and kubernetes.most_added_cores leaves 9.0 cores"
    assert granted([claim("a/x", 12), claim("b/y", 10)], [room]) == {
        "a/x": Granted(low=7, why=why), "b/y": Granted(low=6, why=why),
    }  # fmt: skip


def test_replicas_that_run_anyway_cost_nothing_and_a_quota_is_its_namespaces_alone() -> None:
    rooms = [Room(resource="pods", amount=0.0, said="ResourceQuota a/q", namespace="a")]
    result = granted([claim("a/x", 12, free=9), claim("b/y", 10)], rooms)
    assert (result["a/x"].low, result["b/y"].low) == (9, 10)
