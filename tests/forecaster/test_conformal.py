from __future__ import annotations

import numpy as np
import pytest

from forecaster import conformal
from tests.forecaster.synthetic import noise

RANGES = ((1, 1), (2, 4))


def test_many_own_errors_speak_for_themselves() -> None:
    errors = np.stack([noise(4 * 4000, 1), 10 * noise(4 * 4000, 2)]).reshape(2, 4000, 4)
    offsets = conformal.offsets(errors, RANGES, (0.5, 0.95))
    assert offsets.shape == (2, 2, 2)
    assert offsets[0, :, 1] == pytest.approx([1.645, 1.645], abs=0.15)
    assert offsets[1, :, 1] == pytest.approx([16.45, 16.45], abs=1.5)


def test_few_own_errors_lean_on_the_batch() -> None:
    many = noise(40 * 4 * 100, 3).reshape(40, 100, 4)
    many[0, 1:] = np.nan  # one origin: the largest of three errors is no 0.95 quantile
    alone = conformal.offsets(many[:1], RANGES, (0.95,))[0, 1, 0]
    together = conformal.offsets(many, RANGES, (0.95,))[0, 1, 0]
    size = np.abs(many[0, 0, 1:]).mean()
    assert alone <= np.nanmax(many[0, :, 1:])
    assert abs(together / size - 1.645 * np.sqrt(np.pi / 2)) < abs(alone / size - 1.645 * np.sqrt(np.pi / 2))


def test_a_series_without_errors_gets_no_band_of_its_own() -> None:
    errors = noise(2 * 10 * 4).reshape(2, 10, 4)
    errors[1] = np.nan
    assert not conformal.offsets(errors, RANGES, (0.05, 0.95))[1].any()


def test_offsets_are_spread_over_their_steps() -> None:
    by_range = np.array([[[1.0], [2.0]]])
    assert conformal.spread_out(by_range, RANGES, 4)[0, :, 0].tolist() == [1, 2, 2, 2]
    assert conformal.spread_out(by_range, RANGES, 1)[0, :, 0].tolist() == [1]
    assert conformal.spread_out(by_range, RANGES, 3)[0, :, 0].tolist() == [1, 2, 2]
