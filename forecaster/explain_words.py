"""An explanation in sentences: what a person reads before looking at the lines."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from domain.units import format_duration
from forecaster.explain import Explanation, Season

SMALL_P: Final = 0.05
"""The usual convention, no more."""
FAINT: Final = 0.1
"""An autocorrelation below this explains less than 1 % of the next step, however small its p is."""
_NAMED: Final = {timedelta(hours=1): "hourly", timedelta(days=1): "daily", timedelta(days=7): "weekly"}


def sentences(found: Explanation) -> tuple[str, ...]:
    """What varies, whether the level holds, and whether the model has left anything."""
    return tuple(line for line in (_variation(found), _filled(found), _level(found), _left(found)) if line)


def season_name(length: timedelta) -> str:
    """``daily season``, or its length where it has no name."""
    return f"{_NAMED[length]} season" if length in _NAMED else f"season of {format_duration(length)}"


def _variation(found: Explanation) -> str:
    parts = [(one.share, f"the {season_name(one.length)}") for one in found.seasons]
    parts += [(found.trend_share, "the trend"), (found.remainder_share, "irregular")]
    ranked = [part for part in sorted(parts, key=lambda part: -part[0]) if part[0] >= 0.005]
    told = [f"{100 * share:.0f} % of the variation is {name}" if not i else f"{100 * share:.0f} % {name}"
            for i, (share, name) in enumerate(ranked)]  # fmt: skip
    return f"{', '.join(told)}. {_clearest(found.seasons[0])}"


def _clearest(season: Season) -> str:
    strength = season.strength
    word = "very regular" if strength >= 0.9 else "regular" if strength >= 0.6 else "faint" if strength >= 0.3 else "no"
    subject = season_name(season.length)
    return f"There is no regular {subject}." if word == "no" else f"The {subject} is {word} (strength {strength:.2f})."


def _filled(found: Explanation) -> str:
    return (
        "" if found.measured_share > 0.95 else f"Only {100 * found.measured_share:.0f} % was measured, the rest filled."
    )


def _level(found: Explanation) -> str:
    if found.adf_p is None:
        return ""
    told = f"(Dickey-Fuller {_p(found.adf_p)})"
    if found.adf_p < SMALL_P:
        return f"Without its season the load returns to its level {told}."
    return f"Without its season the load may drift like a random walk {told}: distant steps are less sure."


def _left(found: Explanation) -> str:
    if found.ljung_box_p is None or found.autocorrelation is None:
        return f"Whether {found.model} leaves anything to learn cannot be told here." if found.model else ""
    told = f"Ljung-Box {_p(found.ljung_box_p)}"
    if found.ljung_box_p >= SMALL_P:
        return f"{found.model} leaves nothing to learn one step ahead ({told})."
    echo = f"autocorrelation {found.autocorrelation:+.2f} at lag {found.autocorrelation_lag}"
    much = "hardly anything" if abs(found.autocorrelation) < FAINT else "something"
    return f"{found.model} leaves {much} to learn one step ahead ({told}, {echo})."


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p {value:.2g}"
