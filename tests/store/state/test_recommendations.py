from collections.abc import Iterator
from pathlib import Path

import pytest

from cost.recommendations import states
from domain.recommendations import RecommendationState
from store.state import AuditTrail, Recommendations, State
from tests.cost.recommendations.advice import NOW, resize


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = State.open(f"sqlite:///{tmp_path}/state.db")
    yield opened
    opened.close()


def test_an_item_is_read_as_it_was_kept_and_each_change_of_state_is_told_once(state: State) -> None:
    item = states.first(resize(), NOW)
    yes = states.accept(item, digest=item.advice.digest, by="ann", now=NOW)
    with state.transaction() as session:
        for kept in (item, item, yes):
            Recommendations(session).put(kept)
    with state.transaction() as session:
        assert Recommendations(session).get(item.id) == yes
        assert Recommendations(session).all({RecommendationState.ACCEPTED}) == [yes]
        assert Recommendations(session).all({RecommendationState.OPEN}) == []
        assert Recommendations(session).get("nothing") is None
        told = AuditTrail(session).newest(limit=9)
    assert [(one.actor, one.verb, one.detail["from"]) for one in told] == [
        ("ann", "recommendation accepted", "open"), ("foretide", "recommendation open", ""),
    ]  # fmt: skip
    assert told[0].object == f"recommendation/{item.id}"
