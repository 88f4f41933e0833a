from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller import capacity
from controller.capacity import Observation
from controller.simulate.service import Service, slower_share
from domain.capacity import Carried, Learning

START = datetime(2026, 11, 21, 9, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SERVICE = Service.queue()
"""Five workers of 60 ms: 83.3 requests a second at most, 70.6 of them within a p95 of 300 ms."""


def seen(
    minute: float, each: float | None, *, ready: int = 5, current: int | None = None, version: str = "a",
    share: float | None = None, held: bool | None = None,
) -> Observation:  # fmt: skip
    return Observation(
        at=START + minute * MINUTE, versions=frozenset({version} if version else ()), cpu_share=share, held=held,
        load=None if each is None else each * ready, ready=ready, current=ready if current is None else current,
    )  # fmt: skip


def daily(low: float, high: float) -> Callable[[int], float]:
    """Load per replica by minute: up and down every four hours."""
    return lambda minute: (low + high) / 2 + (high - low) / 2 * math.sin(minute / 240 * 2 * math.pi)


def world(
    each: Callable[[int], float], minutes: Iterable[int], *, service: Service = SERVICE, rest: float = 0.02,
    noise: float = 0.0, latency: bool = False, version: str = "a", slo_slack: float = 1.0,
) -> list[Observation]:  # fmt: skip
    """What would be seen of replicas that are M/M/5 queues: CPU at rest and by request, p95 by the queue's formula."""
    chance, made = random.Random(1), []
    for minute in minutes:
        busy = each(minute) / service.capacity_rps
        share = min(rest + busy * (1 + noise * chance.gauss(0, 1)), 1.0)
        seconds = 0.06 * SERVICE.capacity_rps / service.capacity_rps
        late = slower_share(busy, workers=5, service_seconds=seconds, seconds=0.3 * slo_slack)
        made.append(seen(minute, each(minute), share=share, held=late <= 0.05 if latency else None, version=version))
    return made


def learned(observations: Iterable[Observation], known: Learning | None = None) -> Learning:
    for one in observations:
        known = known or capacity.begin(one, rule="shop/web", trigger="rps", subject="s")
        known = capacity.observe(known, one)
    assert known is not None
    return known


def carried(known: Learning, *, start: float = 40.0, most: float = 1000.0) -> Carried:
    return capacity.carried(known, start=start, most=most)


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.1])
@pytest.mark.parametrize("latency", [False, True])
def test_after_an_honest_spread_of_load_it_errs_by_at_most_5_percent(noise: float, latency: bool) -> None:
    found = carried(learned(world(daily(15, 68), range(240), noise=noise, latency=latency)))

    truth = SERVICE.capacity_rps * (capacity.SAFE_UTILIZATION - 0.02)
    assert found.learned
    assert 0.95 * truth <= found.value <= truth


def test_where_a_scaler_keeps_every_replica_equally_busy_it_is_learned_too() -> None:
    found = carried(learned(world(daily(48, 52), range(240), noise=0.03)))

    assert found.learned
    assert 0.9 * SERVICE.safe_rps <= found.value <= SERVICE.safe_rps


def test_the_latency_objective_bounds_what_cpu_would_allow() -> None:
    strict = world(daily(15, 68), range(480), latency=True, slo_slack=0.75)
    held = max(one.load / 5 for one in strict if one.held and one.load)

    found = carried(learned(strict))

    assert found.learned
    assert 0.9 * held <= found.value <= held < 0.9 * SERVICE.safe_rps


def test_without_cpu_the_latency_objective_alone_is_enough() -> None:
    blind = [replace(one, cpu_share=None) for one in world(daily(15, 80), range(480), latency=True)]

    found = carried(learned(blind))

    assert found.learned
    assert 0.9 * SERVICE.safe_rps <= found.value <= SERVICE.safe_rps


def test_single_misses_at_little_load_bound_nothing() -> None:
    good = world(daily(15, 60), range(480), latency=True)
    bad = [replace(one, held=False) if place % 40 == 0 else one for place, one in enumerate(good)]

    assert carried(learned(bad)).value == carried(learned(good)).value


def test_idle_replicas_tell_nothing() -> None:
    found = carried(learned(world(daily(0.5, 1.5), range(600), noise=0.1)))

    assert found == Carried(
        value=40.0, learned=False, said="where learning starts, it is learned anew since 2026-11-21 09:12Z"
    )


def test_a_night_of_housekeeping_does_not_move_what_the_day_taught() -> None:
    day = learned(world(daily(30, 65), range(480)))
    night = [replace(one, cpu_share=0.2) for one in world(lambda minute: 2.0, range(480, 960))]

    assert carried(learned(night, day)) == carried(day)


def test_few_samples_say_nothing() -> None:
    some = learned(world(daily(15, 68), range(28)))

    assert not carried(some).learned


