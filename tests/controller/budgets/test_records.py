"""A restart knows what was known."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from controller.budgets.alerts import Alert, AlertState
from controller.budgets.deeds import Approval, Change, Deed, DeedState
from controller.budgets.records import Standing, from_json, to_json

NOON = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)


def test_a_standing_comes_back_as_it_was() -> None:
    alert = Alert(period="2026-11-01", state=AlertState.FIRING, at=NOON, since=NOON, told=Decimal("800.10"), notices=1)
    deed = Deed(
        id="b/over/cap", period="2026-11-01", state=DeedState.HELD, since=NOON, digest="ab", acted_at=NOON,
        changes=(Change(target="rule shop/web", field="replicas.max", before=20, after=12),),
        approval=Approval(digest="ab", by="token", at=NOON), promised=Decimal("3.5"), expected=((1.0, 0.5, 2.0),),
    )  # fmt: skip
    standing = Standing(budget="media/b", threshold="over", alert=alert, deeds={"cap": deed})
    assert from_json("media/b", "over", json.loads(json.dumps(to_json(standing)))) == standing
    bare = Standing(budget="media/b", threshold="over", deeds={"cap": replace(deed, approval=None)})
    assert from_json("media/b", "over", json.loads(json.dumps(to_json(bare)))) == bare
