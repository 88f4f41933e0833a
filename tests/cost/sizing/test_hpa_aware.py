from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from cost.sizing.hpa_aware import BURST_RATIO, MOST_TARGET_PERCENT, Joint, for_pod, together
from cost.sizing.observed import Evidence, Resource, Risk, Size, Sizing

_REQUESTS = st.integers(50, 64_000)
_TARGETS = st.integers(20, 95)


def _sizing(container: str, current: int, wanted: int | None) -> Sizing:
    return Sizing(
        target="shop/Deployment/web", container=container, resource=Resource.CPU, current=Size(request=current),
        wanted=None if wanted is None else Size(request=wanted), engine="forecast", evidence=Evidence(),
        confidence=1.0, risk=Risk.LOW,
    )  # fmt: skip


def test_the_example_of_the_design() -> None:
    assert together(1000, 80, 500) == Joint(request=920, target_percent=87)


@given(_REQUESTS, _TARGETS, st.integers(1, 80_000))
def test_the_operating_point_stays_and_burst_room_is_there(request: int, target: int, wanted: int) -> None:
    found = together(request, target, wanted)
    if found is None:  # the wanted request is a hundred times what a pod carries
        assert wanted > request * target // 2
        return
    point, kept = request * target, found.request * found.target_percent
    assert abs(kept - point) <= found.target_percent / 2
    if found != Joint(request=request, target_percent=target):
        assert found.target_percent <= MOST_TARGET_PERCENT
        assert found.request >= max(wanted, point * (1 + BURST_RATIO) / 100)


def _five_times(request: int, target: int, pods_of_work: float, spread: float) -> list[tuple[int, int, int]]:
    """Requests, targets and wishes under an HPA: pods follow the set-point, use the pods, advice the use."""
    demand = pods_of_work * request * target / 100
    seen = []
    for _ in range(5):
        replicas = max(1, math.ceil(demand / (request * target / 100)))
        wanted = max(1, math.ceil(demand / replicas * spread))
        found = together(request, target, wanted)
        assert found is not None
        request, target = found.request, found.target_percent
        seen.append((request, target, wanted))
    return seen


@given(_REQUESTS, _TARGETS, st.floats(1.0, 500.0), st.floats(0.9, 1.3))
def test_advice_applied_five_times_does_not_drift(
    request: int, target: int, pods_of_work: float, spread: float
) -> None:
    """What a pod carries stays, and no request goes below its room or beyond what use and rounding explain."""
    seen = _five_times(request, target, pods_of_work, spread)
    point = request * target
    for now, percent, wanted in seen:
        assert abs(now * percent - point) <= max(0.02 * point, 3 * percent)
        room = point * (1 + BURST_RATIO) / 100
        # Whole percent from 20 on move a request by 5 % at most, and 5 % too much are left.
        assert 0.98 * room - 3 <= now <= 1.12 * max(room, wanted) + 3


@given(_REQUESTS, _TARGETS, st.floats(40.0, 500.0), st.floats(0.9, 1.3))
def test_with_many_pods_the_first_advice_is_the_last(
    request: int, target: int, pods_of_work: float, spread: float
) -> None:
    """One pod of three more or less moves what each uses by a third, and advice follows; one of 40 by 2.5 %."""
    requests = [one[0] for one in _five_times(request, target, pods_of_work, spread)]
    assert max(requests) - min(requests) <= max(3, 0.05 * requests[0])  # 2.5 %, and whole percent of the target


def test_the_naive_advice_collapses_where_ours_stands() -> None:
    naive, ours, target = 1000, 1000, 80
    for _ in range(5):
        naive = naive * 80 // 100
        found = together(ours, target, ours * target // 100)
        assert found is not None
        ours, target = found.request, found.target_percent
    assert naive < 330
    assert (ours, target) == (920, 87)


def test_containers_of_a_pod_share_what_the_pod_may_not_give_up() -> None:
    sized = for_pod([_sizing("web", 800, 300), _sizing("proxy", 200, 100)], 80)
    requests = [one.wanted.request for one in sized if one.wanted]
    assert requests == [690, 230]
    assert {one.hpa_target_percent for one in sized} == {87}


def test_a_container_without_an_answer_holds_all() -> None:
    sized = for_pod([_sizing("web", 800, 300), _sizing("proxy", 200, None)], 80)
    assert [one.wanted for one in sized] == [None, None]


def test_what_fits_is_left_alone() -> None:
    (sized,) = for_pod([_sizing("web", 920, 700)], 87)
    assert sized.wanted == Size(request=920)
    assert sized.hpa_target_percent == 87
