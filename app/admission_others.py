"""What the cluster's other documents say against one that is about to be written: warnings, never a refusal.

Documents come in any order (a rule before its SLO, a renamed rule before the old one is pruned), so a contradiction of
the moment is no reason to deny: the running program decides which of them counts (``rules.standing``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from app.cluster_documents import ClusterObjects
from domain.errors import Mistake
from rules import cross_checks
from rules.objects import as_document
from rules.written import text_at
from rules.yaml_tree import Document

OLDEST_SECONDS: Final = 120.0
"""As old as a view of the cluster may be anywhere else before it is doubted."""
UNREAD: Final = "other documents of the cluster could not be read: only this one was checked"


Others = Callable[[], Sequence[Document] | None]
"""All documents that stand there; None where nobody knows."""


class InCluster:
    """By list and watch."""

    def __init__(self, objects: ClusterObjects) -> None:
        """Nothing is read before ``start``."""
        self._objects = objects
        self._read: tuple[int, tuple[Document, ...]] = (-1, ())

    def start(self) -> None:
        """Begin on a thread: the webhook answers meanwhile, of one document."""
        threading.Thread(target=self._objects.start, name="documents", daemon=True).start()

    def read(self) -> Sequence[Document] | None:
        """All of them; None before they were read, or when they were not heard of for two minutes."""
        if not self._objects.known or self._objects.age_seconds() > OLDEST_SECONDS:
            return None
        revision = self._objects.revision
        if self._read[0] != revision:
            self._read = revision, tuple(as_document(data, file=title) for title, _, data in self._objects.objects())
        return self._read[1]


def against(document: Document, others: Sequence[Document]) -> list[Mistake]:
    """What ``foretide check`` would say at this document, if all of them were files."""
    rest = [one for one in others if _key(one) != _key(document)]
    return [fault for fault in cross_checks.across([*rest, document]) if fault.file == document.file]


def _key(document: Document) -> tuple[Any, ...]:
    data = document.data
    return text_at(data, "kind"), text_at(data, "metadata", "namespace"), text_at(data, "metadata", "name")
