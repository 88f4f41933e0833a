from __future__ import annotations

import numpy as np
import pytest

from forecaster import stamps


@pytest.mark.parametrize(
    "text", ["2026-01-31T12:00:00Z", "2026-01-31 12:00:00", "2026-01-31T13:00:00+01:00", "2026-01-31T12:00:00.000Z"]
)
def test_rfc3339_in_its_spellings(text: str) -> None:
    assert stamps.style_of(text) == "rfc3339"
    assert stamps.seconds(text, "rfc3339") == 1769860800


def test_what_is_written_reads_back() -> None:
    for style in ("epoch", "rfc3339"):
        written = stamps.written(1769860800, 300, 2, style)
        assert [stamps.seconds(text, style) for text in written] == [1769861100, 1769861400]
    assert stamps.written(0, 3600, 3, "step") == ["1", "2", "3"]
    assert stamps.written(1769860800, 0.5, 1, "rfc3339") == ["2026-01-31T12:00:00.500Z"]


@pytest.mark.parametrize(
    ("text", "style", "says"),
    [("1700000000000", "epoch", "milliseconds"), ("nan", "epoch", "9999"),
     ("2026-01-01", "epoch", "as the stamps before"),
     ("1700000000", "rfc3339", "RFC 3339"), ("yesterday", "rfc3339", "RFC 3339")],
)  # fmt: skip
def test_what_is_no_stamp_says_why(text: str, style: stamps.Style, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        stamps.seconds(text, style)


def test_a_gap_is_no_change_of_frequency_but_another_rhythm_is() -> None:
    regular = np.arange(50) * 300.0
    gap = np.concatenate([regular, 90_000 + regular])
    assert stamps.last_change(gap, 300, run=5) == 0
    hourly_then_fine = np.concatenate([np.arange(20) * 3600.0, 20 * 3600 + regular])
    assert stamps.regular_step(hourly_then_fine) == 300
    assert stamps.last_change(hourly_then_fine, 300, run=5) == 20


def test_jitter_is_no_change_of_frequency() -> None:
    shaken = np.arange(200) * 15.0 + np.random.default_rng(0).uniform(-1, 1, 200)
    assert stamps.last_change(shaken, stamps.regular_step(shaken), run=5) == 0
