"""The burn-rate alerts of the SLO documents that run, for the loop that evaluates rule files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from alerts.evaluation.asking import Ask
from alerts.objectives.burn_rules import by_source
from alerts.rule_file.model import RuleFile
from app.queries import Queries
from rules.schema import SLO

_NAME: Final = "SLO documents"
_AT: Final = f"{_NAME} at source "


class SloRules:
    """One file, as it were, for each source that SLOs ask; made again when a document changes."""

    def __init__(self, slos: Callable[[], tuple[SLO, ...]], queries: Queries) -> None:
        """Of the documents that ``slos`` knows."""
        self._slos, self._queries = slos, queries
        self._seen: tuple[SLO, ...] = ()
        self._files: tuple[RuleFile, ...] = ()

    def files(self) -> tuple[RuleFile, ...]:
        """As of now; the same object while nothing changes."""
        slos = self._slos()
        if slos != self._seen:
            self._seen = slos
            self._files = tuple(
                RuleFile(file=_NAME if source is None else f"{_AT}{source}", groups=groups)
                for source, groups in by_source(slos).items()
            )
        return self._files

    def ask(self, file: str) -> Ask | None:
        """Where the groups of ``file`` are asked; None: as those of rule files, at the default source."""
        if not file.startswith(_AT):
            return None
        source = file.removeprefix(_AT)
        return lambda expr, at_ms: self._queries.result(expr, at_ms, source)
