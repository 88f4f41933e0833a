from __future__ import annotations

from datetime import timedelta

import pytest

from cost.sizing.observed import Evidence, Resource, Risk, Size, Sizing
from cost.sizing.rollout import Health, Verdict, after_canary, canary, may_apply

_WEEK = timedelta(days=7)
_FINE = Health(ooms=0, throttled_ratio=0.01)


def _sizing(current: int | None, wanted: int | None, window: timedelta = _WEEK) -> Sizing:
    return Sizing(
        target="shop/Deployment/web", container="web", resource=Resource.MEMORY, current=Size(request=current),
        wanted=None if wanted is None else Size(request=wanted), engine="forecast", confidence=1.0, risk=Risk.LOW,
        evidence=Evidence(window=window),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("sizing", "last_oom", "why"),
    [
        (_sizing(1000, 800), None, None),
        (_sizing(1000, None), None, "nothing"),
        (_sizing(1000, 800, timedelta(days=6)), None, "history of 6 d"),
        (_sizing(1000, 800), timedelta(days=2), "OOM"),
        (_sizing(1000, 1200), timedelta(days=2), None),
        (_sizing(1000, 600), None, "30% at once"),
        (_sizing(None, 600), None, None),
    ],
)
def test_a_size_is_tried_only_on_enough_history_without_ooms_and_in_steps(
    sizing: Sizing, last_oom: timedelta | None, why: str | None
) -> None:
    found = may_apply(sizing, last_oom=last_oom)
    assert found.verdict is (Verdict.WAIT if why else Verdict.GO)
    assert why is None or why in found.reasons[0]


@pytest.mark.parametrize(
    ("after", "hours", "verdict"),
    [
        (_FINE, 24, Verdict.GO),
        (_FINE, 23, Verdict.WAIT),
        (Health(ooms=1, throttled_ratio=0.0), 1, Verdict.ROLL_BACK),
        (Health(ooms=0, throttled_ratio=0.2), 1, Verdict.ROLL_BACK),
        (Health(ooms=0, throttled_ratio=0.01, restarts=2), 30, Verdict.ROLL_BACK),
        (Health(ooms=0, throttled_ratio=None), 48, Verdict.WAIT),
    ],
)
def test_a_canary_goes_back_on_harm_and_on_after_a_day(after: Health, hours: int, verdict: Verdict) -> None:
    assert after_canary(_FINE, after, since=timedelta(hours=hours)).verdict is verdict


def test_the_smallest_workload_goes_first() -> None:
    assert canary({"b": 2, "a": 2, "c": 9}) == "a"
    assert canary({}) is None
