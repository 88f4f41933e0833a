"""The state machine of a right-sizing: whoever else writes wins, and no step in between takes capacity."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from controller.resizing import stages
from controller.resizing.case import Case, Deed, Live, Ruling, Stage, Word
from controller.resizing.change import Canary, Field, Note, Patch, Target, from_note, same, to_note
from domain.scaling import WorkloadRef
from domain.units import parse_quantity

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
WEB = WorkloadRef(kind="Deployment", namespace="shop", name="web")
CPU = Field(container="web", part="requests", resource="cpu", before="1", after="920m")
DOWN = Patch(ref=WEB, fields=(CPU,), targets=(Target(hpa="web", resource="cpu", before=80, after=87),))
UP = Patch(
    ref=WEB, fields=(replace(CPU, before="920m", after="1"),),
    targets=(Target(hpa="web", resource="cpu", before=87, after=80),),
)  # fmt: skip
POD = Canary(name="web-1", uid="u1")
GO, BACK = Ruling(word=Word.GO), Ruling(word=Word.BACK, reasons=("1 OOM since the change",))
DONE_WELL = Ruling()


def accepted(patch: Patch = DOWN) -> Case:
    return Case(id="rs-1", patch=patch, by="ada", accepted_at=NOON, since=NOON)


class World:
    """A workload with its pods and its HPA, written by the deeds; kubelet and rollout act when told."""

    def __init__(self, patch: Patch = DOWN, *, in_place: bool = True) -> None:
        self.patch, self.in_place = patch, in_place
        self.template: dict[tuple[str, str, str], str | None] = {one.where: one.before for one in patch.fields}
        self.targets: dict[tuple[str, str], int | None] = {(t.hpa, t.resource): t.before for t in patch.targets}
        self.pods = dict(self.template)
        self.canary: dict[tuple[str, str, str], str | None] | None = dict(self.template)
        self.kubelet = self.template_was_written = False
        self.blocked = self.rival = ""
        self.now, self.case = NOON, accepted(patch)
        self.deeds: list[Deed] = []

    def live(self) -> Live:
        return Live(
            template=dict(self.template), targets=dict(self.targets), blocked=self.blocked, rival=self.rival,
            candidate=POD if self.in_place else None, canary=self.canary if self.case.canary else None,
            resized=self.kubelet, rolled_out=self.pods == self.template,
        )  # fmt: skip

    def tick(self, ruling: Ruling = DONE_WELL, *, after: timedelta = MINUTE) -> Stage:
        self.now += after
        self.case = stages.step(self.case, self.live(), ruling, self.now)
        deed = stages.due(self.case, self.live(), self.now)
        if deed:
            self._write(deed)
            self.case = stages.acted(self.case, deed, self.now)
            self.deeds.append(deed)
        return self.case.stage

    def until(self, stage: Stage, ruling: Ruling = DONE_WELL) -> None:
        for _ in range(12):
            if self.tick(ruling) is stage:
                return
        raise AssertionError(f"{self.case}")

    def roll_out(self) -> None:
        self.pods = dict(self.template)

    def _write(self, deed: Deed) -> None:
        falling = self.patch.falling()
        if deed is Deed.RESIZE_POD and self.canary is not None:
            self.canary |= {one.where: one.after for one in self.patch.fields if one.resource in falling}
        if deed is Deed.TEMPLATE:
            self.template |= {one.where: one.after for one in self.patch.fields}
        for kind, falls in ((Deed.RAISED_TARGETS, False), (Deed.FALLEN_TARGETS, True)):
            mine = [one for one in self.patch.targets if (one.resource in falling) is falls]
            if deed is kind:
                self.targets |= {(one.hpa, one.resource): one.after for one in mine}
        if deed is Deed.GIVE_BACK:
            for one in self.patch.fields:
                if same(self.template[one.where], one.after) and (one.resource in falling or self.case.everything):
                    self.template[one.where] = one.before
            for each in self.patch.targets:
                if self.targets[each.hpa, each.resource] == each.after:
                    self.targets[each.hpa, each.resource] = each.before

    def setpoint(self, resource: str = "cpu") -> tuple[Decimal, Decimal]:
        """What the HPA keeps each pod at, by the smallest and the largest pod of a rollout."""
        percent = Decimal(self.targets["web", resource] or 0)
        sizes = [parse_quantity(size or "0") for values in (self.pods, self.template)
                 for (_, part, name), size in values.items() if (part, name) == ("requests", resource)]  # fmt: skip
        return min(sizes) * percent, max(sizes) * percent


def test_one_pod_then_the_template_then_the_target_then_a_week() -> None:
    world = World()
    assert world.tick() is Stage.CANARY
    world.kubelet = True
    assert world.tick() is Stage.SOAKING
    assert world.tick(Ruling(reasons=("the canary has run for less than a day",))) is Stage.SOAKING
    assert world.tick(GO, after=DAY) is Stage.REST
    assert world.tick() is Stage.REST
    assert world.targets["web", "cpu"] == 80
    world.roll_out()
    world.until(Stage.WATCHING)
    assert (world.template[CPU.where], world.targets["web", "cpu"]) == ("920m", 87)
    assert [one for one in world.deeds if one is not Deed.RENEW] == [
        Deed.RESIZE_POD, Deed.TEMPLATE, Deed.FALLEN_TARGETS
    ]  # fmt: skip
    while world.case.stage is Stage.WATCHING:
        world.tick(after=DAY / 4)
    assert (world.case.stage, world.deeds[-1]) == (Stage.DONE, Deed.LEAVE)
    assert world.deeds.count(Deed.RENEW) in range(5, 9)


def test_what_rises_needs_no_canary_and_its_target_goes_first() -> None:
    world = World(UP)
    world.tick()
    world.tick()
    world.roll_out()
    world.until(Stage.WATCHING)
    assert world.deeds == [Deed.RAISED_TARGETS, Deed.TEMPLATE]


@given(
    st.integers(50, 4000), st.integers(20, 90), st.integers(50, 4000), st.integers(20, 95), st.booleans(),
    st.lists(st.sampled_from(["roll", "tick", "go"]), max_size=14), st.sampled_from([DONE_WELL, BACK]),
)  # fmt: skip
def test_in_no_state_in_between_a_pod_carries_more_than_before_or_after(
    before: int, percent: int, after: int, then: int, in_place: bool, steps: list[str], end: Ruling
) -> None:
    """The HPA makes pods by target × request: more than both ends of the change would be fewer pods."""
    cpu = replace(CPU, before=f"{before}m", after=f"{after}m")
    world = World(
        Patch(ref=WEB, fields=(cpu,), targets=(Target(hpa="web", resource="cpu", before=percent, after=then),)),
        in_place=in_place,
    )
    most = max(Decimal(before * percent), Decimal(after * then)) / 1000
    falls = after < before
    world.kubelet = True
    if (falls and then < percent) or (not falls and then > percent):
        return  # both move the set-point one way: not what keeps it
    for step in steps:
        if step == "roll":
            world.roll_out()
        else:
            world.tick(GO if step == "go" else DONE_WELL)
        assert world.setpoint()[0] <= most
    world.tick(end)
    assert world.setpoint()[0] <= most


def test_harm_gives_back_what_fell_and_says_why() -> None:
    world = World()
    world.kubelet = True
    world.until(Stage.SOAKING)
    world.tick(GO, after=DAY)
    world.tick()
    world.roll_out()
    world.until(Stage.WATCHING)
    world.until(Stage.ROLLED_BACK, BACK)
    assert (world.template[CPU.where], world.targets["web", "cpu"]) == ("1", 80)
    assert "1 OOM since the change" in world.case.reason


def test_harm_does_not_take_away_what_rose() -> None:
    memory = Field(container="web", part="requests", resource="memory", before="512Mi", after="768Mi")
    world = World(Patch(ref=WEB, fields=(CPU, memory)))
    assert world.patch.falling() == {"cpu"}
    world.kubelet = True
    world.until(Stage.SOAKING)
    world.until(Stage.REST, GO)
    world.tick()
    world.roll_out()
    world.until(Stage.WATCHING)
    world.until(Stage.ROLLED_BACK, BACK)
    assert world.template == {CPU.where: "1", memory.where: "768Mi"}


def test_an_edit_after_the_acceptance_is_another_patch() -> None:
    world = World()
    world.template[CPU.where] = "800m"
    assert world.tick() is Stage.HELD
    assert world.case.reason == "changed since it was accepted: requests.cpu of web is 800m, not 1"
    assert world.deeds == []


def test_an_edit_while_the_canary_soaks_ends_it() -> None:
    world = World()
    world.kubelet = True
    world.until(Stage.SOAKING)
    world.targets["web", "cpu"] = 70
    world.until(Stage.HELD)
    assert (world.targets["web", "cpu"], world.deeds[-1]) == (70, Deed.GIVE_BACK)


def test_an_edit_while_the_rest_is_watched_wins_over_what_is_given_back() -> None:
    world = World()
    world.kubelet = True
    world.until(Stage.SOAKING)
    world.until(Stage.REST, GO)
    world.tick()
    world.roll_out()
    world.until(Stage.WATCHING)
    world.template[CPU.where] = "2"
    world.until(Stage.HELD)
    assert (world.template[CPU.where], world.targets["web", "cpu"]) == ("2", 80)


def test_an_hpa_that_goes_in_the_middle_takes_the_template_back() -> None:
    world = World()
    world.kubelet = True
    world.until(Stage.SOAKING)
    world.until(Stage.REST, GO)
    world.tick()
    world.targets["web", "cpu"] = None
    world.until(Stage.HELD)
    assert world.template[CPU.where] == "1"
    assert world.case.reason == "HPA web is gone"


def test_what_git_states_is_held_and_told() -> None:
    world = World()
    world.rival = "argocd states requests.cpu of web: set 920m there"
    assert world.tick() is Stage.HELD
    assert world.case.reason == "conflict: argocd states requests.cpu of web: set 920m there"


def test_an_acceptance_expires_when_nothing_could_be_begun() -> None:
    world = World()
    world.blocked = "shop has not opted in"
    assert world.tick() is Stage.ACCEPTED
    assert world.tick(after=7 * DAY) is Stage.HELD
    assert world.case.reason == "expired after 7 days: shop has not opted in"


def test_the_kill_switch_stops_every_write_and_nothing_is_forgotten() -> None:
    world = World()
    world.kubelet = True
    world.until(Stage.SOAKING)
    world.blocked = "the kill switch: an incident"
    assert world.tick(BACK) is Stage.SOAKING
    assert world.deeds == [Deed.RESIZE_POD]
    world.blocked = ""
    world.until(Stage.ROLLED_BACK, BACK)


def test_a_pod_that_goes_is_followed_by_another_and_at_last_by_a_rollout() -> None:
    world = World()
    for _ in range(stages.TRIES):
        world.until(Stage.CANARY)
        world.canary = None
        world.until(Stage.ACCEPTED)
        world.canary = dict(world.template)
    world.until(Stage.REST)
    assert not world.case.in_place


def test_a_node_that_puts_it_off_for_an_hour_leaves_it_to_a_rollout() -> None:
    world = World()
    world.until(Stage.CANARY)
    put_off = replace(world.live(), unresizable="pod web-1 is not resized: Deferred")
    case = stages.step(world.case, put_off, DONE_WELL, world.now + MINUTE)
    assert case.stage is Stage.CANARY
    case = stages.step(case, put_off, DONE_WELL, world.now + timedelta(hours=2))
    assert (case.stage, case.then, case.in_place) == (Stage.REVERTING, Stage.ACCEPTED, False)


def test_a_canary_that_nobody_can_judge_goes_back_after_three_days() -> None:
    world = World()
    world.kubelet = True
    world.until(Stage.SOAKING)
    unjudged = Ruling(reasons=("nobody tells whether it is throttled",))
    world.tick(unjudged, after=2 * DAY)
    assert world.case.stage is Stage.SOAKING
    world.tick(unjudged, after=DAY)
    world.until(Stage.HELD, unjudged)
    assert world.case.reason == "nobody tells whether it is throttled"


def test_a_rollout_that_is_stuck_is_given_back_whole() -> None:
    world = World(UP)
    world.until(Stage.REST)
    while Deed.TEMPLATE not in world.deeds:
        world.tick()
    world.tick(after=timedelta(hours=7))
    world.until(Stage.ROLLED_BACK)
    assert (world.template[CPU.where], world.targets["web", "cpu"]) == ("920m", 87)


def test_a_write_that_fails_for_good_is_held_and_giving_back_is_tried_for_ever() -> None:
    case = replace(accepted(), stage=Stage.REST)
    held = stages.acted(case, Deed.TEMPLATE, NOON, failure="denied by a policy", lasting=True)
    assert (held.stage, held.then) == (Stage.REVERTING, Stage.HELD)
    for _ in range(20):
        held = stages.acted(held, Deed.GIVE_BACK, NOON, failure="no answer")
    assert held.stage is Stage.REVERTING
    assert stages.acted(held, Deed.GIVE_BACK, NOON).stage is Stage.HELD


def test_a_note_is_read_back_as_it_was_written() -> None:
    note = Note(id="rs-1", patch=DOWN, expires=NOON, canary=POD)
    assert from_note(WEB, to_note(note)) == note
