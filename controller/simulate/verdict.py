"""One word for a backtest, from its figures: better, as good, worse, or not to be believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from controller.simulate.fidelity import Fidelity
from controller.simulate.figures import Figures

SAME_COST: Final = 0.01
"""Costs within 1 % are the same: less than a replay can tell."""
SAME_MISSED_PCT: Final = 0.05
"""Of the time: 22 minutes in 30 days."""


class Word(StrEnum):
    """What a backtest says of a rule."""

    BETTER = "better"
    AS_GOOD = "as good"
    WORSE = "worse"
    NOT_CREDIBLE = "not credible"
    NOT_PROVEN = "not proven"

    @property
    def allows(self) -> bool:
        """Whether the rule may be enforced."""
        return self in (Word.BETTER, Word.AS_GOOD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The word, and the sentence for it."""

    word: Word
    message: str


def of(
    rule: Figures, present: Figures, fidelity: Fidelity, *, violated_minute: float, budget_pct: float | None = None,
    left_out: Sequence[str] = (),
) -> Verdict:  # fmt: skip
    """Whether the rule does as well as what runs now, and how much of the rule that is said without.

    A rule that misses more is worse, unless it stays within the budget that its document gives. One that costs more
    and misses less is better where the missed minutes are worth it.

    Args:
        rule: The rule's figures.
        present: Those of what runs now, replayed in the same world.
        fidelity: Whether that replay is to be believed.
        violated_minute: What one missed minute is worth, in minutes of a replica.
        budget_pct: Share of time that may be missed, from the document; None: no more than now.
        left_out: What of the rule was not replayed.
    """
    found = _judged(rule, present, fidelity, violated_minute=violated_minute, budget_pct=budget_pct)
    if not left_out:
        return found
    parts = "1 part" if len(left_out) == 1 else f"{len(left_out)} parts"
    return replace(found, message=f"{found.message}; without {parts} of the rule ({', '.join(left_out)})")


def _judged(
    rule: Figures, present: Figures, fidelity: Fidelity, *, violated_minute: float, budget_pct: float | None
) -> Verdict:
    if not fidelity.is_proven:
        return Verdict(word=Word.NOT_PROVEN, message=_unproven(fidelity))
    if not fidelity.is_credible:
        return Verdict(word=Word.NOT_CREDIBLE, message=_doubt(fidelity))
    saved = (1 - rule.replica_hours / present.replica_hours) if present.replica_hours else 0.0
    fewer = present.violated_minutes - rule.violated_minutes
    told = f"{_cost(saved)} and {_missed(rule, present)}"
    if rule.violated_pct > present.violated_pct + SAME_MISSED_PCT:
        if budget_pct is None or rule.violated_pct > budget_pct:
            return Verdict(word=Word.WORSE, message=told)
        told = f"{told}, within the budget of {budget_pct:g} %"
        return Verdict(word=Word.BETTER if saved > SAME_COST else Word.WORSE, message=told)
    if saved < -SAME_COST:
        extra = 60 * (rule.replica_hours - present.replica_hours)
        if fewer <= 0:
            return Verdict(word=Word.WORSE, message=told)
        price = extra / fewer
        word = Word.BETTER if price <= violated_minute else Word.WORSE
        worth = "less" if word is Word.BETTER else "more"
        message = (
            f"{told}: each missed minute less costs {price:.0f} replica-minutes, {worth} than the"
            f" {violated_minute:.0f} it is worth"
        )
        return Verdict(word=word, message=message)
    fewer_pct = present.violated_pct - rule.violated_pct
    return Verdict(word=Word.BETTER if saved > SAME_COST or fewer_pct > SAME_MISSED_PCT else Word.AS_GOOD, message=told)


def _unproven(fidelity: Fidelity) -> str:
    if not fidelity.compared:
        return "no replicas were recorded, so that nobody can tell whether the replay is like reality"
    return (
        f"replicas were recorded for {fidelity.compared} ticks only, which is too little to tell whether the replay is"
        " like reality"
    )


def _doubt(fidelity: Fidelity) -> str:
    if not fidelity.misses_agree:
        recorded, replayed = fidelity.recorded_violated_minutes or 0.0, fidelity.replayed_violated_minutes
        lean = "too good" if replayed < recorded else "too bad"
        return (
            f"what runs now missed {recorded:.0f} min and the replay misses {replayed:.0f}: what a replica carries, or"
            f" its start-up, is taken {lean}"
        )
    lean = "too many" if fidelity.mean_difference > 0 else "too few"
    return (
        f"what runs now, replayed, comes to the recorded replicas in {100 * (fidelity.within or 0):.1f} % of the ticks;"
        f" {100 * fidelity.threshold:g} % are needed (on average {abs(fidelity.mean_difference):.1f} {lean})"
    )


def _cost(saved: float) -> str:
    if abs(saved) <= SAME_COST:
        return "costs the same as what runs now"
    return f"costs {100 * abs(saved):.1f} % {'less' if saved > 0 else 'more'} than what runs now"


def _missed(rule: Figures, present: Figures) -> str:
    """With a digit more where whole minutes would be the same; as long as now, where that is, too."""
    for digits in (0, 1):
        ours, theirs = (f"{one.violated_minutes:.{digits}f}" for one in (rule, present))
        if ours != theirs:
            shares = _apart(rule.violated_pct, present.violated_pct)
            return f"misses the objective for {ours} min instead of {theirs} ({shares})"
    ours = f"{rule.violated_minutes:.0f}"
    return f"misses the objective for {ours} min, as long as now ({rule.violated_pct:.2f} % of the time)"


def _apart(ours: float, theirs: float) -> str:
    for digits in (2, 3, 4):
        if f"{ours:.{digits}f}" != f"{theirs:.{digits}f}":
            break
    return f"{ours:.{digits}f} % of the time instead of {theirs:.{digits}f} %"
