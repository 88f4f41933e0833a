"""Documents of the folder and of the cluster, as one set: objects of our CRDs are read by list and watch.

The folder is all or nothing, since it has one author. An object with a mistake, or one that contradicts the others,
keeps its last good version, or is left out where it has none (``rules.standing``): what one team writes must not stop
the rules of all. Its status and ``mistakes`` say why.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any, Final

from domain.errors import KubeError, Mistake
from kube import Connection
from kube.kinds import Kind, custom
from kube.reflector import Reflector
from rules import RuleSet, RulesFolder
from rules.crd_names import GROUP, VERSION, plural
from rules.objects import as_document
from rules.schema import KINDS
from rules.standing import Settled, Standing
from rules.validate import Validated, validate
from rules.written import CheckQuery

log = logging.getLogger(__name__)

Object = dict[str, Any]
DOCUMENT_KINDS: Final[Mapping[str, Kind[Object]]] = {
    kind: custom(group=GROUP, version=VERSION, kind=kind, plural=plural(kind)) for kind in KINDS
}


class ClusterObjects:
    """What the cluster holds of our kinds, each object by ``Kind namespace/name``."""

    def __init__(self, connection: Connection) -> None:
        """Nothing is read before ``start``."""
        self._connection = connection
        self._reflectors = {kind: Reflector(connection, of) for kind, of in DOCUMENT_KINDS.items()}
        self._missing: set[str] = set()

    def start(self) -> None:
        """Begin to list and watch; a kind whose definition is not installed now is left out until the next start."""
        for kind, reflector in self._reflectors.items():
            try:
                self._connection.request("GET", DOCUMENT_KINDS[kind].path(), query={"limit": "1"})
            except KubeError as error:
                if error.status == 404:
                    self._missing.add(kind)
                    log.warning("a kind of document is not installed, so none is read", extra={"kind": kind})
                    continue
            reflector.start()

    def stop(self) -> None:
        """End the threads."""
        for kind in self._reflectors.keys() - self._missing:
            self._reflectors[kind].stop()

    @property
    def known(self) -> bool:
        """Whether all that is there has been read once: before that, a rule that is not there may well exist."""
        return all(self._reflectors[kind].synced for kind in self._reflectors.keys() - self._missing)

    def age_seconds(self) -> float:
        """Since the kind that was longest not heard of."""
        return max(
            (one.age_seconds() for kind, one in self._reflectors.items() if kind not in self._missing), default=0
        )

    @property
    def revision(self) -> int:
        """Grows with every change."""
        return sum(one.revision for one in self._reflectors.values())

    def objects(self) -> Iterator[tuple[str, str, Object]]:
        """Title, kind and data of each, the oldest of a kind first: of two that contradict each other it stays."""
        for kind, reflector in self._reflectors.items():
            for (namespace, name), data in sorted(reflector.objects().items(), key=_age):
                of = DOCUMENT_KINDS[kind]  # a list's items may leave out what they are
                yield f"{kind} {namespace}/{name}", kind, {**data, "apiVersion": of.api_version, "kind": kind}


def _age(item: tuple[tuple[str, str], Object]) -> tuple[str, tuple[str, str]]:
    key, data = item
    return str(data["metadata"].get("creationTimestamp", "")), key


class AllDocuments:
    """Follows both; what a ``RulesFolder`` is to ``EffectiveRules``."""

    def __init__(self, folder: RulesFolder | None, cluster: ClusterObjects, *, check_query: CheckQuery) -> None:
        """Read nothing before the first ``poll``."""
        self._folder, self._cluster, self._check_query = folder, cluster, check_query
        self._seen: int | None = None
        self._validated: dict[str, tuple[object, Validated]] = {}
        self._refused: dict[str, tuple[Mistake, ...]] = {}
        self._blocked: tuple[Mistake, ...] = ()
        self._standing, self._settled = Standing(), Settled()
        self.running = RuleSet()

    @property
    def known(self) -> bool:
        """Whether the cluster's documents have been read and taken up."""
        return self._cluster.known and self._seen is not None

    @property
    def mistakes(self) -> tuple[Mistake, ...]:
        """The folder's, and those of every object."""
        of_folder = self._folder.mistakes if self._folder is not None else ()
        return (*of_folder, *self._blocked, *(one for said in self._refused.values() for one in said))

    def objection(self, title: str) -> str:
        """Why an object (``ScalingRule shop/web``) does not count as it stands; empty where it does."""
        said = [f"{one.field}: {one.message}" if one.field else one.message for one in self._refused.get(title, ())]
        if said and self.runs(title):
            said.append("what ran before runs on")
        return "\n".join(said)

    def runs(self, title: str) -> bool:
        """Whether a version of an object counts."""
        return title in self._settled.standing

    def poll(self) -> bool:
        """Read what changed; True when the running set became another one. Never raises."""
        folder_changed = self._folder.poll() if self._folder is not None else False
        revision = self._cluster.revision if self._cluster.known else None
        if not folder_changed and revision == self._seen:
            return False
        self._seen = revision
        found = self._assembled()
        changed = found.digest != self.running.digest
        self.running = found
        return changed

    def _assembled(self) -> RuleSet:
        """All that holds together."""
        readings = self._folder.readings if self._folder is not None else ()
        objects = self._of_cluster() if self._cluster.known else []
        self._settled = self._standing.settle(readings, objects)
        refused: dict[str, tuple[Mistake, ...]] = {}
        for one in self._settled.mistakes:
            refused[one.file] = (*refused.get(one.file, ()), one)
        titles = {one.document.file for one in objects}
        self._blocked = tuple(one for one in self._settled.mistakes if one.file not in titles)
        before, self._refused = self._refused, {title: said for title, said in refused.items() if title in titles}
        self._tell(before)
        return self._settled.ruleset

    def _of_cluster(self) -> list[Validated]:
        """Each object, read again only where it says something else than before: its status is not what it says."""
        before, self._validated = self._validated, {}
        for title, _, data in self._cluster.objects():
            metadata = data.get("metadata", {})
            says = (metadata.get("uid"), metadata.get("generation"), metadata.get("labels"))
            known = before.get(title)
            if known is None or known[0] != says:
                known = (says, validate(as_document(data, file=title), check_query=self._check_query))
            self._validated[title] = known
        return [validated for _, validated in self._validated.values()]

    def _tell(self, before: Mapping[str, tuple[Mistake, ...]]) -> None:
        for title in self._refused.keys() - before.keys():
            log.warning(
                "a document of the cluster does not count as it stands", extra={"first": str(self._refused[title][0])}
            )
