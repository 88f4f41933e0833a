"""How many replicas the money is good for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.budgets.afford import affordable

DAY = np.full((10, 24), 10.0)


def test_as_many_as_use_up_what_is_left() -> None:
    found = affordable(DAY, each=0.5, others=np.zeros(10), left=72.0, most=20)
    assert (found.replicas, found.saving, found.saturated_hours) == (6, pytest.approx(48.0), pytest.approx(24.0))


def test_what_others_spend_is_taken_off() -> None:
    assert affordable(DAY, each=0.5, others=np.full(10, 24.0), left=72.0, most=20).replicas == 4
    assert affordable(DAY, each=0.5, others=np.full(10, 80.0), left=72.0, most=20).replicas == 0


def test_enough_money_is_no_limit() -> None:
    found = affordable(DAY, each=0.5, others=np.zeros(10), left=1000.0, most=20)
    assert (found.replicas, found.saving, found.saturated_hours) == (20, 0.0, 0.0)


def test_one_path_in_five_may_end_above() -> None:
    paths = np.repeat(np.arange(1.0, 11.0)[:, None], 10, axis=1)  # 1 … 10 replicas for 10 hours
    assert affordable(paths, each=1.0, others=np.zeros(10), left=80.0, most=20).replicas == 20
    assert affordable(paths, each=1.0, others=np.zeros(10), left=79.0, most=20).replicas == 7


@given(
    st.lists(st.lists(st.floats(0, 50), min_size=6, max_size=6), min_size=5, max_size=20),
    st.floats(0, 500), st.integers(1, 60),
)  # fmt: skip
def test_it_is_the_largest_that_fits(rows: list[list[float]], left: float, most: int) -> None:
    paths = np.array(rows)
    others = np.linspace(0, 50, len(rows))
    found = affordable(paths, each=1.0, others=others, left=left, most=most).replicas

    order = np.argsort(paths.sum(axis=1), kind="stable")
    over = [(np.minimum(paths[order], n).sum(axis=1) + others > left).mean() > 0.2 for n in range(most + 1)]
    assert over == sorted(over)
    assert found == max((n for n in range(most + 1) if not over[n]), default=0)
