"""How fast an error budget may burn: the pairs of windows that the guards of rules and the alerts both go by.

A pair is named by the share of the budget that is gone when it speaks; the burn rate follows from the objective's
window: 2 % in an hour is 14.4 times what 30 days allow, and 13.44 times what 28 days do.

Source:
    Google's SRE workbook, chapter 5, table 5-8 (2 % in an hour, 5 % in six, 10 % in a day and in three, of 30 days; the
    short window is a twelfth of the long one), and its formula: share × objective's window ÷ alert's window.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from rules.slo import SLO

WORKBOOK_WINDOW: Final = timedelta(days=30)
_LOWEST: Final = 1.0
"""Who burns slower has budget left at the end: nothing to tell. 10 % in three days of 28 would be 0.93."""
_MOST_BAD: Final = 0.95
"""No pair waits for more bad requests than these: 14.4 times the budget of 90 % would be 144 %, so that not even an
outage spoke. A guess that leaves room for a few that go well all the same."""
_ROUNDING: Final = 1e-9
"""1 − 0.995 is 0.0050000000000000044."""


class Severity(StrEnum):
    """Whom a pair is for: somebody at once, or somebody at work."""

    PAGE = "page"
    TICKET = "ticket"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two windows, and the burn rate that both must reach; the short one ends it soon after the errors end."""

    long: timedelta
    short: timedelta
    burn_rate: float
    severity: Severity

    def reached(self, rates: Mapping[timedelta, float | None]) -> bool | None:
        """Whether both windows burn so fast; None where nobody knows. One that does not is enough to know."""
        both = [rates.get(self.long), rates.get(self.short)]
        if any(rate is not None and rate < self.burn_rate - _ROUNDING for rate in both):
            return False
        return None if None in both else True


_SHARES: Final = (
    (Severity.PAGE, timedelta(hours=1), timedelta(minutes=5), 0.02),
    (Severity.PAGE, timedelta(hours=6), timedelta(minutes=30), 0.05),
    (Severity.TICKET, timedelta(days=1), timedelta(hours=2), 0.10),
    (Severity.TICKET, timedelta(days=3), timedelta(hours=6), 0.10),
)
PAGE_WINDOWS: Final = tuple(
    window for severity, long, short, _ in _SHARES for window in (long, short) if severity is Severity.PAGE
)
"""What a guard looks at; the same for every objective."""


def pairs(*, window: timedelta = WORKBOOK_WINDOW, budget: float = 0.001) -> tuple[Pair, ...]:
    """The pairs of an objective, those for a page first; none that looks back further than the objective does.

    Args:
        window: The objective's.
        budget: Share that may be bad.
    """
    return tuple(_pairs(window, budget))


def pairs_of(slo: SLO) -> tuple[Pair, ...]:
    """The pairs of a document."""
    return pairs(window=slo.spec.window, budget=slo.budget)


def _pairs(window: timedelta, budget: float) -> Iterator[Pair]:
    for severity, long, short, share in _SHARES:
        if long <= window:
            rate = max(round(share * (window / long), 9), _LOWEST)
            yield Pair(long=long, short=short, burn_rate=min(rate, _MOST_BAD / budget), severity=severity)
