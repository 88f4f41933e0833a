"""The sentence of a verdict reads well where rounded numbers are equal."""

from __future__ import annotations

import pytest

from controller.simulate import verdict
from controller.simulate.fidelity import Fidelity
from controller.simulate.figures import Figures


def figures(minutes: float, *, days: float = 14.0) -> Figures:
    share = 100 * minutes / (days * 1440)
    return Figures(
        days=days, replica_hours=100.0, mean_replicas=2.0, violated_minutes=minutes, violated_pct=share,
        violated_load=0.0, violated_load_pct=0.0,
    )  # fmt: skip


FAITHFUL = Fidelity(
    compared=80_000, within=0.99, mean_difference=0.0, recorded_violated_minutes=None, replayed_violated_minutes=5.0,
    violated_compared=0.0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        (5.0, 5.0, "misses the objective for 5 min, as long as now (0.02 % of the time)"),
        (0.0, 0.0, "misses the objective for 0 min, as long as now (0.00 % of the time)"),
        (4.75, 5.25, "misses the objective for 4.8 min instead of 5.2 (0.02 % of the time instead of 0.03 %)"),
        (5.0, 90.0, "misses the objective for 5 min instead of 90 (0.02 % of the time instead of 0.45 %)"),
        (5.0, 6.0, "misses the objective for 5 min instead of 6 (0.02 % of the time instead of 0.03 %)"),
    ],
)
def test_no_number_stands_against_its_like(ours: float, theirs: float, said: str) -> None:
    found = verdict.of(figures(ours), figures(theirs), FAITHFUL, violated_minute=5.0)
    assert found.message == f"costs the same as what runs now and {said}"


def test_what_is_left_out_is_counted() -> None:
    one, two = (
        verdict.of(figures(5.0), figures(5.0), FAITHFUL, violated_minute=5.0, left_out=names).message
        for names in (["pause"], ["pause", "budget"])
    )
    assert one.endswith("; without 1 part of the rule (pause)")
    assert two.endswith("; without 2 parts of the rule (pause, budget)")
