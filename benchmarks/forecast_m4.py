"""Clean seasonality and daily data: M4 hourly with its last 48 hours held out, and 90 days of three daily series.

``python -m benchmarks.forecast_m4 --data ../shared/data -o json``; ``benchmarks.forecast`` takes the same rows. Both go
the way of ``foretide forecast``: the product is measured, not an engine alone.
"""

from __future__ import annotations

import forecaster.one_thread  # noqa: F401  # isort: skip  # before numpy

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from forecaster.batch import Answer, Ask, forecast_all
from forecaster.panel import PanelSeries, Refusal, read

FloatArray = NDArray[np.float64]

SEASON: Final = 24
AHEAD: Final = 48
DAYS: Final = 90
WEEK: Final = 7
ORIGINS: Final = 8
FIRST_ORIGIN: Final = 0.4
LEVELS: Final = (0.5, 0.9, 0.95)
FOLD_DAYS: Final = 30
BASELINE_FOLDS: Final = 4
BASELINE_BANDS: Final = (0, 7, 14, 28, 56, DAYS)


class NoDataError(Exception):
    """The data folder does not hold what is measured."""


def m4_hourly(data: Path, *, held_out: int = AHEAD) -> dict[str, float]:
    """Hold out the last hours of every M4 series and forecast them.

    Args:
        data: The data folder.
        held_out: Where the forecast begins, hours before the end, ≥ 48.

    Returns:
        ``m4_holdout_owa_vs_snaive`` (OWA by Naive2 on the same rows, ÷ seasonal naive's), ``m4_ms_per_series`` (CPU,
        shared coefficients, members, weights), and beside them ``m4_holdout_smape``, ``m4_holdout_mase``,
        ``m4_holdout_q95_coverage``.
    """
    whole = _series(data / "m4" / "m4_hourly_train.csv.gz")
    known = [_cut(series, len(series.values) - held_out) for series in whole]
    began = time.process_time()
    answers = _answers(known, Ask(horizon=AHEAD, levels=(0.5, 0.95)))
    spent = time.process_time() - began
    came = np.array([s.values[len(s.values) - held_out :][:AHEAD] for s in whole])
    made = {
        "foretide": np.array([answer.mean for answer in answers]),
        "seasonal_naive": np.array([s.values[-SEASON:][np.arange(AHEAD) % SEASON] for s in known]),
        "naive2": np.array([naive2(s.values, AHEAD) for s in known]),
    }
    scale = np.array([np.abs(s.values[SEASON:] - s.values[:-SEASON]).mean() for s in known])
    smape = {name: float(_smape(came, path).mean()) for name, path in made.items()}
    mase = {name: float((np.abs(came - path).mean(axis=1) / scale).mean()) for name, path in made.items()}
    owa = {name: (smape[name] / smape["naive2"] + mase[name] / mase["naive2"]) / 2 for name in made}
    return {
        "m4_holdout_owa_vs_snaive": owa["foretide"] / owa["seasonal_naive"],
        "m4_ms_per_series": 1000 * spent / len(whole),
        "m4_holdout_smape": smape["foretide"],
        "m4_holdout_mase": mase["foretide"],
        "m4_holdout_q95_coverage": float((came <= np.array([answer.values[:, 1] for answer in answers])).mean()),
    }


def daily(data: Path) -> dict[str, float]:
    """Forecast 90 days from eight origins of each daily series.

    Returns:
        ``daily_wql`` (mean pinball loss at 0.5, 0.9 and 0.95 ÷ that of seasonal naive with split-conformal quantiles
        from four past folds; summed over origins, geometric mean over series), ``daily_q95_coverage`` and
        ``daily_ms_per_series``.
    """
    paths = sorted((data / "daily").glob("*.csv"))
    if not paths:
        raise NoDataError(f"{data / 'daily'}: no *.csv")
    ratios, covered, spent, made = [], [], 0.0, 0
    for path in paths:
        (series,) = _series(path)
        losses = np.zeros(2)
        for origin in np.linspace(int(len(series.values) * FIRST_ORIGIN), len(series.values) - DAYS, ORIGINS).astype(
            int
        ):
            came = series.values[origin : origin + DAYS]
            began = time.process_time()
            (answer,) = _answers([_cut(series, origin)], Ask(horizon=DAYS, levels=LEVELS))
            spent, made = spent + time.process_time() - began, made + 1
            losses += [_pinball(came, answer.values), _pinball(came, _baseline(series.values[:origin]))]
            covered.append(float((came <= answer.values[:, -1])[~np.isnan(came)].mean()))
        ratios.append(losses[0] / losses[1])
    return {
        "daily_wql": float(np.exp(np.mean(np.log(ratios)))),
        "daily_q95_coverage": float(np.mean(covered)),
        "daily_ms_per_series": 1000 * spent / made,
    }


