"""Which members' forecasts become the one that is served, for each stretch of the horizon, and by what right.

The default is the median of a few members, quantile by quantile. A mean weighted by the inverse square of the members'
losses, without those that lose clearly, has to prove itself on the history: each block of origins is judged with what
the others taught. Where not even that beats the last value held, that is served.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.series import FloatArray, IntArray

BoolArray = NDArray[np.bool_]

NAIVE: Final = "naive"
BLOCKS: Final = 4
"""Blocks of origins that are left out in turn; with 8 the recorded workloads score the same within 0.2 %."""
INDEPENDENT: Final = 4
"""Horizons that the origins must span: forecasts made less than a horizon apart err together. With three, weights cost
2 % of WQL a day ahead."""
WORTH: Final = 0.98
"""Weights are taken where they lose 2 % less than the median on the blocks that they had not seen."""
FAR: Final = 0.25
"""Of a season: beyond it forecasts rest on what time it is and not on what is now."""
WEEK: Final = 7
CLEARLY: Final = 0.5
"""Where the origins span less, nothing is independent, and weights have to halve the loss: a clean season is seen at
once, chance does not often halve."""
DROPPED: Final = 1.5
"""A member that loses more than so many times the best one's loss has no weight."""
POWER: Final = 2.0
FADE: Final = 0.5
"""Half width, in log₂ steps, of the stretch in which one combination passes into the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The combination of one stretch of the horizon, which begins where the one before ends.

    Attributes:
        steps: Its last step.
        members: Names.
        weights: Of each, they sum to 1; empty for the median.
    """

    steps: int
    members: tuple[str, ...]
    weights: tuple[float, ...] = ()

    def of(self, members: Mapping[str, FloatArray]) -> FloatArray:
        """Combined quantiles, of the members' shape ``(…, levels)``, never crossing where theirs do not."""
        if len(self.members) == 1:
            return members[self.members[0]]
        stacked = [members[name] for name in self.members]
        if not self.weights:
            return np.asarray(np.median(np.stack(stacked), axis=0), dtype=np.float64)
        return np.asarray(sum(w * one for w, one in zip(self.weights, stacked, strict=True)), dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What the members said at earlier origins.

    Attributes:
        origins: Number of steps known at each, rising, shape ``(n,)``.
        actuals: What came, shape ``(n, horizon)``; NaN where unknown.
        members: Quantiles by name, shape ``(n, horizon, levels)``; ``naive`` is among them.
        levels: Rising.
    """

    origins: IntArray
    actuals: FloatArray
    members: Mapping[str, FloatArray]
    levels: tuple[float, ...]


def choose(past: Replayed, ends: Sequence[int], usual: Sequence[str], *, season_length: int) -> tuple[Part, ...]:
    """The combination of each stretch.

    Args:
        past: What the members said.
        ends: Last step of each stretch, rising; the last is the horizon.
        usual: Members of the default median.
        season_length: Steps per season.
    """
    starts = [0, *ends[:-1]]
    return tuple(
        _part(past, first, end, tuple(usual), few=_few(past.origins, end, season_length))
        for first, end in zip(starts, ends, strict=True)
    )


def mixed(parts: Sequence[Part], members: Mapping[str, FloatArray]) -> FloatArray:
    """The members' quantiles, shape ``(…, horizon, levels)``, as one; near the end of a stretch two parts mix.

    Without that a step could jump by all that two members are apart.
    """
    made = parts[0].of(members)
    ahead = np.log2(np.arange(1, made.shape[-2] + 1))[:, None]
    for before, part in zip(parts, parts[1:], strict=False):
        if (before.members, before.weights) != (part.members, part.weights):
            late = np.clip((ahead - np.log2(before.steps)) / (2 * FADE) + 0.5, 0.0, 1.0)
            made = (1 - late) * made + late * part.of(members)
    return made


def blocks(count: int) -> list[IntArray]:
    """Positions of the origins that are left out together."""
    return [block for block in np.array_split(np.arange(count), BLOCKS) if len(block)]


def apart(origins: IntArray, block: IntArray, ahead: IntArray | int) -> BoolArray:
    """Which origins are at least ``ahead`` steps from a block: what came of theirs says nothing of the block's."""
    first, last = origins[block[0]], origins[block[-1]]
    far: BoolArray = (origins <= first - ahead) | (origins >= last + ahead)
    return far


def _few(origins: IntArray, end: int, season_length: int) -> bool:
    """Whether too little was judged for a stretch: few independent forecasts, or far ahead less than seven seasons.

    Otherwise six working days would choose a member that knows no Sunday.
    """
    span = int(origins[-1] - origins[0])
    return span < INDEPENDENT * end or (end > FAR * season_length and span + end < WEEK * season_length)


def _part(past: Replayed, first: int, end: int, usual: tuple[str, ...], *, few: bool) -> Part:
    default = Part(steps=end, members=usual)
    distance, worth = (0, CLEARLY) if few else (end, WORTH)
    here = {name: made[:, first:end] for name, made in past.members.items()}
    actuals = past.actuals[:, first:end]
    losses = {name: _loss(actuals, made, past.levels) for name, made in here.items()}
    judged = np.zeros(3)
    for block in blocks(len(past.origins)):
        taught = _weighted(end, losses, apart(past.origins, block, distance))
        if taught is not None:
            rivals = [default, taught, Part(steps=end, members=(NAIVE,))]
            only = {name: made[block] for name, made in here.items()}
            judged += [np.nansum(_loss(actuals[block], part.of(only), past.levels)) for part in rivals]
    weighted = _weighted(end, losses, np.ones(len(past.origins), dtype=np.bool_))
    if weighted is None or not judged.any():
        return default
    found, loss = (weighted, judged[1]) if judged[1] < worth * judged[0] else (default, judged[0])
    return Part(steps=end, members=(NAIVE,)) if not few and loss > judged[2] else found


def _weighted(end: int, losses: Mapping[str, FloatArray], at: BoolArray) -> Part | None:
    """Weights from the losses at some origins; None where nothing is known of them."""
    sums = {name: float(np.nansum(loss[at])) for name, loss in losses.items()}
    if np.isnan(losses[NAIVE][at]).all():
        return None
    best = min(sums.values())
    kept = {name: loss for name, loss in sums.items() if loss <= DROPPED * best}
    raw = np.array([(best / loss) ** POWER if loss > 0 else 1.0 for loss in kept.values()])
    return Part(steps=end, members=tuple(kept), weights=tuple((raw / raw.sum()).tolist()))


def _loss(actuals: FloatArray, quantiles: FloatArray, levels: Sequence[float]) -> FloatArray:
    """Pinball loss of each origin, summed over steps and levels; NaN where nothing is known."""
    above = actuals[..., None] - quantiles
    loss = np.maximum(above * np.asarray(levels), above * (np.asarray(levels) - 1)).sum(axis=-1)
    known = ~np.isnan(actuals)
    return np.where(known.any(axis=1), np.where(known, loss, 0.0).sum(axis=1), np.nan)
