"""The section ``alerting``: Alertmanager's words, matchers and intervals, and what is refused where."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from alerts.routing.matchers import MatcherError, parse, printed
from tests.alerts.routing.routed import NOW, alert, reading, routing

BAD = """route:
  receiver: team
  matchers: [a=b]
  group_by: [..., job]
  group_interval: 0s
  routes:
    - {matchers: ['a=~"("'], mute_time_intervals: [weekand], reciever: x}
    - {matchers: [a, 'b="x"y"']}
inhibit_rules:
  - {source_matchers: [a=b]}
time_intervals:
  - name: weekend
    time_intervals:
      - {weekdays: [friday:monday], times: [{start_time: '9:60', end_time: '10:00'}], days_of_month: ['-1:3']}
      - {months: [13]}
      - {location: Moon/Dark, years: ['2030:2020'], days_of_month: ['0', '5:2']}
"""


def test_every_mistake_of_a_section_is_said_at_its_place() -> None:
    found = reading(BAD)
    assert found.routing is None
    assert sorted((one.line, one.column, one.field.removeprefix("alerting.")) for one in found.mistakes) == [
        (3, 13, "route.matchers"),
        (4, 13, "route.group_by"),
        (5, 19, "route.group_interval"),
        (7, 19, "route.routes[0].matchers[0]"),
        (7, 51, "route.routes[0].mute_time_intervals"),
        (7, 62, "route.routes[0].reciever"),
        (8, 19, "route.routes[1].matchers[0]"),
        (8, 22, "route.routes[1].matchers[1]"),
        (10, 5, "inhibit_rules[0].target_matchers"),
        (14, 21, "time_intervals[0].time_intervals[0].weekdays[0]"),
        (14, 58, "time_intervals[0].time_intervals[0].times[0].start_time"),
        (14, 103, "time_intervals[0].time_intervals[0].days_of_month[0]"),
        (15, 19, "time_intervals[0].time_intervals[1].months[0]"),
        (16, 20, "time_intervals[0].time_intervals[2].location"),
        (16, 39, "time_intervals[0].time_intervals[2].years[0]"),
        (16, 69, "time_intervals[0].time_intervals[2].days_of_month[0]"),
        (16, 74, "time_intervals[0].time_intervals[2].days_of_month[1]"),
    ]


def test_a_section_without_a_route_or_a_default_receiver_is_refused() -> None:
    assert [one.message for one in reading("{}").mistakes] == ["no routes provided: alerting needs route"]
    assert [one.message for one in reading("route: {}").mistakes] == ["root route must specify a default receiver"]


def test_a_receiver_that_nobody_described_is_told_with_its_place_and_the_nearest_name() -> None:
    found = reading("route: {receiver: team, routes: [{receiver: pagr}]}")
    assert [str(one) for one in found.unknown_receivers({"team", "pager"}, "foretide.yaml")] == [
        'foretide.yaml:1:45: alerting.route: unknown receiver "pagr"; did you mean "pager"?'
    ]


def test_a_child_inherits_all_but_matchers_and_intervals() -> None:
    root = routing("route: {receiver: a, group_by: [x], group_wait: 1s, routes: [{routes: [{group_by: [...]}]}]}").root
    child, grandchild = root.routes[0], root.routes[0].routes[0]
    assert (child.receiver, child.group_by, child.group_wait) == ("a", ("x",), root.group_wait)
    assert (grandchild.group_by, grandchild.key) == (None, "{}/{}/{}")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('a="b"', '{a="b"}'),
        ("{ foo=bar , dings!=bums, }", '{dings!="bums",foo="bar"}'),
        (r'q="She said: \"Hi, ladies\""', r'{q="She said: \"Hi, ladies\""}'),
        ('status=~"5.."', '{status=~"5.."}'),
        (r"path=C:\dir", r'{path="C:\\dir"}'),
        ("a!~", '{a!~""}'),
    ],
)
def test_matchers_are_read_and_printed_as_alertmanager_does(text: str, shown: str) -> None:
    assert printed(parse(text)) == shown


@pytest.mark.parametrize("text", ["a", "1a=b", 'a="b', 'a=b"', 'a="b"c"', 'a=~"("', "a=b,,c=d"])
def test_what_is_no_matcher_is_refused(text: str) -> None:
    with pytest.raises(MatcherError):
        parse(text)


def test_an_absent_label_is_an_empty_one() -> None:
    labels = alert().labels
    assert [parse(text)[0].matches(labels) for text in ('x=""', 'x!="a"', 'x=~"|a"', 'x!~"a"', 'x="a"')] == [
        True, True, True, True, False,
    ]  # fmt: skip


def _inside(interval: str, *moments: datetime) -> list[bool]:
    text = f"route: {{receiver: a}}\ntime_intervals: [{{name: x, time_intervals: [{interval}]}}]"
    (named,) = routing(text).intervals
    return [named.contains(moment) for moment in moments]


def test_intervals_count_as_alertmanager_does() -> None:
    assert _inside("{weekdays: ['monday:friday', sunday]}", NOW, datetime(2026, 3, 7, tzinfo=UTC)) == [True, False]
    times = "{times: [{start_time: '09:00', end_time: '12:00'}], location: Europe/Berlin}"
    assert _inside(times, datetime(2026, 3, 2, 10, 59, tzinfo=UTC), NOW) == [True, False]
    last = "{days_of_month: ['-2:-1', '31']}"
    days = [datetime(2026, 2, day, tzinfo=UTC) for day in (26, 27, 28)]
    assert _inside(last, *days) == [False, True, True]
    assert _inside("{months: [march, '5:june'], years: ['2026:2027']}", NOW, NOW.replace(month=4)) == [True, False]
