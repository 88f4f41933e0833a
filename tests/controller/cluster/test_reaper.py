"""The controller is gone: what it left behind comes back, by the annotations alone."""

from __future__ import annotations

from datetime import timedelta

from controller.actuation import stamp as stamps
from controller.actuation.limits import Limits
from controller.cluster.kubernetes_switch import freeze
from controller.reaper import Orders, Reaper, Returned
from kube import Writer
from kube.kinds import HPA
from tests.controller.cluster.world import World
from tests.fakes.clock import ManualClock
from tests.fakes.kube_api import KubeApi


def reaped(world: World, clock: ManualClock, orders: Orders | None = None) -> dict[str, Returned]:
    """One run; every wait moves the clock, and nothing else."""
    clock.advance(world.now - clock.now())

    def wait(seconds: float) -> None:
        clock.advance(timedelta(seconds=seconds))

    reaper = Reaper(
        world.connection, Writer(world.connection, qps=1000, burst=1000), now=clock.now, wait=wait,
        switch=world.switch.why, orders=orders or Orders(),
    )  # fmt: skip
    told = {one.name: one for one in reaper.run()}
    world.now = clock.now()
    return told


def test_an_expired_floor_comes_back_in_steps_and_leaves_no_trace(world: World, clock: ManualClock) -> None:
    before = world.raw()["spec"]
    world.wants(12)
    began = world.later(minutes=61).now
    told = reaped(world, clock)
    assert (told["web"].before, told["web"].after, told["web"].said) == (
        Limits(low=12, high=20), Limits(low=2, high=20), "given back",
    )  # fmt: skip
    assert (world.raw()["spec"], world.ours()) == (before, {})
    assert world.now - began >= timedelta(minutes=9)  # 12, 11, …, 2: a step a minute, the first at once


def test_what_has_not_expired_is_left_alone(world: World, clock: ManualClock) -> None:
    world.wants(12)
    assert reaped(world.later(minutes=59), clock) == {}
    assert world.bounds().low == 12


def test_ceilings_are_first_and_at_once(world: World, clock: ManualClock) -> None:
    world.wants(8, 10)
    told = reaped(world.later(minutes=16), clock, Orders(seconds=0.0))
    assert (world.bounds(), told["web"].said) == (Limits(low=8, high=20), "on its way to 2..20")


def test_a_run_ends_in_time_and_the_next_one_goes_on(world: World, clock: ManualClock) -> None:
    world.wants(12)
    world.later(minutes=61)
    told = reaped(world, clock, Orders(seconds=270.0))
    assert (told["web"].done, 2 < world.bounds().low < 12) == (False, True)
    told = reaped(world, clock)
    assert (told["web"].done, world.bounds().low) == (True, 2)


def test_many_floors_do_not_fall_together(world: World, clock: ManualClock, fake: KubeApi) -> None:
    names = [f"web-{number}" for number in range(12)]
    for name in names:
        world.hpa(name)
        world.wants(12, name=name)
    asked = len(fake.asked)
    reaped(world.later(minutes=61), clock, Orders(seconds=15.0))
    fallen = [name for name in names if world.bounds(name).low < 12]
    assert 0 < len(fallen) < len(names)
    assert len(fake.asked) > asked


def test_freezes_are_honoured(world: World, clock: ManualClock) -> None:
    world.wants(12)
    world.edited({"metadata": {"annotations": {stamps.FREEZE: "sale"}}})
    world.later(minutes=61)
    assert reaped(world, clock)["web"].said == "left alone: its freeze annotation"
    world.edited({"metadata": {"annotations": {stamps.FREEZE: None}}})
    freeze(world.owner("alice"), namespace="foretide", reason="INC-1")
    clock.advance(timedelta(seconds=3))
    world.now = clock.now()
    assert reaped(world, clock)["web"].said == "held, by the kill switch: INC-1"
    assert world.bounds().low == 12


def test_a_person_s_order_takes_everything_back(world: World, clock: ManualClock) -> None:
    world.wants(12, 15)
    freeze(world.owner("alice"), namespace="foretide", reason="INC-1")
    world.edited({"metadata": {"annotations": {stamps.FREEZE: "sale"}}})
    told = reaped(world, clock, Orders(everything=True, at_once=True))
    assert (told["web"].done, world.bounds(), world.ours()) == (True, Limits(low=2, high=20), {})


def test_hostile_and_half_stamps_are_told_and_left(world: World, clock: ManualClock) -> None:
    world.hpa("half", annotations={stamps.BASELINE_MIN: "1"})
    world.hpa("immortal", annotations={
        stamps.BASELINE_MIN: "1", stamps.BASELINE_MAX: "20", stamps.EXPIRES_AT: "9999-01-01T00:00:00Z",
        stamps.EPOCH: "1", stamps.RULE: "a/b", stamps.REASON: "",
    })  # fmt: skip
    told = reaped(world, clock)
    assert told["half"].said.startswith("left alone: half a stamp")
    assert told["immortal"].said == "left alone: it claims to live longer than any of ours"
    assert (world.bounds("half"), told["half"].done) == (Limits(low=2, high=20), False)


def test_a_forbidden_namespace_does_not_stop_the_others(world: World, clock: ManualClock, fake: KubeApi) -> None:
    world.wants(12)
    world.hpa("free")
    world.wants(12, name="free")
    fake.forbidden.add(("PATCH", "horizontalpodautoscalers/web"))
    told = reaped(world.later(minutes=61), clock)
    assert "403" in told["web"].said
    assert (told["free"].done, world.bounds("free").low, world.bounds("web").low) == (True, 2, 12)


def test_who_was_made_anew_is_not_given_an_old_baseline(world: World, clock: ManualClock) -> None:
    world.wants(12)
    world.owner().delete(HPA, "shop", "web")
    world.hpa()
    assert reaped(world.later(minutes=61), clock) == {}
