"""What the tests of a reconciler share."""

from __future__ import annotations

import pytest

from tests.controller.reconciling import SHOP, Bench, rule
from tests.fakes.cluster import FakeCluster


@pytest.fixture
def bench() -> Bench:
    return Bench(cluster=FakeCluster.of(SHOP, 4), rules=[rule()], answers={"shop_rps": 60.0})
