"""The form of a benchmark's output, which other programs read."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.report import Limit, Row, calibration_seconds, environment, print_report

KEYS = [
    "metric", "ours", "unit", "peer", "peer_value", "ratio", "direction", "must", "goal", "holds_must", "holds_goal",
]  # fmt: skip
WHERE = {"cores": 2, "calibration_seconds": 0.1}


def row(**changes: Any) -> Row:
    return Row(**{"metric": "up_ready_s", "ours": 1.5, "unit": "s", "direction": "<=", "must": 5.0, **changes})


def printed(*rows: Row, form: str) -> str:
    out = io.StringIO()
    print_report("startup", WHERE, rows, form=form, out=out)
    return out.getvalue()


def test_json_is_one_object_with_the_agreed_keys_in_their_order() -> None:
    report = json.loads(printed(row(), row(metric="help_s"), form="json"))
    assert list(report) == ["benchmark", "environment", "rows"]
    assert report["benchmark"] == "startup"
    assert [one["metric"] for one in report["rows"]] == ["up_ready_s", "help_s"]
    assert [list(one) for one in report["rows"]] == [KEYS, KEYS]


def test_a_row_without_peer_and_goal_has_nulls() -> None:
    (one,) = json.loads(printed(row(), form="json"))["rows"]
    assert one == {
        "metric": "up_ready_s", "ours": 1.5, "unit": "s", "peer": None, "peer_value": None, "ratio": None,
        "direction": "<=", "must": 5.0, "goal": None, "holds_must": True, "holds_goal": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("direction", "ours", "must", "holds"),
    [
        ("<=", 5.0, 5.0, True),
        ("<=", 5.01, 5.0, False),
        ("<=", 0.0, 0.0, True),
        (">=", 5.0, 5.0, True),
        (">=", 4.99, 5.0, False),
        ("in", 0.85, (0.85, 0.95), True),
        ("in", 0.95, (0.85, 0.95), True),
        ("in", 0.96, (0.85, 0.95), False),
        ("<=", math.nan, 5.0, False),
        ("<=", 5.0, None, None),
    ],
)
def test_limits_include_their_ends(direction: Any, ours: float, must: Limit, holds: bool | None) -> None:
    assert row(direction=direction, ours=ours, must=must).holds_must is holds


def test_with_a_peer_the_ratio_is_what_the_limits_are_about() -> None:
    compared = row(
        metric="scan_vs_prometheus", ours=30.0, peer="prometheus 3.5", peer_value=20.0, ratio=1.5, must=2, goal=1
    )
    assert (compared.holds_must, compared.holds_goal) == (True, False)
    assert "prometheus 3.5 20" in printed(compared, form="table")


def test_a_range_is_a_list_in_json() -> None:
    (one,) = json.loads(printed(row(direction="in", must=(0.0, 2.0)), form="json"))["rows"]
    assert one["must"] == [0.0, 2.0]


def test_a_table_names_what_was_missed() -> None:
    header, kept, missed, machine = printed(row(), row(metric="help_s", ours=0.31, must=0.3), form="table").splitlines()
    assert header.split() == ["metric", "ours", "unit", "peer", "ratio", "must", "goal", "holds"]
    assert kept.split() == ["up_ready_s", "1.5", "s", "<=", "5", "yes"]
    assert missed.split() == ["help_s", "0.31", "s", "<=", "0.3", "NO"]
    assert machine == "2 cores, calibration loop 0.1 s"


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_one_of_two_opposite_limits_holds(ours: float, must: float) -> None:
    below = row(ours=ours, must=must).holds_must
    above = row(ours=ours, must=must, direction=">=").holds_must
    assert below or above
    assert (below and above) == (ours == must)


def test_the_environment_says_what_absolute_rows_are_read_against() -> None:
    where = environment()
    assert {"foretide", "python", "numpy", "sqlite"} <= set(where["versions"])
    assert where["cores"] >= 1
    assert 0.01 < where["calibration_seconds"] < 30
    json.dumps(where)


def test_the_calibration_is_the_best_of_three() -> None:
    times = iter([0.0, 5.0, 10.0, 12.0, 20.0, 23.0])
    assert calibration_seconds(clock=lambda: next(times)) == 2.0