def test_what_is_far_beyond_the_load_that_was_seen_is_not_said() -> None:
    assert not carried(learned(world(daily(10, 30), range(600)))).learned


def test_after_a_deploy_it_is_learned_anew_and_a_slower_version_is_followed() -> None:
    before = learned(world(daily(15, 60), range(300)))
    slow = Service.queue(service_seconds=0.06 / 0.7, slo_seconds=0.5)
    first = learned(world(daily(15, 45), range(300, 310), service=slow, version="b"), before)
    later = learned(world(daily(15, 45), range(310, 600), service=slow, version="b"), first)

    assert carried(first) == Carried(
        value=40.0,
        learned=False,
        said="where learning starts, it is learned anew since the deploy at 2026-11-21 14:12Z",
    )
    truth = 0.7 * SERVICE.capacity_rps * (capacity.SAFE_UTILIZATION - 0.02)
    assert 0.95 * truth <= carried(later).value <= truth
    assert carried(later).said.startswith("learned from ")
    assert " samples since the deploy at 2026-11-21 14:12Z, ± " in carried(later).said


def test_while_two_versions_run_the_start_counts_and_after_a_rollback_what_was_known() -> None:
    before = learned(world(daily(15, 60), range(300)))
    both = capacity.observe(before, replace(seen(300, 40.0, share=0.9), versions=frozenset({"a", "b"})))
    back = learned(world(daily(15, 60), range(301, 303)), both)

    assert (carried(both).value, carried(both).learned) == (40.0, False)
    assert "two versions run" in carried(both).said
    assert carried(back) == carried(before)


def test_a_slowdown_without_a_deploy_is_followed_within_a_day() -> None:
    before = learned(world(daily(15, 60), range(480), version=""))
    slow = Service.queue(service_seconds=0.06 / 0.7, slo_seconds=0.5)

    after = carried(learned(world(daily(15, 45), range(480, 480 + 1440), service=slow, version=""), before))

    assert after.value <= 1.05 * 0.7 * SERVICE.capacity_rps * (capacity.SAFE_UTILIZATION - 0.02)


def test_overload_in_which_cpu_is_at_its_limit_does_not_raise_it() -> None:
    calm = world(daily(15, 60), range(300))
    flooded = [seen(minute, 150.0, share=1.0) for minute in range(300, 400)]

    assert carried(learned([*calm, *flooded])).value == carried(learned(calm)).value
    assert learned([*calm, *flooded]).top == learned(calm).top


def test_the_cpu_of_replicas_that_start_is_not_counted() -> None:
    calm = learned(world(daily(15, 60), range(300)))
    known = calm
    for minute in range(300, 400):
        count = 5 + minute % 2  # scales every minute, each start burns its whole CPU
        known = capacity.observe(known, seen(minute, 40.0, ready=count, current=count, share=0.9))

    assert known.sums == calm.sums


def test_replicas_that_are_not_all_ready_are_not_looked_at() -> None:
    calm = learned(world(daily(15, 60), range(300)))
    starting = [seen(minute, 40.0, current=8, share=0.9) for minute in range(300, 330)]

    assert learned(starting, calm).sums == calm.sums


def test_missing_data_change_nothing_that_is_learned() -> None:
    known = learned(world(daily(15, 60), range(300)))
    blind = Observation(
        at=START + 300 * MINUTE, versions=frozenset(), load=None, current=None, ready=None, cpu_share=None, held=None
    )
    after = capacity.observe(known, blind)
    broken = capacity.observe(known, seen(300, math.nan, share=math.nan, version=""))

    assert carried(after) == carried(broken) == carried(known)
    assert (after.version, after.sums, after.top) == (known.version, known.sums, known.top)


SHARES = st.none() | st.floats(-1, 3) | st.just(math.nan) | st.just(math.inf)
LOADS = st.none() | st.floats(0, 1e9) | st.just(math.nan) | st.just(math.inf)


TICKS = st.tuples(LOADS, SHARES, st.none() | st.booleans(), st.sampled_from([0, 1, 1, 1, 1, 2]))


@given(ticks=st.lists(TICKS, min_size=1, max_size=120), slope=st.floats(1e-6, 1e3))
@settings(max_examples=60, deadline=None)
def test_it_is_never_more_than_max_and_always_a_number(
    ticks: list[tuple[float | None, float | None, bool | None, int]], slope: float
) -> None:
    known: Learning | None = None
    for minute, (load, share, held, ready) in enumerate(ticks):
        each = 0.5 / slope if minute % 3 else load  # most of the time a world with a line, so that it speaks at all
        one = seen(minute, each, ready=ready, share=0.5 if minute % 3 else share, held=held)
        known = learned([one], known)
        found = carried(known, start=40.0, most=50.0)
        assert 0 < found.value <= 50.0
