from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from cost.pricing.covered_time import Stay, Stretch, cover_time
from cost.pricing.things import NodeFacts
from rules.price_sheet import Commitment

START = datetime(2026, 11, 21, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def commitment(quantity: int = 1, hourly: str = "0.14", ends: date = date(2027, 1, 1), **match: Any) -> Commitment:
    return Commitment.model_validate(
        {"id": f"c{hourly}", "match": {"instanceType": "m6i", **match}, "quantity": quantity, "hourly": hourly,
         "ends": ends.isoformat()}
    )  # fmt: skip


def stay(name: str, first: float, last: float | None, **labels: str) -> Stay:
    node = NodeFacts(name=name, labels={"node.kubernetes.io/instance-type": "m6i", **labels})
    return Stay(node=node, start=START + first * HOUR, end=None if last is None else START + last * HOUR)


def stretch(first: float, last: float, hourly: str | None) -> Stretch:
    price = None if hourly is None else Decimal(hourly)
    return Stretch(start=START + first * HOUR, end=START + last * HOUR, hourly=price)


def test_a_machine_that_is_replaced_hands_its_commitment_to_the_next() -> None:
    found = cover_time([stay("b", 0, 12), stay("a", 12, None)], [commitment()], START, START + DAY)
    assert found.stretches == {0: [stretch(0, 12, "0.14")], 1: [stretch(12, 24, "0.14")]}
    assert found.unused == ()


def test_a_gap_between_two_machines_is_paid_for_by_nobody_and_an_overlap_costs_the_second_its_own_price() -> None:
    found = cover_time([stay("a", 0, 10), stay("b", 8, 20)], [commitment()], START, START + DAY)
    assert found.stretches[1] == [stretch(8, 10, None), stretch(10, 20, "0.14")]
    assert found.unused == ((Decimal("0.14"), 4 * HOUR),)


def test_what_is_committed_comes_to_its_price_for_every_hour_until_its_last_day_is_over() -> None:
    stays = [stay("a", 0, 7), stay("b", 3, 30), stay("s", 0, None, **{"karpenter.sh/capacity-type": "spot"})]
    ended = commitment(quantity=2, ends=START.date())
    found = cover_time(stays, [ended], START, START + 2 * DAY)
    used = sum(((one.end - one.start) / HOUR for each in found.stretches.values() for one in each
                if one.hourly is not None), 0.0)  # fmt: skip
    idle = sum(float(hourly / ended.hourly) * (lasted / HOUR) for hourly, lasted in found.unused)
    assert used + idle == 48.0  # two machines for one day
    assert found.stretches[1][-1] == stretch(24, 30, None)
    assert 2 not in found.stretches
