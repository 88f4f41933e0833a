"""The elasticity benchmark on generated workloads: nothing from the future, every row, no name looked at."""

import csv
from pathlib import Path

import numpy as np
import pytest

from benchmarks import elasticity, elasticity_traces
from benchmarks import elasticity_play as play
from benchmarks.elasticity_traces import Workload
from controller.simulate import replay
from tests.controller.simulate import worlds

IDS = {
    "score", "wf_cost_vs_hpa", "wf_cost_vs_reactive", "wf_violated_pct", "default_cost_vs_hpa60",
    "default_worst_violated_pct", "slow_cost_vs_hpa", "surge_cost_vs_keda", "events_vs_hpa", "floor_writes_per_day_p95",
    "replay_ms", "replay_model_ms", "replay_plain_s", "variants_1000_s", "decide_2000_s",
}  # fmt: skip


@pytest.mark.parametrize("choose", [elasticity.default, lambda on: elasticity.ours(on)[6]])
def test_a_future_in_another_order_changes_no_earlier_decision(choose) -> None:
    load = worlds.load(7, noise=0.05)
    cut = 5 * 5760 + 777
    other = load.copy()
    np.random.default_rng(3).shuffle(other[cut:])
    decided = []
    for one in (load, other):
        on = play.case(Workload(name="generated", load_rps=one), play.USUAL_START)
        decided.append(replay.replay(on.world, *choose(on)).desired)

    assert (decided[0][:cut] == decided[1][:cut]).all()
    assert (decided[0][cut + 20 :] != decided[1][cut + 20 :]).any()


def write(folder: Path, name: str, values: np.ndarray, period: int, missing: range = range(0)) -> None:
    with (folder / name).open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["timestamp", "value"])
        lines.writerows([k * period, value] for k, value in enumerate(values) if k not in missing)


def test_a_noisy_minute_trace_is_replayed_raw_and_smoothed_and_a_calm_one_once(tmp_path: Path) -> None:
    minutes = np.arange(7 * 1440)
    wave = 60 + 50 * np.sin(2 * np.pi * minutes / 1440)
    write(tmp_path, "a.csv", np.random.default_rng(1).poisson(wave), 60)
    write(tmp_path, "b.csv", 3000 * wave, 60)

    names = [one.name for one in elasticity_traces.workloads(tmp_path, service=play.SERVICE)]

    assert names == ["a raw", "a smoothed", "b"]


def test_short_gaps_are_bridged_and_days_that_are_missing_are_cut_out(tmp_path: Path) -> None:
    write(tmp_path, "hours.csv", np.full(24 * 10, 100.0), 3600, missing=range(100, 124))

    [made] = elasticity_traces.workloads(tmp_path, service=play.SERVICE)

    assert len(made.load_rps) == 9 * 5760


def test_a_folder_without_traces_is_an_error_with_a_sentence(tmp_path: Path, capsys) -> None:
    assert elasticity.main(["--data", str(tmp_path)]) == 1
    assert "no trace" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_row_of_the_issue_is_measured(tmp_path: Path) -> None:
    hours = np.arange(24 * 9)
    write(tmp_path, "generated.csv", 1000 + 900 * np.sin(2 * np.pi * hours / 24), 3600)

    found = {row.metric: row for row in elasticity.measured_rows(tmp_path)}

    assert set(found) >= IDS
    for name, row in found.items():
        assert (row.peer is not None) == ("_vs_" in name)
    assert found["score"].ours > found["score_hpa"].ours
