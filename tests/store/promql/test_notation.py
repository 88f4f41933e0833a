"""promtool's notation of series."""

from __future__ import annotations

import numpy as np
import pytest

from domain.labels import Labels
from domain.series import is_stale
from store.promql.notation import MAX_POINTS, read_points, read_series


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("5", [5]),
        ("7x3", [7, 7, 7, 7]),
        ("0+120x2", [0, 120, 240]),
        ("3-1.5x2 _ 4", [3, 1.5, 0, None, 4]),
        ("_x3", [None, None, None]),
        ("-1e2+.5x1", [-100, -99.5]),
        ("{{schema:1}}x1", ["histogram", "histogram"]),
    ],
)
def test_points(text: str, points: list[object]) -> None:
    assert read_points(text) == points


def test_the_end_of_a_series_is_prometheus_marker() -> None:
    first, last = read_points("1 stale")
    assert first == 1
    assert is_stale(np.array([last])).all()


def test_a_line_has_labels_and_points() -> None:
    labels, points = read_series("""up{job="a b", path=`C:\\x`, "dotted.name"='}'} 1x1""")
    assert labels == Labels.of({"__name__": "up", "job": "a b", "path": "C:\\x", "dotted.name": "}"})
    assert points == [1, 1]


@pytest.mark.parametrize("text", ["1y", "x3", "1+x3", "0+1x3x4", "five", f"0x{MAX_POINTS + 1}", "1x999999 1x999999"])
def test_what_is_no_value_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is no value; write|makes more than"):
        read_points(text)