def naive2(values: FloatArray, horizon: int) -> FloatArray:
    """M4's Naive2: the last value, seasonally adjusted where the season is significant (90 %).

    Source:
        Makridakis et al., "The M4 Competition": classical multiplicative decomposition, autocorrelation test.
    """
    centred = values - values.mean()
    total = centred @ centred
    if total <= 0:
        return np.full(horizon, values[-1])
    echo = np.array([centred[lag:] @ centred[:-lag] for lag in range(1, SEASON + 1)]) / total
    limit = 1.645 * np.sqrt((1 + 2 * (echo[:-1] ** 2).sum()) / len(values))
    if abs(echo[-1]) <= limit:
        return np.full(horizon, values[-1])
    weights = np.concatenate([[0.5], np.ones(SEASON - 1), [0.5]]) / SEASON
    trend = np.convolve(values, weights, "valid")
    first = SEASON // 2
    ratio, phase = values[first : first + len(trend)] / trend, np.arange(first, first + len(trend)) % SEASON
    shape = np.array([ratio[phase == p].mean() for p in range(SEASON)])
    shape /= shape.mean()
    ahead: FloatArray = (
        values[-1] / shape[(len(values) - 1) % SEASON] * shape[(len(values) + np.arange(horizon)) % SEASON]
    )
    return ahead


def _series(path: Path) -> list[PanelSeries]:
    if not path.is_file():
        raise NoDataError(f"{path}: not there; --data is the folder with m4/ and daily/")
    return [series for series in read(path) if isinstance(series, PanelSeries)]


def _cut(series: PanelSeries, length: int) -> PanelSeries:
    return PanelSeries(
        unique_id=series.unique_id, place=series.place, values=series.values[:length], end_seconds=0.0,
        step_seconds=series.step_seconds, style=series.style,
    )  # fmt: skip


def _answers(known: Sequence[PanelSeries], ask: Ask) -> list[Answer]:
    made = forecast_all(known, ask)
    refused = [str(one) for one in made if isinstance(one, Refusal)]
    if refused:
        raise NoDataError(f"refused: {refused[0]}")
    return [one for one in made if isinstance(one, Answer)]


def _smape(came: FloatArray, made: FloatArray) -> FloatArray:
    size = np.abs(came) + np.abs(made)
    smape: FloatArray = 200 * np.mean(np.abs(came - made) / np.where(size > 0, size, 1.0), axis=1)
    return smape


def _baseline(values: FloatArray) -> FloatArray:
    """Last week repeated, with quantiles of its errors on four past folds; shape ``(DAYS, levels)``."""
    filled = values.copy()
    for at in np.flatnonzero(np.isnan(filled)):
        filled[at] = filled[at - WEEK] if at >= WEEK else np.nanmedian(values)
    repeat = np.arange(DAYS) % WEEK
    ends = [len(filled) - DAYS - FOLD_DAYS * fold for fold in range(BASELINE_FOLDS)]
    errors = np.stack([filled[end : end + DAYS] - filled[end - WEEK : end][repeat] for end in ends])
    made = np.repeat(filled[-WEEK:][repeat][:, None], len(LEVELS), axis=1)
    for first, end in zip(BASELINE_BANDS[:-1], BASELINE_BANDS[1:], strict=True):
        made[first:end] += np.quantile(errors[:, first:end], LEVELS)
    return np.maximum.accumulate(np.maximum(made, 0.0), axis=1)


def _pinball(came: FloatArray, made: FloatArray) -> float:
    short = came[:, None] - made
    return float(np.nanmean(2 * np.maximum(np.array(LEVELS) * short, (np.array(LEVELS) - 1) * short)))


def main() -> int:
    """Print the rows; 2 where the data are missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", choices=("json", "table"), default="table")
    options = parser.parse_args()
    try:
        rows = {**m4_hourly(options.data), **daily(options.data)}
    except NoDataError as error:
        print(f"forecast_m4: {error}", file=sys.stderr)
        return 2
    if options.o == "json":
        print(json.dumps(rows))
    else:
        print("\n".join(f"{name:28} {value:10.4f}" for name, value in rows.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
