"""The loop against what it should be: Kubernetes' arithmetic, conserved pods, monotone answers, one code twice."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller import core, price
from controller.simulate import loop, nodes, peers, plans, pods, protocol, replay
from controller.simulate.nodes import Pools
from tests.controller.simulate import worlds

RING = 16


def some_load(seed: int, size: int = 600) -> np.ndarray:
    dice = np.random.default_rng(seed)
    steps = np.cumsum(dice.normal(0, 40, size)) + dice.integers(100, 2500)
    return np.maximum(steps * dice.normal(1, 0.05, size), 0.0)


@given(
    st.integers(0, 10_000), st.sampled_from([loop.CPU, loop.RPS]), st.floats(0.3, 0.9), st.sampled_from([0.0, 0.1]),
    st.sampled_from([0, 60, 300]), st.booleans(),
)  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_compiled_and_plain_replays_are_equal_bit_for_bit(
    seed: int, metric: int, target: float, tolerance: float, down: int, planned: bool
) -> None:
    load = some_load(seed)
    world = worlds.world(load)
    goal = target if metric == loop.CPU else target * world.capacity_rps
    reactive = peers.reactive(
        metric=metric, target=goal, window_seconds=30, tolerance=tolerance, down_seconds=down, max_replicas=60
    )
    plan = plans.no_plan()
    if planned:
        rows = np.stack([np.ceil(load / share) for share in (70.0, 50.0)]).astype(np.int64)
        plan = plan._replace(
            raise_below=rows, raise_to=rows, lower_above=rows + 2, lower_to=rows, violated_budget=0.01, gain=0.1,
            first_level=0.5,
        )  # fmt: skip
    fast, plain = replay.replay(world, reactive, plan), replay.replay(world, reactive, plan, by=replay.PLAIN)

    for compiled, simple in zip(fast, plain, strict=True):
        assert np.asarray(compiled).tobytes() == np.asarray(simple).tobytes()


@given(st.integers(0, 10_000), st.sampled_from([0, 45, 300]), st.sampled_from([15, 60]))
@settings(max_examples=20, deadline=None)
def test_the_loop_decides_as_the_live_core_does(seed: int, down: int, period: int) -> None:
    world = worlds.world(some_load(seed, 300))
    reactive = peers.reactive(
        metric=loop.RPS, target=60.0, window_seconds=30, down_seconds=down, max_replicas=30
    )._replace(
        up_policies=np.array([[core.PODS, 3, period // 15], [core.PERCENT, 50, period // 15]]),
        down_policies=np.array([[core.PERCENT, 30, period // 15]]),
    )
    made = replay.replay(world, reactive, plans.no_plan(), by=replay.PLAIN)
    up = [0, core.SELECT_MAX, core.PODS, 3, 1000 * period, core.PERCENT, 50, 1000 * period]
    lower = [1000 * down, core.SELECT_MAX, core.PERCENT, 30, 1000 * period]
    past_at: list[int] = []
    past: list[int] = []
    event_at: list[int] = []
    changes: list[int] = []
    current = int(made.ready[0])
    for tick in range(len(made.desired)):
        given_now = [0] * core.INPUTS
        for place, value in (
            (core.CURRENT, current), (core.NEED, int(made.recommended[tick])), (core.FLOOR, core.NOTHING),
            (core.SCHEDULE_MAX, core.MAX_INT32), (core.CEILING, core.MAX_INT32), (core.MIN, 2), (core.MAX, 30),
            (core.BUDGET_CEILING, core.MAX_INT32), (core.HOLD_MAX, core.MAX_INT32), (core.STEP_DOWN, core.MAX_INT32),
            (core.STEP_UP, core.MAX_INT32),
        ):  # fmt: skip
            given_now[place] = value
        now = 15_000 * tick
        wanted = core.decide(
            now, given_now, up, lower, past_at, past, len(past), event_at, changes, len(changes), [0] * core.STAGES
        )
        assert wanted == made.desired[tick]
        past_at.append(now)
        past.append(int(made.recommended[tick]))
        if wanted != current:
            event_at.append(now)
            changes.append(wanted - current)
        current = wanted


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_more_demand_never_gets_fewer_replicas(seed: int) -> None:
    load = some_load(seed)
    some, more = (
        replay.replay(worlds.world(one), peers.keda(0.6, capacity_rps=worlds.SERVICE.capacity_rps)._replace(
            tolerance_up=0.0, tolerance_down=0.0), plans.no_plan())
        for one in (load, load * 1.2 + 50)
    )  # fmt: skip

    assert (more.desired >= some.desired).all()


def test_a_new_pod_serves_only_after_its_start_up() -> None:
    load = np.concatenate([np.full(100, 100.0), np.full(100, 1000.0)])
    world = worlds.world(load, startup_seconds=(90.0, 90.0))
    made = replay.replay(world, peers.keda(0.8, capacity_rps=world.capacity_rps), plans.no_plan())

    asked = int(np.argmax(made.desired > 2))
    assert made.ready[asked + 5] == 2
    assert made.ready[asked + 6] > 2
    assert made.billed[asked + 1] == made.desired[asked]


def test_an_ended_pod_is_billed_for_its_grace() -> None:
    load = np.concatenate([np.full(200, 1000.0), np.full(200, 100.0)])
    world = worlds.world(load)
    made = replay.replay(
        world, peers.reactive(metric=loop.RPS, target=60.0, window_seconds=30, tolerance=0.0, down_seconds=0),
        plans.no_plan(),
    )  # fmt: skip

    fell = int(np.argmax(np.diff(made.desired) < 0)) + 1
    assert made.ready[fell + 1] < made.ready[fell]
    assert made.billed[fell + 1] == made.billed[fell + 2] == made.billed[fell]
    assert made.billed[fell + 3] < made.billed[fell]


def test_a_written_floor_holds_at_once_and_leaves_the_rest_to_the_hpa() -> None:
    floor = np.concatenate([np.full(50, 2), np.full(50, 9), np.full(100, 2)])
    world = worlds.world(np.full(200, 100.0))
    made = replay.replay(world, peers.hpa_cpu(0.6), plans.written(floor))

    assert made.desired[49] == 2
    assert (made.desired[50:100] == 9).all()
    assert made.desired[-1] == 2


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30))
def test_the_last_to_be_ready_is_cancelled_first(moves: list[tuple[int, int]]) -> None:
    ring, startups = np.zeros(RING, dtype=np.int64), np.array([3, 7, 5], dtype=np.int64)
    started = 0
    for adds, removes in moves:
        started = pods.start(ring, 0, adds, startups, started)
        before = ring.copy()
        taken = pods.cancel(ring, 0, removes)
        assert taken == min(removes, before.sum())
        assert ring.sum() == before.sum() - taken
        touched = np.flatnonzero(ring != before)
        if len(touched):
            assert (ring[touched[0] + 1 :] == 0).all()


def pools(**changes: int) -> Pools:
    one = {"slots": 4, "largest": 50, "boot_ticks": 8} | changes
    columns = {name: np.array([value], dtype=np.int64) for name, value in one.items()}
    return Pools(price=np.array([0.2]), idle_ticks=20, **columns)


def test_pods_wait_for_a_node_to_boot() -> None:
    load = np.concatenate([np.full(100, 100.0), np.full(200, 1500.0)])
    world = worlds.world(load, startup_seconds=(60.0, 60.0))
    peer = peers.keda(0.7, capacity_rps=world.capacity_rps)
    alone = replay.replay(world, peer, plans.no_plan())
    on_nodes = replay.replay(world, peer, plans.no_plan(), pools=pools())

    assert on_nodes.pending.max() > 0
    assert on_nodes.pending[-1] == 0
    assert on_nodes.late.sum() > alone.late.sum()


def test_without_capacity_pods_stay_pending_and_the_bill_does_not_grow() -> None:
    world = worlds.world(np.concatenate([np.full(100, 100.0), np.full(200, 1500.0)]))
    made = replay.replay(
        world, peers.keda(0.7, capacity_rps=world.capacity_rps), plans.no_plan(), pools=pools(largest=2)
    )

    assert made.pending[-1] > 0
    assert made.billed.max() <= 8
    assert made.node_cost_per_hour.max() == pytest.approx(0.4)


def test_idle_nodes_are_given_back() -> None:
    world = worlds.world(np.concatenate([np.full(200, 2000.0), np.full(400, 100.0)]))
    made = replay.replay(world, peers.keda(0.7, capacity_rps=world.capacity_rps), plans.no_plan(), pools=pools())

    assert made.node_cost_per_hour[-1] < made.node_cost_per_hour[150]
    assert made.node_cost_per_hour[-1] == pytest.approx(0.2)


def test_a_missed_tick_makes_more_careful_and_quiet_time_less() -> None:
    assert price.steered(3.0, 1, 0.005, 0.05, 8.0) == pytest.approx(3.04975)
    assert price.steered(3.0, 0, 0.005, 0.05, 8.0) == pytest.approx(2.99975)
    assert price.steered(3.0, 1, 0.0, 0.05, 8.0) == 3.0
    assert price.steered(8.0, 1, 0.005, 0.05, 8.0) == 8.0


def test_a_grid_keeps_the_mean_of_every_period() -> None:
    values = np.array([10.0, 50.0, 20.0, 0.0, 0.0, 30.0])
    made = protocol.grid(values, period_seconds=300)

    assert made.reshape(6, -1).mean(axis=1) == pytest.approx(values)
    assert (made >= 0).all()


def test_noise_keeps_the_mean_and_has_its_dispersion() -> None:
    made = protocol.noisy(np.full(200_000, 400.0)) * protocol.TICK_SECONDS

    assert made.mean() == pytest.approx(6000, rel=1e-3)
    assert made.var() / made.mean() == pytest.approx(protocol.DISPERSION, rel=0.02)


def test_no_pools_means_no_waiting() -> None:
    assert len(nodes.no_pools().slots) == 0
