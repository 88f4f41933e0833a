"""Completes pods by what others tell of them: the pool of their node, their labels, the Services that they are behind.

A volume's and a load balancer's part of a pod has to carry the same, or it would stand in a row of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace

from app.cost_known import KnownBalancer, KnownNode
from app.cost_labels import LabelFacts
from app.cost_series import Key
from app.cost_services import Services, Span
from cost.allocation.attached import Use
from cost.allocation.nodes import PodInterval
from cost.allocation.subject import Subject


class Belongings:
    """What is known of pods' surroundings."""

    def __init__(self, nodes: Iterable[KnownNode], services: Services, labels: LabelFacts) -> None:
        """Nothing is changed yet."""
        self._pools = {(node.subject.cluster, node.subject.node): node.subject.node_pool for node in nodes}
        self._labels = labels
        self._services: dict[Key, list[str]] = defaultdict(list)
        for (_, _, name), pods in services.behind.items():
            for pod in pods:
                self._services[pod].append(name)

    def complete(self, pods: Iterable[PodInterval]) -> Iterator[PodInterval]:
        """The same pods; the pieces of one share their subject."""
        before: Subject | None = None
        after = Subject()
        for pod in pods:
            if pod.subject is not before:
                before, after = pod.subject, self._completed(pod.subject)
            yield replace(pod, subject=after)

    def _completed(self, pod: Subject) -> Subject:
        return replace(
            pod, node_pool=self._pools.get((pod.cluster, pod.node), ""), labels=self._labels.of(pod),
            services=tuple(sorted(self._services.get((pod.cluster, pod.namespace, pod.pod), ()))),
        )  # fmt: skip


def uses_of(pods: Iterable[PodInterval]) -> dict[Key, list[Use]]:
    """When each pod ran, by its key; one that came again under its name has several, in their order."""
    found: dict[Key, list[Use]] = defaultdict(list)
    for pod in pods:
        uses = found[pod.subject.cluster, pod.subject.namespace, pod.subject.pod]
        own = Use(subject=pod.subject, start=pod.start, end=pod.end)
        if uses and uses[-1].subject is own.subject:
            uses[-1] = replace(uses[-1], end=own.end)
        else:
            uses.append(own)
    return {key: sorted(uses, key=lambda use: use.start) for key, uses in found.items()}


def balancers(services: Services, pods: dict[Key, list[Use]]) -> Iterator[KnownBalancer]:
    """Load balancers with the pods behind them, as long as both were there."""
    for key, (start, end) in sorted(services.balancers.items()):
        behind = services.behind.get(key, {})
        uses = tuple(use for pod, span in behind.items() for one in pods.get(pod, ()) for use in _while(one, span))
        yield KnownBalancer(cluster=key[0], namespace=key[1], service=key[2], start=start, end=end, uses=uses)


def _while(use: Use, span: Span) -> Iterator[Use]:
    start = max(use.start, span[0])
    ends = [end for end in (use.end, span[1]) if end is not None]
    end = min(ends) if ends else None
    if end is None or end > start:
        yield replace(use, start=start, end=end)
