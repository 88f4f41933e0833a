"""Spot: only what stands an interruption, only where it is really cheaper, and never what a commitment has paid for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cost.commitments.spot import NOTICE, Mix, SpotRates, Workload, is_cheaper, is_ready, mix, readiness

READY = Workload(
    kind="Deployment", replicas=3, has_empty_dir=False, has_local_volume=False, pdb_min_available_ratio=0.5,
    rolling_min_available_ratio=0.75, termination_grace=timedelta(seconds=30), is_spread=True, is_single_leader=False,
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"kind": "StatefulSet"}, "kind"),
        ({"replicas": 1}, "replicas"),
        ({"has_empty_dir": True}, "emptyDir"),
        ({"pdb_min_available_ratio": 0.6}, "disruptionBudget"),
        ({"rolling_min_available_ratio": 1.0}, "rollingUpdate"),
        ({"termination_grace": NOTICE * 2}, "gracePeriod"),
        ({"is_spread": False}, "spread"),
        ({"is_single_leader": True}, "singleLeader"),
        ({"has_local_volume": None}, "localVolume"),
    ],
)
def test_one_line_that_fails_or_that_nobody_knows_is_enough(change: dict[str, Any], name: str) -> None:
    one = replace(READY, **change)

    assert is_ready(READY)
    assert not is_ready(one)
    assert [check.name for check in readiness(one) if check.passed is not True] == [name]
    assert is_ready(replace(one, override=True))


def test_interruptions_and_spare_count_against_spot() -> None:
    rates = SpotRates(spot=Decimal("0.3"), over_provision=Decimal("0.1"), restart=Decimal(10))

    assert rates.expected == Decimal("0.53")
    assert is_cheaper(rates, on_demand=Decimal("0.6"), idle_committed=0.0)
    assert not is_cheaper(rates, on_demand=Decimal("0.5"), idle_committed=0.0)
    assert not is_cheaper(rates, on_demand=Decimal("0.6"), idle_committed=1.0)


def mixed(
    demand: np.ndarray, *, committed: float = 0.0, eligible: float = 1.0, pools: int = 5, spot: str = "0.3"
) -> Mix:
    return mix(
        demand, committed=committed, committed_rate=Decimal("0.5"), on_demand=Decimal(1), eligible=eligible,
        pools=pools, spot=SpotRates(spot=Decimal(spot)), headroom=2.0,
    )  # fmt: skip


def test_few_pools_hold_only_what_may_be_missing() -> None:
    demand = np.full(10, 20.0)

    assert mixed(demand).spot == 20
    assert mixed(demand, pools=3).spot == 6
    assert mixed(demand, spot="1.5").on_demand == 20
    assert mixed(demand, committed=15, eligible=0.5).spot == 5


@given(st.lists(st.integers(0, 50), min_size=1, max_size=20), st.integers(0, 60), st.floats(0, 1), st.integers(1, 6))
def test_the_mix_is_demand_and_never_displaces_a_commitment(
    hours: list[int], committed: int, eligible: float, pools: int
) -> None:
    demand = np.array(hours, dtype=np.float64)
    found = mixed(demand, committed=committed, eligible=eligible, pools=pools)

    assert found.committed + found.spot + found.on_demand == pytest.approx(demand.mean())
    assert found.committed == pytest.approx(np.minimum(demand, committed).mean())
    assert min(found.idle, found.spot, found.on_demand) >= -1e-12
    assert found.hourly_cost <= mixed(demand, committed=committed, eligible=0.0).hourly_cost + Decimal("1e-9")
