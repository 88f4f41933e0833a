"""A model of the operator's own, as an ONNX file: the slot for foundation models whose weights are at hand.

Contract of the file: input ``context`` float32[N, L] with raw values, oldest first; output ``quantiles`` float32[N, H,
Q]; metadata ``foretide.levels`` with the Q levels between commas. L and H may be fixed or free. Needs the extra
``onnx`` (onnxruntime, on the CPU, one thread).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from domain.errors import FitFailedError
from domain.series import FloatArray

LEVELS: Final = "foretide.levels"
LONGEST_CONTEXT: Final = 4_096
"""Of a model that takes any length."""
MOST_ROLLS: Final = 8
"""A horizon beyond the model's own is reached by feeding its median back; after eight times it answers itself."""


@dataclass(frozen=True, slots=True)
class OnnxModel:
    """The challenger.

    Attributes:
        path: The file; read anew in each process.
    """

    path: Path
    name: str = "onnx"

    def quantiles(
        self, histories: Sequence[FloatArray], *, season_length: int, horizon: int, levels: Sequence[float]
    ) -> FloatArray:
        """As ``Candidate.quantiles``; levels between the model's are interpolated, beyond them its outermost serve."""
        session = _opened(self.path)
        own = _own_levels(session, self.path)
        context = _context(session, self.path, histories)
        rolled = _rolled(session, self.path, context, horizon, own)
        asked = [[np.interp(levels, own, row) for row in path] for path in np.sort(rolled, axis=-1)]
        return np.asarray(asked, dtype=np.float64)


def _opened(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise FitFailedError("an ONNX model needs the extra: pip install 'foretide[onnx]'") from error
    if not path.is_file():
        raise FitFailedError(f"{path}: there is no such file")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's errors have no base of their own
        raise FitFailedError(f"{path}: not an ONNX model that can be loaded: {error}") from error


def _own_levels(session: Any, path: Path) -> list[float]:
    text = session.get_modelmeta().custom_metadata_map.get(LEVELS, "")
    try:
        levels = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise FitFailedError(f"{path}: metadata {LEVELS} is {text!r}; expected numbers between commas") from error
    if levels != sorted(set(levels)) or not all(0 < level < 1 for level in levels) or 0.5 not in levels:
        raise FitFailedError(f"{path}: metadata {LEVELS} is {text!r}; expected rising levels in (0, 1), 0.5 among them")
    return levels


def _context(session: Any, path: Path, histories: Sequence[FloatArray]) -> FloatArray:
    """The newest values of each, as many as all have and the model takes, shape ``(histories, L)``."""
    inputs = {one.name: one for one in session.get_inputs()}
    if set(inputs) != {"context"} or len(inputs["context"].shape) != 2 or inputs["context"].type != "tensor(float)":
        told = ", ".join(f"{one.name} {one.type}{one.shape}" for one in session.get_inputs())
        raise FitFailedError(f"{path}: inputs are {told}; expected context tensor(float)[N, L]")
    fixed = inputs["context"].shape[1]
    shortest = min(len(values) for values in histories)
    size = fixed if isinstance(fixed, int) else min(shortest, LONGEST_CONTEXT)
    if shortest < size:
        raise FitFailedError(f"{path}: takes {size} steps of history, there are {shortest}")
    return np.stack([values[-size:] for values in histories])


def _rolled(session: Any, path: Path, context: FloatArray, horizon: int, levels: Sequence[float]) -> FloatArray:
    """Its quantiles, as often as the horizon needs them; each time its median becomes history."""
    middle, made, known = list(levels).index(0.5), [], context
    for _ in range(MOST_ROLLS):
        path_ahead = _answered(session, path, known, len(levels))
        made.append(path_ahead)
        if sum(part.shape[1] for part in made) >= horizon:
            return np.concatenate(made, axis=1)[:, :horizon]
        known = np.concatenate([known, path_ahead[..., middle]], axis=1)[:, -context.shape[1] :]
    own = made[0].shape[1]
    raise FitFailedError(f"{path}: forecasts {own} steps; {horizon} are more than {MOST_ROLLS} times that")


def _answered(session: Any, path: Path, context: FloatArray, levels: int) -> FloatArray:
    names = [one.name for one in session.get_outputs()]
    if "quantiles" not in names:
        raise FitFailedError(f"{path}: outputs are {', '.join(names)}; expected quantiles")
    try:
        (answer,) = session.run(["quantiles"], {"context": context.astype(np.float32)})
    except Exception as error:  # the runtime's errors have no base of their own
        raise FitFailedError(f"{path}: the model failed: {error}") from error
    if answer.ndim != 3 or answer.shape[0] != len(context) or answer.shape[1] < 1 or answer.shape[2] != levels:
        expected = f"[{len(context)}, H, {levels}]"
        raise FitFailedError(f"{path}: quantiles have the shape {list(answer.shape)}; expected {expected}")
    if not np.isfinite(answer).all():
        raise FitFailedError(f"{path}: quantiles are not finite")
    return np.asarray(answer, dtype=np.float64)
