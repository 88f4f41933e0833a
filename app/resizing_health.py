"""How pods do since they have another size: what they tell themselves, and what was measured of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from app.queries import Queries
from controller.resizing.case import Case, Ruling, Stage, Word
from controller.resizing.objects import Harm
from cost.sizing.rollout import Conditions, Health, Verdict, after_canary
from domain.errors import QueryError

_WORDS: Final = {Verdict.GO: Word.GO, Verdict.WAIT: Word.WAIT, Verdict.ROLL_BACK: Word.BACK}
_LEAST: Final = timedelta(minutes=15)
"""Of CPU periods: over less, a share of them says nothing. Three samples of five minutes; a guess."""
_MOST: Final = timedelta(days=1)


class Judge:
    """By the engines' own rules (``cost.sizing.rollout``)."""

    def __init__(self, queries: Queries, harm: Callable[[Case], Harm], rules: Conditions | None = None) -> None:
        """``harm`` looks at the pods."""
        self._queries, self._harm, self._rules = queries, harm, rules or Conditions()

    def ruling(self, case: Case, now: datetime) -> Ruling:
        """What the time since it began says.

        Raises:
            KubeError: The pods cannot be seen.
        """
        if case.began_at is None or case.stage not in (Stage.SOAKING, Stage.REST, Stage.WATCHING):
            return Ruling()
        seen, since = self._harm(case), now - case.began_at
        before, after = self._throttled(case, seen, now)
        ruling = after_canary(
            Health(ooms=0, throttled_ratio=before, restarts=self._usual_restarts(case, since)),
            Health(ooms=seen.ooms, throttled_ratio=after, restarts=seen.restarts), since=since, rules=self._rules,
        )  # fmt: skip
        return Ruling(word=_WORDS[ruling.verdict], reasons=ruling.reasons)

    def _throttled(self, case: Case, seen: Harm, now: datetime) -> tuple[float | None, float | None]:
        """Shares of CPU periods before and after. Without a limit of CPU there is nothing to be throttled by."""
        assert case.began_at is not None
        if "cpu" not in case.patch.falling() or (seen.pods and not seen.limited):
            return 0.0, 0.0
        span = min(now - case.began_at, _MOST)
        if span < _LEAST or not seen.pods:
            return None, None
        before = self._share(case, f"{re.escape(case.patch.ref.name)}-.+", case.began_at, _MOST)
        return before, self._share(case, "|".join(map(re.escape, seen.pods)), now, span)

    def _share(self, case: Case, pods: str, at: datetime, span: timedelta) -> float | None:
        chosen = f'{{{_of(case, pods)},container!=""}}[{_seconds(span)}]'
        periods = self._one(f"sum(increase(container_cpu_cfs_periods_total{chosen}))", at)
        throttled = self._one(f"sum(increase(container_cpu_cfs_throttled_periods_total{chosen}))", at)
        return throttled / periods if periods and throttled is not None else None

    def _usual_restarts(self, case: Case, since: timedelta) -> int:
        """Of as long a time before; a single pod is known to the restart, and has none to spare."""
        if case.stage is Stage.SOAKING or case.began_at is None:
            return 0
        span = max(min(since, timedelta(days=7)), _LEAST)
        chosen = f"{{{_of(case, re.escape(case.patch.ref.name) + '-.+')}}}[{_seconds(span)}]"
        found = self._one(f"sum(increase(kube_pod_container_status_restarts_total{chosen}))", case.began_at)
        return 0 if found is None else int(found)

    def _one(self, expr: str, at: datetime) -> float | None:
        try:
            found: Sequence[float] = list(self._queries.instant(expr, at).values())
        except QueryError:
            return None
        return found[0] if found else None


def _of(case: Case, pods: str) -> str:
    pattern = pods.replace("\\", "\\\\")
    return f'namespace="{case.patch.ref.namespace}",pod=~"{pattern}"'


def _seconds(span: timedelta) -> str:
    return f"{int(span.total_seconds())}s"
