from __future__ import annotations

from typing import Any

import pytest

from app.readiness import News, Unready, news, told, unready
from domain.scaling import Decision, Mode, Reason, TraceLine
from tests.app.world import decision


def acted(message: str) -> Decision:
    return decision(1, mode=Mode.ENFORCE, trace=(TraceLine(stage="actuate", replicas=3, message=message),))


def status(state: str, reason: str, message: str = "", outcome: str = "hold") -> dict[str, Any]:
    condition = {"type": "Ready", "status": state, "reason": reason, "message": message}
    return {"conditions": [condition], "decision": {"outcome": outcome, "reason": "Idle", "message": "as it is"}}


@pytest.mark.parametrize(
    ("one", "failed", "expected"),
    [
        (decision(1), "", None),
        (decision(1, reason=Reason.NO_REPLICA_COUNT), "", "NoReplicaCount"),
        (decision(1, trace=(TraceLine(stage="gate", replicas=2, message="no backtest"),)), "", "BacktestMissing"),
        (acted("nothing was written: it has another owner"), "", "NotWritten"),
        (acted("nothing was written: somebody else undid what we set 3 times"), "", "Flapping"),
        (acted("left alone until 2026-11-21T12:00:00Z: forbidden"), "", "Failed"),
        (acted("left to the next pass: somebody was faster"), "", None),
        (decision(1), "forbidden", "Failed"),
    ],
)
def test_why_a_rule_is_not_ready(one: Decision, failed: str, expected: str | None) -> None:
    why = unready(one, failed)
    assert (why.reason if why else None) == expected


def test_a_target_that_is_left_alone_because_it_failed_says_the_same() -> None:
    assert unready(acted("left alone until 2026-11-21T12:00:00Z: forbidden")) == unready(acted(""), "forbidden")
    assert unready(acted(""), "forbidden") == Unready(reason="Failed", message="forbidden")


def test_a_number_in_a_sentence_is_no_news() -> None:
    one, other = (
        status("False", "NoData", "newest sample 61.5 s old"),
        status("False", "NoData", "newest sample 7 s old"),
    )
    assert told(one["conditions"][0]) == told(other["conditions"][0])
    assert news(one, other) == []


def test_events_tell_what_changed_and_nothing_of_a_first_good_status() -> None:
    good, bad = status("True", "Running"), status("False", "Refused", "bad")
    assert news({}, good) == []
    assert news({}, bad) == [News(reason="Refused", message="bad", is_warning=True)]
    assert news(good, bad) == [News(reason="Refused", message="bad", is_warning=True)]
    assert news(bad, good) == [News(reason="Ready", message="it runs")]
    assert news(good, status("True", "Running", outcome="scale_up")) == [
        News(reason="ScaleUp", message="Idle: as it is")
    ]
