from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from cost.recommendations import states
from cost.recommendations.states import IllegalStateError
from domain.recommendations import KeptRecommendation, RecommendationState
from tests.cost.recommendations.advice import NOW, resize

S = RecommendationState
LATER = NOW + timedelta(days=7)


def test_the_id_stays_and_the_digest_moves_with_the_values() -> None:
    assert resize().id == resize(after="910m").id
    assert resize().id != resize(name="api").id
    assert resize().digest != resize(after="910m").digest
    assert resize().digest == resize(monthly="3").digest  # what it saves is not what is written


def test_an_item_goes_from_open_to_verified() -> None:
    item = states.first(resize(), NOW)
    item = states.accept(item, digest=item.advice.digest, by="ann", now=NOW)
    assert (item.standing.state, item.standing.by) == (S.ACCEPTED, "ann")
    item = states.apply(item, by="foretide", now=NOW)
    item = states.computed(item, resize(after="800m"), LATER)
    assert item.advice == resize()  # today's advice does not take the place of what was applied
    item = states.verify(item, by="foretide", now=LATER, reason="saved 200 of 212.40")
    assert item.standing.state is S.VERIFIED
    assert states.computed(item, resize(), LATER).standing.state is S.VERIFIED
    again = states.computed(item, resize(after="800m"), LATER)
    assert (again.standing.state, again.standing.reason) == (S.OPEN, "is there again")


def test_a_yes_is_to_one_patch_only() -> None:
    item = states.first(resize(), NOW)
    with pytest.raises(IllegalStateError, match=r"another patch by now: its digest is [0-9a-f]{16}"):
        states.accept(item, digest=resize(after="910m").digest, by="ann", now=NOW)
    yes = states.accept(item, digest=item.advice.digest, by="ann", now=NOW)
    assert states.computed(yes, resize(monthly="100"), LATER).standing.state is S.ACCEPTED
    void = states.computed(yes, resize(after="910m"), LATER)
    assert void.standing.state is S.OPEN
    assert "that ann accepted" in void.standing.reason


def test_a_snoozed_item_comes_back_and_says_why() -> None:
    item = states.snooze(states.first(resize(), NOW), reason="freeze", until=LATER, by="ann", now=NOW)
    assert states.computed(item, resize(), NOW).standing.state is S.SNOOZED
    back = states.computed(item, resize(), LATER)
    assert back.standing.state is S.OPEN
    assert back.standing.reason == "was snoozed until 2026-11-29 05:00 UTC: freeze"
    for_ever = states.reject(item, reason="never", by="ann", now=NOW)
    assert states.computed(for_ever, resize(after="1m"), LATER).standing.state is S.REJECTED


def test_what_is_not_seen_any_more_expires_but_not_what_was_applied() -> None:
    item = states.first(resize(), NOW)
    expired = states.gone(item, LATER, why="is not advised any more")
    assert (expired.standing.state, expired.standing.reason) == (S.EXPIRED, "is not advised any more")
    assert states.computed(expired, resize(), LATER).standing.state is S.OPEN
    yes = states.accept(item, digest=item.advice.digest, by="ann", now=NOW)
    applied = states.apply(yes, by="foretide", now=NOW)
    assert states.gone(applied, LATER, why="") == applied


STEPS: dict[str, Callable[[KeptRecommendation], KeptRecommendation]] = {
    "accept": lambda item: states.accept(item, digest=item.advice.digest, by="ann", now=NOW),
    "reject": lambda item: states.reject(item, reason="no", by="ann", now=NOW),
    "snooze": lambda item: states.snooze(item, reason="later", until=LATER, by="ann", now=NOW),
    "reopen": lambda item: states.reopen(item, by="ann", now=NOW),
    "apply": lambda item: states.apply(item, by="foretide", now=NOW),
    "undo": lambda item: states.undo(item, by="foretide", now=NOW, reason="throttled"),
    "verify": lambda item: states.verify(item, by="foretide", now=NOW, reason="saved"),
}
LEGAL = {
    S.OPEN: {"accept", "reject", "snooze"},
    S.ACCEPTED: {"reject", "reopen", "apply", "undo"},
    S.APPLIED: {"undo", "verify"},
    S.VERIFIED: {"undo"},
    S.REJECTED: {"accept", "snooze", "reopen"},
    S.SNOOZED: {"accept", "reject", "snooze", "reopen"},
    S.EXPIRED: set(),
}


@pytest.mark.parametrize("state", list(S))
@pytest.mark.parametrize("step", list(STEPS))
def test_every_illegal_step_is_refused_with_a_sentence(state: RecommendationState, step: str) -> None:
    item = states.first(resize(), NOW)
    item = replace(item, standing=replace(item.standing, state=state))
    if step in LEGAL[state]:
        assert STEPS[step](item).standing.state is not state or step == "snooze"
    else:
        with pytest.raises(IllegalStateError, match=rf"{item.id} is {state}: only what is .* can become"):
            STEPS[step](item)


def test_a_time_that_is_over_is_refused() -> None:
    with pytest.raises(IllegalStateError, match="over already"):
        states.snooze(states.first(resize(), NOW), reason="later", until=NOW, by="ann", now=NOW)
