"""Every challenger keeps the protocol; an ONNX file that breaks its contract is told by name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from domain.errors import FitFailedError, HistoryTooShortError
from forecaster.challenge import Challenges, judge
from forecaster.challengers import Candidate
from forecaster.challengers.onnx_model import OnnxModel
from forecaster.challengers.statistical import Statistical
from tests.app.world import forecast, rule_set
from tests.fakes.clock import ManualClock
from tests.fakes.executors import InlineExecutor
from tests.forecaster.synthetic import SEASON_LENGTH, curve, noise, request

LEVELS = (0.05, 0.5, 0.95)


def days(count: int = 8, seed: int = 0) -> np.ndarray:
    return curve(count * SEASON_LENGTH) + 5 * noise(count * SEASON_LENGTH, seed)


def yesterday(path: Path, *, context: Any = "L", levels: str = "0.1,0.5,0.9", output: str = "quantiles") -> Path:
    """A real model: the values of the last season, and 10 less and more."""
    starts, ends = (numpy_helper.from_array(np.array(values), name) for name, values in
                    (("starts", [-SEASON_LENGTH]), ("ends", [2**31])))  # fmt: skip
    axes = numpy_helper.from_array(np.array([1]), "axes")
    last = numpy_helper.from_array(np.array([2]), "last")
    offsets = numpy_helper.from_array(np.array([[[-10, 0, 10]]], dtype=np.float32), "offsets")
    nodes = [
        helper.make_node("Slice", ["context", "starts", "ends", "axes"], ["season"]),
        helper.make_node("Unsqueeze", ["season", "last"], ["column"]),
        helper.make_node("Add", ["column", "offsets"], [output]),
    ]
    graph = helper.make_graph(
        nodes, "yesterday",
        [helper.make_tensor_value_info("context", TensorProto.FLOAT, ["N", context])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", "H", 3])],
        [starts, ends, axes, last, offsets],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, {"foretide.levels": levels})
    onnx.save(model, path)
    return path


def asked(candidate: Candidate, histories: Sequence[np.ndarray], horizon: int = 24) -> np.ndarray:
    return candidate.quantiles(histories, season_length=SEASON_LENGTH, horizon=horizon, levels=LEVELS)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["statsforecast", "onnx"])
def test_every_challenger_answers_quantiles_near_the_truth(kind: str, tmp_path: Path) -> None:
    candidates: dict[str, Candidate] = {
        "statsforecast": Statistical(), "onnx": OnnxModel(yesterday(tmp_path / "a.onnx"))
    }  # fmt: skip
    horizon = 24
    made = asked(candidates[kind], [days(), days(7, seed=1)], horizon)
    assert candidates[kind].name == kind
    assert made.shape == (2, horizon, 3)
    assert (np.diff(made, axis=2) >= 0).all()
    assert np.abs(made[..., 1] - curve(horizon)).mean() < 25


def test_levels_between_the_models_are_interpolated_and_beyond_them_its_outermost_serve(tmp_path: Path) -> None:
    made = OnnxModel(yesterday(tmp_path / "a.onnx")).quantiles(
        [days()], season_length=SEASON_LENGTH, horizon=5, levels=(0.05, 0.3, 0.5, 0.95)
    )
    last = days()[-SEASON_LENGTH:][:5, None]
    assert np.allclose(made[0] - last, [-10, -5, 0, 10], atol=1e-3)


def test_a_longer_horizon_is_reached_by_rolling_the_median(tmp_path: Path) -> None:
    made = asked(OnnxModel(yesterday(tmp_path / "a.onnx")), [days()], 2 * SEASON_LENGTH + 5)
    assert np.allclose(made[0, SEASON_LENGTH : 2 * SEASON_LENGTH, 1], made[0, :SEASON_LENGTH, 1])


def test_what_breaks_the_contract_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    for path, says in (
        (tmp_path / "none.onnx", "there is no such file"),
        (broken, "not an ONNX model that can be loaded"),
        (yesterday(tmp_path / "levels.onnx", levels="0.9,0.5"), "expected rising levels"),
        (yesterday(tmp_path / "words.onnx", levels="low,high"), "expected numbers between commas"),
        (yesterday(tmp_path / "two.onnx", levels="0.1,0.5"), r"have the shape \[1, 96, 3\]; expected \[1, H, 2\]"),
        (yesterday(tmp_path / "output.onnx", output="answer"), "outputs are answer; expected quantiles"),
        (yesterday(tmp_path / "long.onnx", context=5000), "takes 5000 steps of history, there are 768"),
    ):
        with pytest.raises(FitFailedError, match=says):
            asked(OnnxModel(path), [days()])
    with pytest.raises(FitFailedError, match="more than 8 times"):
        asked(OnnxModel(yesterday(tmp_path / "short.onnx")), [days()], 9 * SEASON_LENGTH)


def test_a_challenge_holds_both_against_the_same_truth(tmp_path: Path) -> None:
    found = judge(request(days(8)), "seasonal_naive", OnnxModel(yesterday(tmp_path / "a.onnx")))
    assert (found.name, found.served_model, found.origins, found.error) == ("onnx", "seasonal_naive", 4, "")
    assert found.wape is not None
    assert found.served_wape is not None
    assert 0.01 < found.served_wape < found.wape < 0.08
    assert found.coverage_95 is not None
    assert found.coverage_95 > 0.85


def test_a_challenger_that_cannot_answer_is_told_beside_the_served_model() -> None:
    found = judge(request(days(8)), "naive", OnnxModel(Path("none.onnx")))
    assert (found.wape, found.error) == (None, "none.onnx: there is no such file")
    assert found.served_wape is not None
    with pytest.raises(HistoryTooShortError):
        judge(request(days(2)), "naive", OnnxModel(Path("none.onnx")))


def test_a_signal_is_challenged_once_a_day(tmp_path: Path, clock: ManualClock) -> None:
    reads: list[str] = []

    def history(expr: str, start: Any, end: Any, step: timedelta, *, source: str | None) -> tuple[np.ndarray, bool]:
        reads.append(expr)
        return 100 + 50 * np.sin(2 * np.pi * np.arange((end - start) // step + 1) / 288), False

    rules = rule_set(tmp_path)
    challenges = Challenges(
        candidates=[OnnxModel(yesterday(tmp_path / "a.onnx"))], named=(), rules=lambda: rules,
        latest={"demo/shop/soon": forecast(made_at=clock.now())}.get, range_values=history, pool=InlineExecutor(),
    )  # fmt: skip
    challenges.tick(clock.now())
    challenges.tick(clock.advance(timedelta(hours=23)))
    assert len(reads) == 1
    (found,) = challenges.of("demo/shop/soon")
    assert (found.name, found.served_model, found.error) == ("onnx", "fourier_ar", "")
    challenges.tick(clock.advance(timedelta(hours=2)))
    assert len(reads) == 2


def test_only_named_signals_are_challenged_where_some_are(tmp_path: Path, clock: ManualClock) -> None:
    rules = rule_set(tmp_path)
    challenges = Challenges(
        candidates=[OnnxModel(Path("none.onnx"))], named=("demo/shop/other",), rules=lambda: rules,
        latest={"demo/shop/soon": forecast(made_at=clock.now())}.get, range_values=lambda *_: (np.ones(9), False),
        pool=InlineExecutor(),
    )  # fmt: skip
    challenges.tick(clock.now())
    assert challenges.of("demo/shop/soon") == ()
