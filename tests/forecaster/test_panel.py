from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from domain.errors import IntakeError
from forecaster.panel import PanelSeries, Refusal, read

HEADER = "unique_id,ds,y\n"


def _read(tmp_path: Path, text: str) -> list[PanelSeries | Refusal]:
    path = tmp_path / "data.csv"
    path.write_text(text)
    return read(path)


def _rows(name: str, values: list[object], *, step: int = 300, start: int = 1_700_000_000) -> str:
    return "".join(f"{name},{start + step * i},{value}\n" for i, value in enumerate(values))


def _one(tmp_path: Path, text: str) -> PanelSeries:
    (series,) = _read(tmp_path, text)
    assert isinstance(series, PanelSeries), series
    return series


def _refused(tmp_path: Path, text: str) -> str:
    (refusal,) = _read(tmp_path, text)
    assert isinstance(refusal, Refusal)
    return str(refusal)


def test_long_format_with_columns_in_any_order_and_others_beside(tmp_path: Path) -> None:
    series = _one(tmp_path, "y,zone,ds,unique_id\n1,a,2026-01-01T00:00:00Z,cpu\n2,a,2026-01-01T01:00:00Z,cpu\n")
    assert (series.unique_id, series.values.tolist(), series.step_seconds) == ("cpu", [1, 2], 3600)
    assert (series.style, series.place) == ("rfc3339", f"{tmp_path}/data.csv:2")


def test_gzip_and_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "data.csv.gz"
    path.write_bytes(gzip.compress(("\ufeff" + HEADER + _rows("a", [1, 2, 3])).encode()))
    (series,) = read(path)
    assert isinstance(series, PanelSeries)
    assert series.values.tolist() == [1, 2, 3]
    assert series.end_seconds == 1_700_000_600


def test_a_file_of_one_series_is_named_after_the_file(tmp_path: Path) -> None:
    assert _one(tmp_path, "timestamp,value\n2026-01-01,5\n2026-01-02,6\n").unique_id == "data"


def test_series_may_be_interleaved_and_keep_their_order(tmp_path: Path) -> None:
    text = HEADER + "b,0,1\na,0,2\nb,300,3\na,300,4\n"
    found = _read(tmp_path, text)
    assert [one.unique_id for one in found] == ["b", "a"]
    assert [one.values.tolist() for one in found if isinstance(one, PanelSeries)] == [[1, 3], [2, 4]]


def test_gaps_and_missing_values_become_nan(tmp_path: Path) -> None:
    text = HEADER + _rows("a", [1, 2, 3]) + _rows("a", ["", "NaN", 6], start=1_700_000_000 + 300 * 5)
    np.testing.assert_equal(_one(tmp_path, text).values, [1, 2, 3, np.nan, np.nan, np.nan, np.nan, 6])


def test_unsorted_and_doubled_stamps_are_mended_and_noted(tmp_path: Path) -> None:
    series = _one(tmp_path, HEADER + "a,600,3\na,0,1\na,300,2\na,600,4\n")
    assert series.values.tolist() == [1, 2, 4]
    assert any("1 rows repeat a stamp" in note for note in series.notes)
    assert any("sorted" in note for note in series.notes)


def test_of_two_frequencies_the_present_one_is_used_and_its_place_told(tmp_path: Path) -> None:
    text = HEADER + _rows("a", [1] * 30, step=3600) + _rows("a", [2] * 60, start=1_700_000_000 + 30 * 3600)
    series = _one(tmp_path, text)
    assert len(series.values) == 60
    assert any("mixed frequency" in note and "data.csv:32" in note for note in series.notes)


def test_a_silent_end_moves_the_forecasts_begin(tmp_path: Path) -> None:
    series = _one(tmp_path, HEADER + _rows("a", [1, 2, 3, "", ""]))
    assert (len(series.values), series.end_seconds) == (3, 1_700_000_600)
    assert "the last 2 steps have no value" in series.notes[0]


def test_one_stamp_of_1970_does_not_fill_the_memory(tmp_path: Path) -> None:
    series = _one(tmp_path, HEADER + "a,0,1\n" + _rows("a", [1] * 60, step=1))
    assert len(series.values) <= 200_000
    assert "left out" in series.notes[0]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (_rows("a", [1]), "data.csv:2: series a: one stamp"),
        (_rows("a", ["", "nan"]), "data.csv:2: series a: none of its 2 rows has a value"),
        (_rows("a", [1, "x", 3]), "data.csv:3: series a: y 'x' is not a number"),
        (_rows("a", [1, "1e308"]), "data.csv:3: series a: y '1e308' is absurdly large"),
        (_rows("a", [1, "inf"]), "data.csv:3: series a: y 'inf' is absurdly large"),
        ("a,0,1\na,later,2\n", "data.csv:3: series a: ds 'later' is not a number of epoch seconds"),
        ("a,0,1\na,1700000000000,2\n", "data.csv:3: series a: ds '1700000000000' is beyond the year 9999"),
        ("a,0,1\na,300\n", "data.csv:3: series a: 2 columns instead of 3"),
    ],
)
def test_a_mistake_names_file_line_and_series(tmp_path: Path, rows: str, says: str) -> None:
    assert says in _refused(tmp_path, HEADER + rows)


def test_a_mistake_leaves_the_other_series_alone(tmp_path: Path) -> None:
    found = _read(tmp_path, HEADER + "a,0,x\nb,0,1\nb,300,2\n")
    assert [type(one) for one in found] == [Refusal, PanelSeries]


def test_m4s_wide_format(tmp_path: Path) -> None:
    found = _read(tmp_path, '"V1","V2","V3","V4"\n"H1","1","2","3"\n"D7","4","5",\n"cpu","6","","7"\n')
    assert [one.unique_id for one in found] == ["H1", "D7", "cpu"]
    series = [one for one in found if isinstance(one, PanelSeries)]
    assert [one.step_seconds for one in series] == [3600, 86400, 3600]
    np.testing.assert_equal([one.values.tolist() for one in series][1:], [[4, 5], [6, np.nan, 7]])
    assert {one.style for one in series} == {"step"}


def test_wide_without_header_and_what_can_be_wrong_in_it(tmp_path: Path) -> None:
    found = _read(tmp_path, "H1,1,2,3\nH2,1,x\nH3,,\nH1,1,2\nH4,1,1e200\n")
    said = {one.unique_id: str(one) for one in found if isinstance(one, Refusal)}
    assert set(said) == {"H1", "H2", "H3", "H4"}
    assert "data.csv:4: series H1: a second row" in said["H1"]
    assert "data.csv:2: series H2: y 'x' is not a number" in said["H2"]
    assert "has no value" in said["H3"]
    assert "data.csv:5: series H4: value 2 (1e200) is absurdly large" in said["H4"]


@pytest.mark.parametrize(
    ("raw", "says"),
    [(b"", "empty"), (HEADER.encode(), "no row"), (b"a,b\n1\xff", "data.csv: not UTF-8"), (b"word\n", "neither"),
     (b"\x1f\x8bnot gzip", "cannot be read"), (b'a,"b\n' + b"x" * 140_000, "data.csv")],
)  # fmt: skip
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, raw: bytes, says: str) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(raw)
    with pytest.raises(IntakeError, match=says):
        read(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(IntakeError, match="cannot be read"):
        read(tmp_path / "none.csv")


def test_steps_finer_than_a_duration_are_refused(tmp_path: Path) -> None:
    rows = "".join(f"a,{i}e-9,{i}\n" for i in range(40))
    assert "a millisecond" in _refused(tmp_path, HEADER + rows)
