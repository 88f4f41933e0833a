"""The rules that run: the folder's documents, and what its policies make of the cluster's workloads."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from app.cluster_documents import AllDocuments
from domain.errors import ForetideError, Mistake
from domain.workloads import WorkloadFacts
from rules import RuleSet, RulesFolder
from rules.policy import Effective, LeftOut, effective
from rules.written import CheckQuery

logger = logging.getLogger(__name__)

LOOK_EVERY: Final = timedelta(minutes=1)
"""A workload without a rule stays as it is: nobody waits for the first minute of a policy."""


class EffectiveRules:
    """Follows the folder and the cluster; every loop asks it for ``running``."""

    def __init__(
        self,
        folder: RulesFolder | AllDocuments | None,
        *,
        workloads: Callable[[], Sequence[WorkloadFacts]],
        check_query: CheckQuery,
    ) -> None:
        """Read nothing before the first ``poll``; ``workloads`` is asked only while there is a policy."""
        self._folder, self._ask, self._check_query = folder, workloads, check_query
        self._workloads: tuple[WorkloadFacts, ...] = ()
        self._looked: datetime | None = None
        self._effective = Effective()

    @property
    def running(self) -> RuleSet:
        """The documents, with the effective rules."""
        return self._effective.ruleset

    @property
    def mistakes(self) -> tuple[Mistake, ...]:
        """Those of the folder."""
        return self._folder.mistakes if self._folder is not None else ()

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """Workloads that a policy finds and cannot rule."""
        return self._effective.left_out

    def poll(self, now: datetime) -> bool:
        """Look at the folder, and now and then at the cluster; True when the rules became others."""
        if self._folder is None:
            return False
        changed = self._folder.poll()
        if self._folder.running.policies:
            changed = self._look(now) or changed
        if not changed:
            return False
        before, digest = self._effective, self.running.digest
        self._effective = effective(
            self._folder.running, self._workloads, check_query=self._check_query, before=before
        )  # fmt: skip
        self._tell(before)
        return self.running.digest != digest

    def _look(self, now: datetime) -> bool:
        """Whether the cluster has other workloads now; that it tells of none at all is no news to act on."""
        if self._looked is not None and now - self._looked < LOOK_EVERY:
            return False
        self._looked = now
        try:
            found = tuple(self._ask())
        except ForetideError as error:
            logger.warning("workloads not read, policies keep those they know", extra={"error": str(error)})
            return False
        if not found or found == self._workloads:
            return False
        self._workloads = found
        return True

    def _tell(self, before: Effective) -> None:
        now = self._effective
        new = [str(one) for one in now.left_out if one not in before.left_out]
        new += [one for one in now.warnings if one not in before.warnings]
        if new:
            logger.warning("policies leave workloads out", extra={"count": len(new), "first": new[0]})
