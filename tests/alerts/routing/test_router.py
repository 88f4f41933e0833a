"""Alertmanager's promises, step by step on a clock of the test."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from alerts.routing.matchers import parse
from alerts.routing.router import Router
from alerts.routing.silences import Silence
from tests.alerts.routing.routed import alert, names, routing, second, tell

TEAM = """
route: {receiver: team, group_by: [alertname], group_wait: 10s, group_interval: 60s, repeat_interval: 10m}
"""
TREE = """
route:
  receiver: everybody
  routes:
    - {matchers: ['severity="page"'], receiver: pager, continue: true, group_by: [alertname]}
    - {matchers: [team=~"web|shop"], receiver: web, routes: [{matchers: [env!="live"], receiver: bin}]}
"""


def _router(text: str = TEAM) -> Router:
    return Router(routing(text))


def test_what_comes_within_group_wait_is_told_together_and_once() -> None:
    router = _router()
    router.receive([alert(instance="a")], second(0))
    router.receive([alert(instance="b"), alert("Slow", instance="a")], second(5))
    assert tell(router, 9) == []
    assert names(tell(router, 10)) == [("team", "firing", ["a", "b"])]
    assert names(tell(router, 15)) == [("team", "firing", ["a"])]
    assert tell(router, 70) == []


def test_a_new_alert_of_a_told_group_waits_for_group_interval() -> None:
    router = _router()
    router.receive([alert(instance="a")], second(0))
    tell(router, 10)
    router.receive([alert(instance="b", at=11)], second(11))
    assert tell(router, 69) == []
    assert names(tell(router, 70)) == [("team", "firing", ["a", "b"])]


def test_the_same_is_told_again_after_repeat_interval_only() -> None:
    router = _router()
    told = []
    for at in range(0, 1300, 10):
        router.receive([alert(instance="a", until=at + 240)], second(at))
        told += [(at, one.status) for one in tell(router, at)]
    assert told == [(10, "firing"), (670, "firing")], "10 minutes after the first, at the next flush"


def test_what_is_over_is_told_once_and_then_forgotten() -> None:
    router = _router()
    router.receive([alert(instance="a"), alert(instance="b")], second(0))
    tell(router, 10)
    router.receive([alert(instance="a", until=20)], second(20))
    assert names(tell(router, 70)) == [("team", "firing", ["a", "b"])]
    router.receive([alert(instance="b", until=80)], second(80))
    (over,) = tell(router, 130)
    assert (over.status, [one.ends_at for one in over.alerts]) == ("resolved", [second(80)])
    assert [tell(router, at) for at in (190, 250, 310)] == [[], [], []]


def test_an_alert_that_nobody_tells_again_is_over_after_resolve_timeout() -> None:
    router = _router("global: {resolve_timeout: 2m}" + TEAM)
    router.receive([alert(instance="a")], second(0))
    assert names(tell(router, 10)) == [("team", "firing", ["a"])]
    assert [names(tell(router, at)) for at in (70, 130)] == [[], [("team", "resolved", ["a"])]]


def test_what_fired_and_ended_before_anybody_heard_is_told_to_nobody() -> None:
    router = _router()
    router.receive([alert(instance="a", until=5)], second(0))
    assert tell(router, 10) == []


def test_an_alert_that_is_old_already_waits_no_more() -> None:
    router = _router()
    router.receive([alert(instance="a", at=-60)], second(0))
    assert names(tell(router, 0)) == [("team", "firing", ["a"])]


def test_what_was_not_kept_is_told_again() -> None:
    router = _router()
    router.receive([alert(instance="a")], second(0))
    (first,) = router.due(second(10))
    (again,) = router.due(second(70))
    assert (again.alerts, again.group_key) == (first.alerts, first.group_key)


def test_another_life_knows_what_was_told() -> None:
    router = _router()
    router.receive([alert(instance="a"), alert(instance="b")], second(0))
    (first,) = router.due(second(10))
    next_life = _router()
    next_life.remember([router.entry_of(first)])
    next_life.receive([alert(instance="a"), alert(instance="b")], second(12))
    assert tell(next_life, 22) == []
    next_life.receive([alert(instance="a", until=30), alert(instance="b", until=30)], second(30))
    assert names(tell(next_life, 82)) == [("team", "resolved", ["a", "b"])]


def test_the_deepest_route_takes_an_alert_and_continue_asks_the_next_one() -> None:
    router = _router(TREE)
    router.receive([alert(severity="page", team="web", env="live"), alert(team="shop"), alert()], second(0))
    assert [(one.receiver, one.group_key) for one in tell(router, 30)] == [
        ("pager", '{}/{severity="page"}:{alertname="Down"}'),
        ("bin", '{}/{team=~"web|shop"}/{env!="live"}:{}'),
        ("web", '{}/{team=~"web|shop"}:{}'),
        ("everybody", "{}:{}"),
    ]


def test_an_inhibited_alert_is_told_when_its_source_is_over() -> None:
    router = _router(
        TEAM + "inhibit_rules: [{source_matchers: [alertname=Dead], target_matchers: [alertname=Down], equal: [host]}]"
    )
    router.receive([alert("Dead", host="a"), alert(instance="1", host="a"), alert(instance="2", host="b")], second(0))
    assert [one[2] for one in names(tell(router, 10))] == [[""], ["2"]]
    router.receive([alert("Dead", host="a", until=60)], second(60))
    assert ("team", "firing", ["1", "2"]) in names(tell(router, 70))


def test_a_source_does_not_hush_itself() -> None:
    rule = "inhibit_rules: [{source_matchers: [alertname=~'D.*'], target_matchers: [alertname=~'D.*']}]"
    router = _router(TEAM + rule)
    router.receive([alert(instance="1"), alert("Dead", instance="2")], second(0))
    assert len(tell(router, 10)) == 2


def test_a_silence_hushes_what_it_matches_while_it_is_active() -> None:
    router = _router()
    quiet = Silence(
        id="1", matchers=parse('{instance=~"a|b"}'), starts_at=second(0), ends_at=second(100), created_by="ann",
        comment="moving", updated_at=second(0),
    )  # fmt: skip
    router.silences = (quiet,)
    router.receive([alert(instance="a"), alert(instance="c")], second(0))
    assert names(tell(router, 10)) == [("team", "firing", ["c"])]
    assert tell(router, 70) == []
    assert names(tell(router, 130)) == [("team", "firing", ["a", "c"])]
    assert [quiet.state(second(at)) for at in (-1, 0, 100)] == ["pending", "active", "expired"]
    assert replace(quiet, starts_at=second(50)).hushes(alert(instance="a").labels, second(49)) is False


def test_a_mute_route_tells_later_what_still_fires() -> None:
    text = """
