"""The operator's folder, read again when a file in it changes.

All or nothing: while one file has a mistake, what ran before runs on, and ``mistakes`` says so. A file that is read
while its editor writes it is such a mistake, for one poll.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from domain.errors import Mistake, RuleDocumentError
from rules.load import FileReading, Source, assemble, find, read_source
from rules.ruleset import RuleSet
from rules.written import CheckQuery

logger = logging.getLogger(__name__)

_Signature = tuple[int, int, int, int]


class RulesFolder:
    """Keeps the running ``RuleSet`` of one folder; polled, because a mounted ConfigMap sends no events."""

    def __init__(self, path: str | Path, *, check_query: CheckQuery) -> None:
        """Remember where to look; nothing is read before the first ``poll``."""
        self._path = str(path)
        self._check_query = check_query
        self._read: dict[str, tuple[_Signature | None, FileReading]] = {}
        self.running = RuleSet()
        self.readings: tuple[FileReading, ...] = ()
        """What ``running`` was made of."""
        self.mistakes: tuple[Mistake, ...] = ()

    def poll(self) -> bool:
        """Read what changed on disk; True when the running set became another one. Never raises."""
        if not os.path.isdir(self._path):
            message = "the rules folder is not there; create it, or name another one in foretide.yaml"
            self._say((Mistake(file=self._path, line=0, column=0, field="", message=message),))
            return False
        if not self._refresh():
            return False
        try:
            loaded = assemble([reading for _, reading in self._read.values()])
        except RuleDocumentError as error:
            self._say(error.mistakes)
            return False
        self._say(())
        self.readings = tuple(reading for _, reading in self._read.values())
        changed = loaded.digest != self.running.digest
        self.running = loaded
        if changed:
            logger.info("rules loaded", extra={"rules": len(loaded.rules), "digest": loaded.digest})
            for warning in loaded.warnings:
                logger.warning("a rule says what is probably not meant", extra={"warning": str(warning)})
        return changed

    def _refresh(self) -> bool:
        """Read new and changed files, forget those that are gone; whether there was anything to do."""
        before, self._read = self._read, {}
        sources, mistakes = find([self._path])
        self._read[""] = (None, FileReading(documents=(), mistakes=tuple(mistakes)))
        for source in sources:
            known = before.get(source.file)
            unchanged = known is not None and known[0] is not None and known[0] == _signature(source.file)
            self._read[source.file] = known if known and unchanged else self._read_file(source)
        return self._read != before or bool(self.mistakes)

    def _read_file(self, source: Source) -> tuple[_Signature | None, FileReading]:
        """A file and its signature; none when it changed while it was read, so that the next poll reads it again."""
        signature = _signature(source.file)
        reading = read_source(source, check_query=self._check_query)
        return (signature if signature == _signature(source.file) else None), reading

    def _say(self, mistakes: tuple[Mistake, ...]) -> None:
        if mistakes and mistakes != self.mistakes:
            first = str(mistakes[0])
            logger.warning("rules refused, the running ones stay", extra={"mistakes": len(mistakes), "first": first})
        self.mistakes = mistakes


def _signature(file: str) -> _Signature | None:
    """What changes when a file does; a link's is that of the file behind it. None where it cannot be read."""
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino
