"""The shadow score in one sentence and in the API."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from app.shadow_view import sentence, view_of
from domain.shadow import ShadowScore, ShadowSide
from tests.app.conftest import Served

SINCE = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SCORE = ShadowScore(
    rule="demo/shop", digest="d", since=SINCE, at=SINCE, replicas=3, counted_seconds=7200, judged_seconds=7200,
    shadow=ShadowSide(replica_seconds=8600, violated_seconds=180, cost=Decimal("1.00")),
    real=ShadowSide(replica_seconds=10_000, violated_seconds=660, cost=Decimal("1.40")), currency="USD",
)  # fmt: skip


def test_the_sentence() -> None:
    assert sentence(SCORE) == (
        "in shadow since 2026-11-21 12:00:00 UTC: −14 % replica-hours, violated minutes 3 instead of 11, $0.400 saved"
    )


def test_what_is_not_known_is_not_said() -> None:
    begun = ShadowScore(rule="demo/shop", digest="d", since=SINCE, at=SINCE, replicas=3)
    assert sentence(None) == ""
    assert sentence(begun).endswith(": nothing to compare yet")
    plain = ShadowScore(
        rule="demo/shop", digest="d", since=SINCE, at=SINCE, replicas=3, counted_seconds=60,
        shadow=ShadowSide(replica_seconds=90), real=ShadowSide(replica_seconds=90),
    )  # fmt: skip
    assert sentence(plain).endswith(": ±0 % replica-hours")
    assert sentence(replace(plain, currency="USD")).endswith(": ±0 % replica-hours, at the same cost")


def test_the_view_has_hours_and_minutes() -> None:
    view = view_of(SCORE)
    assert view is not None
    assert (view.counted_hours, view.real.violated_minutes, view.shadow.cost is None) == (2, 11, False)


def test_a_running_rule_that_only_observes_has_the_field(served: Served) -> None:
    (rule,) = served.ask("/api/v1/rules").json["data"]
    assert "shadow" in rule
