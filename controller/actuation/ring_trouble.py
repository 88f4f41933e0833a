"""What halts a ring: writes that are refused, SLOs that burn there more than elsewhere, rules that fail."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

MOST_FAILED: Final = 0.05
FEWEST_FAILED: Final = 3
"""One write of one is 100 %, and no rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a pass says of a rule.

    Attributes:
        version: Of everything that decides in it.
        origin: Its policy, or that it was written by hand.
        acts: Whether it wants to act, and may by its backtest.
        failed: Whether it could not be evaluated.
        burning: Whether its SLO burns; None without one, or where nobody knows.
    """

    version: str
    origin: str
    acts: bool = True
    failed: bool = False
    burning: bool | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """So many tried, so many of them failed, and what the last failure said."""

    tried: int = 0
    failed: int = 0
    why: str = ""

    def __add__(self, other: Count) -> Count:
        """Both together."""
        return Count(self.tried + other.tried, self.failed + other.failed, other.why or self.why)

    @property
    def too_many(self) -> bool:
        """Above 5 %, and not so few that they say nothing."""
        return self.failed >= FEWEST_FAILED and self.failed > MOST_FAILED * self.tried


def trouble(writes: Count, evaluations: Count, burns: str) -> str:
    """Why a ring is to halt; empty: it is not."""
    if writes.too_many:
        return f"{writes.failed} of {writes.tried} writes in it were refused, the last: {writes.why}"
    if burns:
        return burns
    if evaluations.too_many:
        return f"rules in it could not be evaluated {evaluations.failed} times of {evaluations.tried}"
    return ""


def burns_more(told: Mapping[str, Told], inside: Collection[str], already: Collection[str]) -> str:
    """Whether SLOs have begun to burn in the ring more often than elsewhere, in a sentence; empty: they have not.

    Args:
        told: All rules of the pass.
        inside: Those of the release that act already.
        already: Those that burnt when the ring was opened.
    """
    with_slo = [rule for rule, one in told.items() if one.burning is not None and rule not in already]
    here = [rule for rule in with_slo if rule in inside]
    there = [rule for rule in with_slo if rule not in inside]
    burning_here = sorted(rule for rule in here if told[rule].burning)
    burning_there = sum(told[rule].burning is True for rule in there)
    if not burning_here or (there and len(burning_here) * len(there) <= burning_there * len(here)):
        return ""
    return (
        f"the SLO burns of {len(burning_here)} of {len(here)} rules in it ({burning_here[0]}), "
        f"and of {burning_there} of {len(there)} elsewhere"
    )
