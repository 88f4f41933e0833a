"""Whether a replay is to be believed: what ran, replayed, must come to the replicas and misses that were recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from controller.simulate.loop import FloatArray

THRESHOLD: Final = 0.9
"""Of the ticks within one replica or 5 %. A choice: one in ten leaves room for deploys and hands at night."""
LEAST_MINUTES: Final = 60.0
LEAST_SHARE: Final = 0.1
"""With fewer recorded replicas than an hour, or than a tenth of the time, nothing is compared."""
WITHIN_REPLICAS: Final = 1.0
WITHIN_RATIO: Final = 0.05
MISSED_RATIO: Final = 0.5
MISSED_PCT: Final = 0.2
"""Missed minutes agree where one is at least half of the other, or they lie within 0.2 % of the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """How well the present controller, replayed, came to what was recorded.

    Attributes:
        compared: Ticks with a recorded number of replicas.
        within: Share of them within one replica or 5 %; None where none, or too few, were recorded.
        mean_difference: Replayed minus recorded replicas, on average.
        recorded_violated_minutes: None where nobody recorded it.
        replayed_violated_minutes: Over the same ticks; over all where nothing was recorded.
        violated_compared: Minutes for which it is known whether the objective was missed.
        threshold: The least share that is credible.
    """

    compared: int
    within: float | None
    mean_difference: float
    recorded_violated_minutes: float | None
    replayed_violated_minutes: float
    violated_compared: float
    threshold: float = THRESHOLD

    @property
    def is_proven(self) -> bool:
        """Whether there was anything to compare with."""
        return self.within is not None

    @property
    def misses_agree(self) -> bool:
        """Whether replay and reality missed the objective about as often; true where nobody knows."""
        recorded, replayed = self.recorded_violated_minutes, self.replayed_violated_minutes
        if recorded is None:
            return True
        near = 100 * abs(recorded - replayed) <= MISSED_PCT * self.violated_compared
        return near or MISSED_RATIO * max(recorded, replayed) <= min(recorded, replayed)

    @property
    def is_credible(self) -> bool:
        """Whether a verdict may stand on the replay."""
        return self.within is not None and self.within >= self.threshold and self.misses_agree


def measure(
    recorded: FloatArray | None,
    replayed: NDArray[np.int64],
    *,
    tick_seconds: float,
    replayed_late: NDArray[np.int64],
    recorded_late: FloatArray | None = None,
    threshold: float = THRESHOLD,
) -> Fidelity:
    """Compare tick by tick.

    Args:
        recorded: Replicas as they were at each tick, NaN where nobody knows; None: nothing was recorded.
        replayed: Replicas as the replay's decisions saw them.
        tick_seconds: Length of a tick.
        replayed_late: 1 where the replay missed the objective.
        recorded_late: 1 where reality did, 0 where not, NaN where nobody knows.
        threshold: The least share that is credible.
    """
    minutes = tick_seconds / 60
    within, difference, compared = None, 0.0, 0
    if recorded is not None and np.isfinite(recorded).any():
        known = np.isfinite(recorded)
        apart = replayed[known] - recorded[known]
        allowed = np.maximum(WITHIN_REPLICAS, WITHIN_RATIO * recorded[known]) + 1e-9
        compared, difference = int(known.sum()), float(apart.mean())
        if compared * minutes >= LEAST_MINUTES and compared >= LEAST_SHARE * len(recorded):
            within = float((np.abs(apart) <= allowed).mean())
    seen = np.ones(len(replayed), dtype=bool) if recorded_late is None else np.isfinite(recorded_late)
    missed = None if recorded_late is None or not seen.any() else float(recorded_late[seen].sum()) * minutes
    return Fidelity(
        compared=compared, within=within, mean_difference=difference, recorded_violated_minutes=missed,
        replayed_violated_minutes=float(replayed_late[seen].sum()) * minutes,
        violated_compared=float(seen.sum()) * minutes if missed is not None else 0.0, threshold=threshold,
    )  # fmt: skip
