"""Which nodes were there and when, over weeks: each with its stretches of time and what its price depends on.

A month of a node is 178,000 samples of each of its series. Only ``kube_node_info`` is read through; capacity and labels
of all nodes are looked up at as few moments as see each of them once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import numpy as np

from app.cost_series import cluster_of, named
from app.queries import Queries
from cost.pricing.things import NodeFacts
from domain.clock import from_ms

Stretch = tuple[datetime, datetime]
_GIB: Final = Decimal(2) ** 30
_AT_ONCE: Final = timedelta(hours=6)
"""1,440 samples of a series that comes every 15 s: 13,000 nodes within what one query may touch."""
_FINE: Final = (timedelta(days=2), timedelta(minutes=1))
_COARSE: Final = timedelta(minutes=5)
"""How exactly an end is known: to 5 minutes in longer windows; starts are exact where kube_node_created is there."""
_MOMENT: Final = timedelta(milliseconds=1)
"""What a query's end, which counts, lies before a stretch's, which does not."""
_RESOURCES: Final = {"cpu": 0, "memory": 1, "nvidia_com_gpu": 2}
_THERE: Final = "max by (job, instance, cluster, node, provider_id) (kube_node_info)"
Place = tuple[str, str, str]
"""Cluster, name and provider id: a name may come back with another machine behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenNode:
    """One node, and when it was there; ``facts`` lack what nobody tells."""

    cluster: str
    facts: NodeFacts
    stretches: tuple[Stretch, ...]

    @property
    def key(self) -> str:
        """Of this machine: what the provider calls it, else its name."""
        return self.facts.provider_id or f"{self.cluster}/{self.facts.name}"


class NodeHours:
    """Asks for them; ``local`` is whether the one node is the host of our own processes."""

    def __init__(self, queries: Queries, *, local: bool) -> None:
        """Nothing is asked yet."""
        self._queries, self._local = queries, local

    def between(self, start: datetime, end: datetime, labels: Iterable[str] = ()) -> list[SeenNode]:
        """Nodes that were there, by cluster and name.

        Args:
            start: Aware; whole minutes are looked at.
            end: After it.
            labels: Real names of the node labels that are wanted.

        Raises:
            QueryError: The window is more than one query may touch, or the source does not answer.
        """
        if self._local:
            return self._host(start, end)
        step = _FINE[1] if end - start <= _FINE[0] else _COARSE
        there = self._presence(_THERE, start, end, step)
        known = self._looked_up({place: from_ms(times[-1]) for place, times in there.items()}, labels)
        made = []
        for place, times in sorted(there.items()):
            facts, created = known.get(place, (NodeFacts(name=place[1], provider_id=place[2]), None))
            spans = _since(_stretches(times, step, end), created)
            made.append(SeenNode(cluster=place[0], facts=facts, stretches=spans))
        return made

    def _presence(self, expr: str, start: datetime, end: datetime, step: timedelta) -> dict[Place, list[int]]:
        """When each node was there, in ms on a grid, earliest first."""
        times: dict[Place, list[int]] = defaultdict(list)
        at = start.astimezone(UTC).replace(second=0, microsecond=0)
        while at < end:
            until = min(at + _AT_ONCE, end)
            for pairs, (stamps, values) in self._queries.lines(expr, at, max(at, until - _MOMENT), step).items():
                own = dict(pairs)
                place = (cluster_of(own), own.get("node", ""), own.get("provider_id", ""))
                times[place] += stamps[np.isfinite(values)].tolist()
            at = until
        return {place: sorted(set(found)) for place, found in times.items() if found}

    def _looked_up(
        self, last: Mapping[Place, datetime], labels: Iterable[str]
    ) -> dict[Place, tuple[NodeFacts, datetime | None]]:
        """What is known of each node when it was last there: one look sees all that are there at that moment."""
        real = sorted(labels)
        found: dict[Place, tuple[NodeFacts, datetime | None]] = {}
        for place, moment in sorted(last.items(), key=lambda one: one[1]):
            if place not in found:
                seen = self._at(moment, real)
                found |= {key: facts for key, facts in seen.items() if key in last and key not in found}
        return found

    def _at(self, moment: datetime, real: Sequence[str]) -> dict[Place, tuple[NodeFacts, datetime | None]]:
        amounts: dict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 3)
        resources = "|".join(_RESOURCES)
        for own, value in self._instant(f'kube_node_status_capacity{{resource=~"{resources}"}}', moment):
            amounts[cluster_of(own), own.get("node", "")][_RESOURCES[own["resource"]]] = Decimal(repr(value))
        labels = {(cluster_of(own), own.get("node", "")): own for own, _ in self._instant("kube_node_labels", moment)}
        created = {
            (cluster_of(own), own.get("node", "")): datetime.fromtimestamp(value, UTC)
            for own, value in self._instant("kube_node_created", moment)
        }
        found = {}
        for own, _ in self._instant(_THERE, moment):
            at = (cluster_of(own), own.get("node", ""))
            cpu, memory, gpus = amounts[at]
            facts = NodeFacts(
                name=at[1], provider_id=own.get("provider_id", ""),
                labels={name: told for name in real if (told := named(labels.get(at, {}), name))},
                cpu_cores=cpu, memory_gib=memory / _GIB, gpus=gpus,
            )  # fmt: skip
            found[*at, facts.provider_id] = facts, created.get(at)
        return found

    def _instant(self, expr: str, moment: datetime) -> Iterable[tuple[dict[str, str], float]]:
        return ((dict(pairs), value) for pairs, value in self._queries.instant(expr, moment).items())

    def _host(self, start: datetime, end: datetime) -> list[SeenNode]:
        """The machine that our own processes run on."""
        cores = 'count by (instance) (node_cpu_seconds_total{job="node",mode="idle"})'
        memory = 'node_memory_MemTotal_bytes{job="node"}'
        step = _FINE[1] if end - start <= _FINE[0] else _COARSE
        there = self._presence(f"label_replace({cores}, 'node', '$1', 'instance', '(.*)')", start, end, step)
        made = []
        for (_, name, _), times in there.items():
            at = from_ms(times[-1])
            has = [next((value for _, value in self._instant(one, at)), 0.0) for one in (cores, memory)]
            facts = NodeFacts(
                name=name, cpu_cores=Decimal(repr(has[0])), memory_gib=Decimal(repr(has[1])) / _GIB
            )  # fmt: skip
            made.append(SeenNode(cluster="local", facts=facts, stretches=_stretches(times, step, end)))
        return made


def _stretches(times_ms: Sequence[int], step: timedelta, end: datetime) -> tuple[Stretch, ...]:
    """A sample stands for the step that begins with it; a hole of one step is a scrape that failed, and none."""
    step_ms = step // timedelta(milliseconds=1)
    stamps = np.asarray(times_ms, np.int64)
    cuts = np.flatnonzero(np.diff(stamps) > 2 * step_ms)
    firsts, lasts = [0, *(cuts + 1)], [*cuts, len(stamps) - 1]
    spans = ((from_ms(int(stamps[i])), from_ms(int(stamps[j]) + step_ms)) for i, j in zip(firsts, lasts, strict=True))
    return tuple((begin, min(until, end)) for begin, until in spans)


def _since(spans: tuple[Stretch, ...], created: datetime | None) -> tuple[Stretch, ...]:
    """From when the node was made, where that is within the step before it was first seen."""
    begin, until = spans[0]
    if created is None or not begin - _COARSE < created < begin:
        return spans
    return ((created, until), *spans[1:])
