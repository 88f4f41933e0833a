"""How much of what a query reads was really seen: the questions about its selectors, and what their answers mean.

Expected is what was there in the last 15 minutes and whose target is still known (``up``, whatever its value): a pod
that was deleted is gone from ``up`` and expected no more, a pod that cannot be scraped is still in it and is missed.
Where series carry no target (pushed or recorded ones), nobody knows how many are expected.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Final

from domain.errors import QueryError
from domain.units import format_duration
from store.promql.parse import parse
from store.promql.render import render
from store.promql.selectors import selectors

LOOK_BACK: Final = timedelta(minutes=15)
"""A guess: three times the 5 min after which a series counts as gone. After that a target that is down is a fact."""
LOOK_EVERY: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """Three queries about one selector, each with one number."""

    seen: str
    expected: str
    newest: str

    @property
    def queries(self) -> tuple[str, str, str]:
        """All three."""
        return self.seen, self.expected, self.newest


@lru_cache(maxsize=65_536)
def checks_of(query: str) -> tuple[Checks, ...]:
    """For every selector of ``query`` that reads now; none for a query that Foretide does not read itself."""
    try:
        texts = dict.fromkeys(render(one) for one in selectors(parse(query)) if one.at is None and not one.offset_ms)
    except QueryError:
        return ()
    window = format_duration(LOOK_BACK)
    return tuple(
        Checks(
            seen=f"count({text})",
            expected=f"count(last_over_time({text}[{window}]) and on (job, instance) up)",
            newest=f"max(timestamp({text}))",
        )
        for text in texts
    )
