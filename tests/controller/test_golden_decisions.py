from __future__ import annotations

import pytest

from domain.scaling import Decision
from tests.controller.stories import Story, expand, stories

STORIES = stories()


@pytest.mark.parametrize("story", [story for _, story in STORIES], ids=[name for name, _ in STORIES])
def test_decision(story: Story) -> None:
    for expected, decision in story.play():
        assert _seen(decision, expected) == {key: value for key, value in expected.items() if key != "at"}, (
            f"at {expected['at']}: {decision.message}"
        )


def test_there_are_enough_of_them() -> None:
    assert len(STORIES) >= 70


def test_series_notation_is_promtools() -> None:
    assert expand("100+20x2 _x2 7 3-1x1") == [100, 120, 140, None, None, 7, 3, 2]


def _seen(decision: Decision, expected: dict[str, object]) -> dict[str, object]:
    """Of the decision, what the story speaks about."""
    everything = {
        "desired": decision.desired_replicas,
        "reason": decision.reason.value,
        "outcome": decision.outcome.value,
        "message": decision.message,
        "limited_by": list(decision.limited_by),
        "proposals": {one.trigger: one.replicas for one in decision.proposals},
        "hpa_only": decision.hpa_only_replicas,
        "with_forecast": decision.with_forecast_replicas,
        "stages": {line.stage: line.replicas for line in decision.trace},
        "says": {one.trigger: one.reason for one in decision.proposals},
    }
    seen = {key: everything[key] for key in expected if key != "at"}
    if isinstance(says := expected.get("says"), dict):
        seen["says"] = {trigger: reason for trigger, reason in everything["says"].items() if trigger in says}
    if isinstance(stages := expected.get("stages"), dict):
        seen["stages"] = {name: replicas for name, replicas in everything["stages"].items() if name in stages}
    return seen