route:
  receiver: team
  group_interval: 60s
  routes: [{matchers: [team=web], group_wait: 10s, mute_time_intervals: [noon]}]
time_intervals: [{name: noon, time_intervals: [{times: [{start_time: '12:00', end_time: '12:02'}]}]}]
"""
    router = _router(text)
    router.receive([alert(team="web")], second(0))
    assert [len(tell(router, at)) for at in (10, 70, 130)] == [0, 0, 1]


def test_two_routes_of_one_key_and_receiver_tell_once() -> None:
    router = _router("route: {receiver: a, routes: [{matchers: [x=y], continue: true}, {matchers: [x=y]}]}")
    router.receive([alert(x="y")], second(0))
    assert len(tell(router, 30)) == 1


@given(
    st.lists(
        st.tuples(st.integers(0, 20), st.sampled_from("abc"), st.booleans()), max_size=30
    ).map(lambda steps: sorted(steps, key=lambda one: one[0]))
)  # fmt: skip
def test_whatever_comes_the_last_word_about_each_alert_is_the_true_one(steps: list[tuple[int, str, bool]]) -> None:
    router = _router("route: {receiver: team, group_wait: 1s, group_interval: 2s, repeat_interval: 1h}")
    fires: dict[str, bool] = {}
    heard: dict[str, bool] = {}
    queue = list(steps)
    for at in range(30):
        while queue and queue[0][0] == at:
            _, instance, over = queue.pop(0)
            router.receive([alert(instance=instance, at=-10, until=at if over else at + 1000)], second(at))
            fires[instance] = not over
        for one in tell(router, at):
            heard |= {each.labels.value_of("instance"): each.ends_at is None for each in one.alerts}
    assert {name for name, on in heard.items() if on} == {name for name, on in fires.items() if on}
