"""``foretide forecast`` as a user runs it: the program, a file, and what comes out on both streams."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from app.cli import app
from app.forecast_command import _pooled, forecast_file
from forecaster.workers import fork_server
from tests.forecaster.hourly import hours

START = 1_767_225_600


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("forecast") / "shop.csv"
    lines = ["unique_id,ds,y"]
    for seed, name in enumerate(("cart", "search", "pay")):
        lines += [f"{name},{START + 3600 * i},{value:.3f}" for i, value in enumerate(hours(520, seed=seed, noise=4))]
    lines += ["broken,1767225600,five"]
    path.write_text("\n".join(lines) + "\n")
    return path


def _run(
    data: Path, *, output: str = "csv", workers: int = 1, horizon: int = 3, quantiles: str = "0.1,0.9"
) -> tuple[int, str]:
    out = io.StringIO()
    code = forecast_file(
        data, horizon=horizon, quantiles=quantiles, season=None, output=output, workers=workers, out=out
    )
    return code, out.getvalue()


def test_csv_has_one_row_per_series_and_step_in_order(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = _run(data)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert text.splitlines()[0] == "unique_id,ds,mean,q0.1,q0.9"
    assert [(row["unique_id"], int(row["ds"])) for row in rows] == [
        (name, START + 3600 * (519 + step)) for name in ("cart", "search", "pay") for step in (1, 2, 3)
    ]
    assert all(float(row["q0.1"]) <= float(row["mean"]) <= float(row["q0.9"]) for row in rows)
    truth = hours(523)[520:]
    assert np.abs([float(row["mean"]) for row in rows[:3]] - truth).max() < 12
    said = capsys.readouterr().err
    assert code == 1
    assert "3 by seasonal (season 24 steps)" in said
    assert "shop.csv:1562: series broken: y 'five' is not a number" in said


def test_json_tells_what_the_forecast_is_made_of(data: Path) -> None:
    document = json.loads(_run(data, output="json")[1])
    first = document["series"][0]
    assert (first["unique_id"], first["engine"], first["model"], len(first["q0.9"])) == ("cart", "seasonal", "blend", 3)
    assert sum(first["weights"].values()) == pytest.approx(1)
    assert first["backtest"]["mae"] > 0
    assert document["refused"][0]["reason"] == "y 'five' is not a number"


def test_a_table_lines_up(data: Path) -> None:
    lines = _run(data, output="table")[1].splitlines()
    assert lines[0].split() == ["unique_id", "ds", "mean", "q0.1", "q0.9"]
    assert len({len(line) for line in lines}) == 1


def test_two_processes_give_the_same_bytes(data: Path) -> None:
    assert _run(data, workers=2) == _run(data, workers=1)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"horizon": 0}, "--horizon 0: expected 1 to 5000 steps"),
        ({"horizon": 10**9}, "expected 1 to 5000 steps"),
        ({"quantiles": "0.5,1"}, "each must lie between 0 and 1"),
        ({"quantiles": "half"}, "expected numbers between commas"),
        ({"output": "xml"}, "expected one of csv, json, table"),
    ],
)
def test_an_option_that_cannot_be_meant_is_told(
    data: Path, options: dict[str, object], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(data, **options) == (2, "")  # type: ignore[arg-type]
    assert says in capsys.readouterr().err


def test_a_file_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(tmp_path / "none.csv") == (2, "")
    assert "none.csv: cannot be read" in capsys.readouterr().err


def test_seasons_in_steps_and_durations(data: Path) -> None:
    runner = CliRunner()
    for season in ("24", "1d"):
        result = runner.invoke(
            app, ["forecast", "--data", str(data), "--horizon", "2", "--season", season, "-o", "csv"]
        )
        assert len(result.stdout.splitlines()) == 1 + 3 * 2
    wrong = runner.invoke(app, ["forecast", "--data", str(data), "--horizon", "2", "--season", "soon"])
    assert wrong.exit_code == 2
    assert "--season soon" in wrong.stderr


def test_what_a_lost_worker_leaves_undone_is_done_here(capsys: pytest.CaptureFixture[str]) -> None:
    with ProcessPoolExecutor(1, mp_context=fork_server()) as pool:
        assert list(_pooled(pool, partial(_end_once, os.getpid()), [1, 2, 3])) == [1, 2, 3]
    assert "3 chunks run in this one" in capsys.readouterr().err


def _end_once(keep: int, task: int) -> int:
    if os.getpid() != keep:
        os._exit(9)
    return task


def test_help_does_not_import_numpy() -> None:
    probe = "import sys, app.cli; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0
