"""Collects Prometheus' warnings and infos while a query runs."""

from __future__ import annotations

import numpy as np

from domain.series import FloatArray
from store.promql.numerals import general
from store.promql.results import Notes

_COUNTER_ENDINGS = ("_total", "_sum", "_count", "_bucket")


class Notebook:
    """Each note once, in the order of finding."""

    def __init__(self) -> None:
        """Start empty."""
        self._warnings: dict[str, None] = {}
        self._infos: dict[str, None] = {}

    def warn(self, text: str, place: str) -> None:
        """The answer may not be what was meant."""
        self._warnings[_placed(f"PromQL warning: {text}", place)] = None

    def inform(self, text: str, place: str) -> None:
        """The answer is right, the question may not be."""
        self._infos[_placed(f"PromQL info: {text}", place)] = None

    def check_quantile(self, level: FloatArray, place: str) -> None:
        """Warn of levels outside [0, 1]."""
        for wrong in np.unique(level[~((level >= 0) & (level <= 1))]):
            self.warn(f"quantile value should be between 0 and 1, got {general(float(wrong))}", place)

    def check_ratio(self, ratio: FloatArray, place: str) -> None:
        """Warn of ratios outside [−1, 1]."""
        for wrong in np.unique(ratio[np.abs(ratio) > 1]):
            got, capped = general(float(wrong)), 1 if wrong > 0 else -1
            self.warn(f"ratio value should be between -1 and 1, got {got}, capping to {capped}", place)

    def check_counter(self, metric_name: str, place: str) -> None:
        """Inform of a rate over what is named like a gauge."""
        if metric_name and not metric_name.endswith(_COUNTER_ENDINGS):
            self.inform(
                "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "
                f'"{metric_name}"',
                place,
            )  # fmt: skip

    def notes(self) -> Notes:
        """What was found so far."""
        return Notes(warnings=tuple(self._warnings), infos=tuple(self._infos))


def _placed(text: str, place: str) -> str:
    return f"{text} ({place})" if place else text
