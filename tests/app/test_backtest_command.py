"""``foretide backtest --forecast`` as a user runs it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.backtest_command import backtest_file
from app.cli import app
from tests.forecaster.hourly import hours

START = 1_767_225_600


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("backtest") / "shop.csv"
    lines = ["unique_id,ds,y"]
    for seed, name in enumerate(("cart", "search")):
        lines += [f"{name},{START + 3600 * i},{value:.3f}" for i, value in enumerate(hours(700, seed=seed, noise=4))]
    lines += [f"young,{START + 3600 * i},{i}" for i in range(12)]
    lines += ["broken,1767225600,five"]
    path.write_text("\n".join(lines) + "\n")
    return path


def _run(data: Path, *, output: str = "csv", workers: int = 1, horizon: int = 8, origins: int = 3) -> tuple[int, str]:
    out = io.StringIO()
    code = backtest_file(
        data, horizon=horizon, quantiles="0.1,0.95", season=None, origins=origins, output=output, workers=workers,
        out=out,
    )  # fmt: skip
    return code, out.getvalue()


def test_csv_has_a_row_per_series_and_band_then_the_overall_ones(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = _run(data)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert code == 0
    assert [(row["scope"], row["unique_id"], row["horizon"], row["steps"], row["origins"]) for row in rows] == [
        (scope, name, band, steps, count)
        for scope, name, count in (("series", "cart", "3"), ("series", "search", "3"), ("overall", "", "6"))
        for band, steps in (("1h", "1"), ("4h", "4"), ("all", "8"))
    ]
    for row in rows:
        assert 0 < float(row["wape"]) < 0.2
        assert 0 < float(row["mase"]) < 1.5
        assert 0 <= float(row["coverage_q0.1"]) <= float(row["coverage_q0.95"]) <= 1
        assert float(row["skill_vs_naive"]) < 1
        assert (row["pinball"] == "") == (row["scope"] == "overall")
    said = capsys.readouterr().err
    assert "2 series backtested, forecasts: 6 by seasonal; 2 refused" in said
    assert "series young: has 12 values in 12 steps; 10 values and a horizon of 8 steps" in said
    assert "series broken: y 'five' is not a number" in said


def test_json_has_the_refused_too(data: Path) -> None:
    document = json.loads(_run(data, output="json")[1])
    assert [one["unique_id"] for one in document["series"]] == ["cart", "search"]
    assert document["series"][0]["engines"] == {"seasonal": 3}
    assert set(document["overall"][-1]["coverage"]) == {"q0.1", "q0.95"}
    assert [one["unique_id"] for one in document["refused"]] == ["young", "broken"]


def test_a_table_lines_up(data: Path) -> None:
    lines = _run(data, output="table")[1].splitlines()
    assert lines[0].split()[:4] == ["series", "origins", "horizon", "steps"]
    assert lines[-1].split()[:4] == ["OVERALL", "6", "all", "8"]
    assert len({len(line) for line in lines}) == 1


def test_two_processes_give_the_same_bytes(data: Path) -> None:
    assert _run(data, workers=2) == _run(data, workers=1)


def test_where_no_series_can_be_scored_the_reasons_are_the_answer(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for output, lines in (("csv", 1), ("table", 1), ("json", 1)):
        code, text = _run(data, output=output, horizon=5000)
        assert (code, len(text.splitlines())) == (0, lines)
    assert "0 series backtested; 4 refused" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"horizon": 0}, "--horizon 0: expected 1 to 5000 steps"),
        ({"origins": 0}, "--origins 0: expected 1 to 500"),
        ({"output": "xml"}, "expected one of csv, json, table"),
    ],
)
def test_an_option_that_cannot_be_meant_is_told(
    data: Path, options: dict[str, object], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(data, **options) == (2, "")  # type: ignore[arg-type]
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["demo/shop", "--data", "x.csv"], "--rules and --data go together"),
        ([], "backtest needs a RULE"),
        (["--forecast", "--horizon", "4"], "needs --data FILE and --horizon H"),
        (["--forecast", "--data", "none.csv", "--horizon", "4"], "none.csv: cannot be read"),
    ],
)
def test_what_does_not_work_yet_or_is_left_out_is_told(arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(app, ["backtest", *arguments])
    assert result.exit_code == 2
    assert says in result.stderr


def test_a_wide_file_has_no_clock(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text("a," + ",".join(f"{value:.2f}" for value in hours(600, noise=4)) + "\n")
    result = CliRunner().invoke(
        app, ["backtest", "--forecast", "--data", str(path), "--horizon", "20", "--origins", "2", "-o", "csv"]
    )
    assert result.exit_code == 0
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["horizon"] for row in rows[:4]] == ["first", "tenth", "half", "all"]
