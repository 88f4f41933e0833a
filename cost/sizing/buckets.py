"""Buckets of a usage histogram as the vertical-pod-autoscaler has them: of equal width, or each wider by a ratio."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Buckets:
    """Where buckets begin.

    Attributes:
        first: Width of the first.
        ratio: Of each width to the one before; 1 is equal widths.
        count: How many; the last has no end.
        epsilon: A bucket that weighs less counts as empty.

    Source:
        kubernetes/autoscaler, vertical-pod-autoscaler, recommender/util/histogram_options.go.
    """

    first: float
    ratio: float
    count: int
    epsilon: float

    def start(self, bucket: int) -> float:
        """Where a bucket begins.

        Raises:
            IndexError: There is no such bucket.
        """
        if not 0 <= bucket < self.count:
            raise IndexError(f"bucket {bucket} of {self.count}")
        if self.ratio == 1.0:
            return bucket * self.first
        return self.first * (math.pow(self.ratio, bucket) - 1.0) / (self.ratio - 1.0)

    def find(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """The bucket of each value; what is too small or too large falls into the first or the last."""
        positive = np.maximum(values, 0.0)
        if self.ratio == 1.0:
            found = positive / self.first
        else:
            found = np.log(positive * (self.ratio - 1.0) / self.first + 1.0) / math.log(self.ratio)
            # By the formula a value just below `first` may round into the second bucket.
            found = np.where(positive < self.first, 0.0, found)
        return np.minimum(found, self.count - 1).astype(np.int64)


def linear(most: float, width: float, epsilon: float) -> Buckets:
    """Equal widths up to ``most``, and one bucket for what is beyond."""
    return Buckets(first=width, ratio=1.0, count=math.ceil(most / width) + 1, epsilon=epsilon)


def exponential(most: float, first: float, ratio: float, epsilon: float) -> Buckets:
    """Widths that grow by ``ratio`` up to ``most``, and one bucket for what is beyond."""
    count = math.ceil(math.log(most * (ratio - 1.0) / first + 1.0) / math.log(ratio)) + 1
    return Buckets(first=first, ratio=ratio, count=count, epsilon=epsilon)
