"""One hour's ledger, small enough to keep a quarter of them: what workloads cost, without pods, containers and nodes.

A pod's name is gone tomorrow and forecasts nothing. What is kept of a subject is written as one short text, so that an
hour is a mapping of texts to amounts, and the same workload has the same text in every hour. The amounts add up to the
ledger's total, exactly.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from cost.allocation.ledger import Ledger, exact_sum
from cost.allocation.report import IDLE
from cost.allocation.subject import Condition, Subject, holds_all, key_of

Key = tuple[str, ...]
OTHERS: Final = "__others__"
MOST: Final = 2_000
"""Workloads kept by themselves in an hour, dearest first; the others are one for each namespace and node pool. 23 kB
an hour when compressed, 50 MB a quarter."""
PASSING: Final = ("pod", "container", "node")
"""Dimensions that are not kept."""
_OF_ONE_POD: Final = frozenset({
    "pod_template_hash", "controller_revision_hash", "pod_template_generation", "statefulset_kubernetes_io_pod_name",
    "apps_kubernetes_io_pod_index", "controller_uid", "batch_kubernetes_io_controller_uid", "job_name",
    "batch_kubernetes_io_job_name", "batch_kubernetes_io_job_completion_index",
})  # fmt: skip
_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_]")
_RUN_OF_CRON_JOB: Final = re.compile(r"(.+)-\d{8,}")
"""A CronJob calls its Jobs after itself and the minute since 1970 that they were due."""
_FIELDS: Final = ("cluster", "node_pool", "namespace", "owner_kind", "owner")


@dataclass(frozen=True, slots=True, kw_only=True)
class HourCosts:
    """One hour.

    Attributes:
        start: A whole hour, UTC.
        seen: Share of it in which a node with a price was known (ratio).
        costs: Amounts by the text of ``rolled``.
    """

    start: datetime
    currency: str
    seen: float
    costs: Mapping[str, Decimal]


def rolled(books: Ledger, *, most: int = MOST) -> dict[str, Decimal]:
    """The ledger's amounts by text; idle by cluster and lines by name stand apart from workloads."""
    amounts: dict[str, list[Decimal]] = defaultdict(list)
    for item in books.items:
        amounts[_text(_lasting(item.subject))] += item.costs
    sums = _folded({text: exact_sum(each) for text, each in amounts.items()}, most)
    apart: dict[str, list[Decimal]] = defaultdict(list)
    for idle in books.idle:
        apart[_text(Subject(cluster=idle.subject.cluster), IDLE)] += idle.costs
    for line in books.lines:
        apart[_text(_lasting(line.subject), line.name)].append(line.cost)
    sums |= {text: exact_sum(each) for text, each in apart.items()}
    return {text: cost for text, cost in sorted(sums.items()) if cost}


class Grouping:
    """By what hours are shown: the group that each text counts for, found once."""

    def __init__(self, by: tuple[str, ...], only: tuple[Condition, ...] = ()) -> None:
        """Take the dimensions and the conditions that all have to hold.

        Raises:
            ValueError: One of them is not kept.
        """
        for name in (*by, *(one.dimension for one in only)):
            if name in PASSING:
                raise ValueError(f"{name}: hours are kept without {', '.join(PASSING)}, whose names do not last")
        self._by, self._only = by, only
        self._known: dict[str, Key | None] = {}

    def sums(self, costs: Mapping[str, Decimal]) -> dict[Key, Decimal]:
        """By group; idle (``__idle__ CLUSTER``) and lines have groups of their own, as in ``foretide cost``."""
        found: dict[Key, list[Decimal]] = defaultdict(list)
        for text, cost in costs.items():
            if text not in self._known:
                self._known[text] = self._key(text)
            if (key := self._known[text]) is not None:
                found[key].append(cost)
        return {key: exact_sum(each) for key, each in found.items()}

    def _key(self, text: str) -> Key | None:
        subject, line = subject_of(text)
        if not holds_all(self._only, subject):
            return None
        if line == IDLE:
            return (f"{IDLE} {subject.cluster}",)
        return (line,) if line else key_of(subject, self._by)


def _lasting(subject: Subject) -> Subject:
    kind, owner = subject.owner_kind, subject.owner
    if kind == "Job" and (run := _RUN_OF_CRON_JOB.fullmatch(owner)):
        kind, owner = "CronJob", run[1]
    labels = {name: value for name, value in subject.labels.items() if _NOT_IN_NAMES.sub("_", name) not in _OF_ONE_POD}
    return Subject(
        cluster=subject.cluster, node_pool=subject.node_pool, namespace=subject.namespace, owner_kind=kind, owner=owner,
        services=subject.services, labels=labels,
    )  # fmt: skip


def _folded(sums: dict[str, Decimal], most: int) -> dict[str, Decimal]:
    """The cheapest of too many as one for each namespace and node pool: neither's sum changes."""
    if len(sums) <= most:
        return sums
    ordered = sorted(sums, key=lambda text: (-sums[text], text))
    kept = {text: sums[text] for text in ordered[:most]}
    for text in ordered[most:]:
        one, _ = subject_of(text)
        rest = _text(Subject(cluster=one.cluster, node_pool=one.node_pool, namespace=one.namespace, owner=OTHERS))
        kept[rest] = exact_sum((kept.get(rest, Decimal(0)), sums[text]))
    return kept


def _text(subject: Subject, line: str = "") -> str:
    """Empty fields are left out."""
    said: dict[str, Any] = {name: value for name in _FIELDS if (value := getattr(subject, name))}
    said |= {"services": list(subject.services)} if subject.services else {}
    said |= {"labels": dict(sorted(subject.labels.items()))} if subject.labels else {}
    said |= {"line": line} if line else {}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))


def subject_of(text: str) -> tuple[Subject, str]:
    """What a text of ``rolled`` is about, and the name of its line; empty for a workload."""
    said = json.loads(text)
    line = said.pop("line", "")
    return Subject(**{**said, "services": tuple(said.get("services", ()))}), line
