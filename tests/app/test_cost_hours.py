"""Hours are written once, made up for after a stop, looked at again when samples came late, and forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from app.cost_allocation import Books
from app.cost_hours import AT_ONCE, HourlyCosts
from cost.allocation.ledger import NOTHING, Item, ledger
from cost.allocation.nodes import Window
from cost.allocation.subject import Subject
from domain.errors import ForetideError, QueryError
from store.state import State

HOUR = timedelta(hours=1)
NOON = datetime(2026, 11, 20, 12, 7, tzinfo=UTC)
LAST = datetime(2026, 11, 20, 11, tzinfo=UTC)


class Known:
    """Ledgers of a world that began at ``since``: a third of a euro an hour, of which ``seen`` was seen."""

    def __init__(self, since: datetime) -> None:
        self.since, self.seen, self.asked, self.away = since, 1.0, 0, False

    def books(self, start: datetime, end: datetime) -> Books:
        if self.away:
            raise QueryError("the source does not answer")
        self.asked += 1
        item = Item(subject=Subject(namespace="shop"), costs=(Decimal("0.333333333333333333"), *NOTHING[1:]))
        return Books(
            window=Window(start=start, steps=60), ledger=ledger("EUR", items=[item]), prices=(),
            seen=self.seen if start >= self.since else 0.0,
        )  # fmt: skip


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = State.open(f"sqlite:///{tmp_path / 'state.db'}")
    yield opened
    opened.close()


def starts(hours: HourlyCosts) -> list[datetime]:
    return [one.start for one in hours.since(datetime(2000, 1, 1, tzinfo=UTC))]


def test_a_first_start_makes_up_for_the_past_newest_first_and_a_second_tick_writes_nothing_twice(state: State) -> None:
    known = Known(LAST - 29 * HOUR)
    hours = HourlyCosts(known.books, state)
    hours.tick(NOON)
    assert starts(hours) == [LAST - number * HOUR for number in range(AT_ONCE)][::-1]
    for _ in range(28):
        hours.tick(NOON)
    assert (len(starts(hours)), known.asked) == (30, 28 * 24)
    one = next(iter(hours.since(LAST)))
    assert (one.currency, one.seen, list(one.costs.values())) == ("EUR", 1.0, [Decimal("0.333333333333333333")])


def test_after_a_stop_only_the_missing_hours_are_asked_for(state: State) -> None:
    known = Known(LAST)
    for _ in range(28):
        HourlyCosts(known.books, state).tick(NOON)
    hours, known.asked = HourlyCosts(known.books, state), 0
    hours.tick(NOON + 5 * HOUR)
    assert starts(hours) == [LAST + number * HOUR for number in range(6)]
    assert known.asked == AT_ONCE  # five new ones; what was empty is looked at once more by a new process


def test_an_hour_seen_in_part_is_looked_at_once_more_three_hours_later(state: State) -> None:
    known = Known(LAST)
    hours, known.seen = HourlyCosts(known.books, state), 0.5
    hours.tick(NOON)
    known.seen = 1.0
    hours.tick(NOON + 2 * HOUR)
    assert [one.seen for one in hours.since(LAST)] == [0.5, 1.0, 1.0]
    hours.tick(NOON + 3 * HOUR)
    assert [one.seen for one in hours.since(LAST)] == [1.0] * 4


def test_a_source_that_does_not_answer_is_asked_again_by_the_next_tick(state: State) -> None:
    known = Known(LAST)
    hours, known.away = HourlyCosts(known.books, state), True
    with pytest.raises(ForetideError, match="the cost of the hour from 2026-11-20T11:00:00\\+00:00 is not known"):
        hours.tick(NOON)
    known.away = False
    hours.tick(NOON)
    assert starts(hours) == [LAST]


def test_what_is_older_than_a_quarter_is_forgotten_and_a_follower_writes_nothing(state: State) -> None:
    known = Known(LAST)
    HourlyCosts(known.books, state, writes=lambda: False).tick(NOON)
    assert known.asked == 0
    hours = HourlyCosts(known.books, state)
    hours.tick(NOON)
    known.since = NOON + timedelta(days=400)
    hours.tick(NOON + timedelta(days=94))
    assert starts(hours) == []
