from __future__ import annotations

from decimal import Decimal

import pytest

from cost.prices import cost_per_hour
from domain.money import Money
from rules.schema import PriceSheet


def sheet(cpu: str = "0.031611", memory: str = "0.004237") -> PriceSheet:
    document = {
        "apiVersion": "foretide.dev/v1alpha1", "kind": "PriceSheet", "metadata": {"name": "list"},
        "spec": {"currency": "USD", "cpuCoreHour": cpu, "memoryGiBHour": memory},
    }  # fmt: skip
    return PriceSheet.model_validate(document)


def test_cores_and_gibs_times_replicas() -> None:
    cost = cost_per_hour({"cpu": 0.25, "memory": 128 * 2**20}, 3, sheet())
    assert cost == Money(amount=Decimal("0.025297125"), currency="USD")  # 3 × (0.00790275 + 0.000529625)


def test_a_tenth_of_a_core_is_a_tenth() -> None:
    assert cost_per_hour({"cpu": 0.1}, 10, sheet(cpu="1")).amount == 1


def test_one_byte_is_not_rounded_away() -> None:
    cost = cost_per_hour({"memory": 1.0}, 2**30, sheet(memory="0.1"))
    assert cost.amount == Decimal("0.1")


@pytest.mark.parametrize("requests", [{}, {"nvidia.com/gpu": 1.0}])
def test_what_has_no_price_costs_nothing(requests: dict[str, float]) -> None:
    assert cost_per_hour(requests, 5, sheet()).amount == 0


def test_no_replicas_cost_nothing() -> None:
    assert cost_per_hour({"cpu": 1.0}, 0, sheet()).amount == 0
