"""Models from elsewhere that challenge the served one: told beside it, never served.

Each lives in the one file that imports its library, lazily: all are optional, and run in a process that ends with them.
LightGBM is none of them: it learns from many series at once (of one signal it has some 800 rows) and stays a member of
the engine's batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from domain.series import FloatArray


class Candidate(Protocol):
    """What a challenger must be able to say; picklable."""

    @property
    def name(self) -> str:
        """As in the configuration."""
        ...

    def quantiles(
        self, histories: Sequence[FloatArray], *, season_length: int, horizon: int, levels: Sequence[float]
    ) -> FloatArray:
        """Quantiles from the end of each history, shape ``(len(histories), horizon, len(levels))``.

        Args:
            histories: Without gaps, at least two seasons long each.
            season_length: Steps per season, ≥ 2.
            horizon: Steps ahead.
            levels: Rising, 0.5 among them.

        Raises:
            FitFailedError: The extra is not installed, or it cannot answer; the message carries the reason.
        """
        ...
