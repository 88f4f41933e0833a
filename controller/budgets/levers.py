"""What the deeds in force come to for a rule: a ceiling and a lower ``min``, given back by a tenth a minute.

Never below what is needed (the forecast's 95th percentile and a tenth more); while the rule's SLO burns or its data are
missing the decision lifts the ceiling itself (``core.decide``), and ``min`` is not lowered.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from controller.budgets.deeds import Change, Deed, DeedState

ON_RULE: Final = "rule "
MAX: Final = "replicas.max"
MIN: Final = "replicas.min"
BY_CLOCK: Final = "spec.replicas by the clock"
_PACE: Final = 0.1
_MARGIN: Final = 1.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of one rule.

    Attributes:
        most: Replicas at most; None where no deed limits them.
        least: In place of ``replicas.min``; None where no deed lowers it.
        by: The deeds, for the reader.
    """

    most: int | None = None
    least: int | None = None
    by: str = ""


def limits_of(deeds: Iterable[Deed], rule: str, now: datetime) -> Limits:
    """Of all that is in force the lowest."""
    most, least, by = None, None, []
    for deed in deeds:
        if not deed.in_force or deed.state is DeedState.ACTING:
            continue
        for change in deed.changes:
            if change.target != ON_RULE + rule:
                continue
            value = value_at(deed, change, now)
            if change.field == MAX:
                most = value if most is None else min(most, value)
            else:
                least = value if least is None else min(least, value)
            by.append(deed.id)
    return Limits(most=most, least=least, by=", ".join(dict.fromkeys(by)))


def value_at(deed: Deed, change: Change, now: datetime) -> int:
    """What the field is limited to: while it is given back a tenth of what was there more each minute."""
    before, after = int(change.before or 0), int(change.after or 0)
    if deed.state is not DeedState.REVERTING:
        return after
    steps = int((now - deed.since) / timedelta(minutes=1))
    return min(after + steps * max(math.ceil(_PACE * before), 1), before)


def is_given_back(deed: Deed, now: datetime) -> bool:
    """Whether all of a reverting deed's rules have what they had."""
    mine = [one for one in deed.changes if one.target.startswith(ON_RULE)]
    return all(value_at(deed, one, now) >= int(one.before or 0) for one in mine)


def never_below(limit: int, *, needed: float | None) -> int:
    """The ceiling, or what is needed and a tenth more; ``needed`` is the 95th percentile, None where nobody knows."""
    return limit if needed is None else max(limit, math.ceil(needed * _MARGIN - 1e-9))


def goes_by_clock(deed: Deed) -> bool:
    """Whether something of it sleeps by the clock, now or later."""
    return deed.in_force and any(one.field == BY_CLOCK for one in deed.changes)


def rules_of(deed: Deed, field: str = "") -> list[str]:
    """The rules that a deed limits (``field`` of); each once."""
    ours = (one for one in deed.changes if one.target.startswith(ON_RULE) and field in ("", one.field))
    return list(dict.fromkeys(one.target.removeprefix(ON_RULE) for one in ours))
