"""The members that compete for one signal: what they said at earlier origins, and what is kept of those served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final, NamedTuple

import numpy as np

from domain.series import FloatArray
from forecaster import accuracy, cold_start, combine, ensemble
from forecaster.backtest import Replay
from forecaster.calibrate import calibrate, crossed_band, walk_of
from forecaster.combine import Part
from forecaster.history import History
from forecaster.models import COMPETING, FINE, FITTED, Paths
from forecaster.serving import Banded, ColdStart, Combined, Median

FINE_STEP: Final = timedelta(minutes=1)
"""Up to it the mean of the last five steps takes part: counts by the minute are mostly noise."""
ENGINE: Final = ("quantile_ridge", "waves", "naive")
"""Of the default median where the engine can be fitted."""
YOUNG: Final = (cold_start.MEMBER, "fourier_ar", "naive")
"""Before that: what was learned elsewhere, what the clock says and what is now."""
SHORT_SEASON: Final = tuple(COMPETING)
"""Below 24 steps per season."""


class Competition(NamedTuple):
    """Members' quantiles at the replay's origins by name, ``median`` apart, and what was chosen of them."""

    members: Mapping[str, FloatArray]
    parts: tuple[Part, ...]
    usual: tuple[str, ...]

    @property
    def served(self) -> FloatArray:
        """Quantiles of what is served, shape ``(origins, horizon, levels)``."""
        return combine.mixed(self.parts, self.members)

    @property
    def name(self) -> str:
        """Of the one model that is served everywhere; else ``median`` or ``weighted``, where any part has weights."""
        if len({part.members for part in self.parts}) == 1 and len(self.parts[0].members) == 1:
            return self.parts[0].members[0]
        return "median" if all(part.members == self.usual and not part.weights for part in self.parts) else "weighted"


def point_models(step: timedelta) -> Mapping[str, Paths]:
    """Those of the replay."""
    return FINE if step <= FINE_STEP else COMPETING


def compete(history: History, past: Replay, horizon: int, levels: tuple[float, ...]) -> Competition:
    """Choose a combination for each stretch of the horizon."""
    members = {name: _floored(crossed_band(past, name, levels), history) for name in past.points}
    usual: tuple[str, ...] = SHORT_SEASON
    if ensemble.suits(history, past.origins, horizon):
        members |= ensemble.replayed(history, past.origins, horizon, levels)
        usual = ENGINE
    elif history.season_length >= cold_start.SHORTEST_SEASON:
        members[cold_start.MEMBER] = cold_start.replayed(
            history.values, past.origins, season_length=history.season_length, horizon=horizon, levels=levels
        )
        usual = YOUNG
    members.pop(ensemble.NAME, None)
    usual = tuple(name for name in usual if name in members)
    ends = [band.steps for band in accuracy.bands(horizon, history.step)]
    replayed = combine.Replayed(origins=past.origins, actuals=past.actuals, members=members, levels=levels)
    return Competition(members, combine.choose(replayed, ends, usual, season_length=history.season_length), usual)


def kept(
    found: Competition, history: History, past: Replay, horizon: int, levels: tuple[float, ...]
) -> Banded | Combined | Median:
    """The chosen members, fitted on the whole history; a point model that is chosen throughout stays one."""
    if found.name in FINE:
        return banded(found.name, history, past, levels)
    names = {name for part in found.parts for name in part.members}
    from_engine = names & set(ENGINE) if found.usual == ENGINE else set()
    state = ensemble.fit(history, horizon, levels) if from_engine else None
    if state is not None:
        state.trim()
        if found.name == ensemble.NAME:
            return Median(state=state)
    return Combined(
        parts=found.parts, levels=levels, state=state,
        banded={name: banded(name, history, past, levels) for name in sorted(names - from_engine) if name in FINE},
        shipped=ColdStart() if cold_start.MEMBER in names else None,
    )  # fmt: skip


def banded(name: str, history: History, past: Replay, levels: Sequence[float]) -> Banded:
    """A point model in the band of its own errors."""
    calibration = calibrate(past.actuals, past.points[name], levels, walk=walk_of(past, name))
    point = FITTED[name](history.values, history.season_length) if name in FITTED else name
    return Banded(point=point, calibration=calibration)


def _floored(values: FloatArray, history: History) -> FloatArray:
    return values if history.lowest is None else np.maximum(values, history.lowest)
