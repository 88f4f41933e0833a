"""Traffic of pods as the allocation of cost takes it: GiB by where they went, as OpenCost's network-costs counts them.

cAdvisor counts bytes too, but not where to. Those have no price; they are told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Final

import numpy as np

from app.cost_series import Key, SeriesReader, cluster_of, window_of
from cost.allocation.attached import Direction, Traffic, Use
from cost.allocation.nodes import Window
from domain.names import NAMESPACE

_CLASSED: Final = "kubecost_pod_network_egress_bytes_total"
_BY: Final = "cluster, namespace, pod_name, internet, same_zone, sameZone, same_region, sameRegion"
"""Older ones write ``sameZone``."""
_PLAIN: Final = (
    'sum(rate(container_network_transmit_bytes_total{pod!=""}[5m]) unless on (namespace, pod) '
    'kube_pod_info{host_network="true"})'
)
"""Pods of the host's network count what the host sends."""
_GIB: Final = 2.0**30


class TrafficReader:
    """Asks for it."""

    def __init__(self, reader: SeriesReader, window: Window, alone: str) -> None:
        """Nothing is asked yet; what names no cluster is of ``alone``."""
        self._reader, self._window, self._alone = reader, window, alone
        self.notes: list[str] = []

    def of(self, pods: Mapping[Key, list[Use]]) -> tuple[Traffic, ...]:
        """What each pod sent, and in ``notes`` what of it is not known."""
        grown = self._reader.increases(_CLASSED, _BY, self._window)
        if not grown:
            self._tell_unclassed()
            return ()
        sent: dict[Key, dict[Direction, float]] = defaultdict(lambda: defaultdict(float))
        broken: set[str] = set()
        for pairs, value in grown.items():
            labels = dict(pairs)
            name, to = labels.get("pod_name", ""), _direction(labels)
            if value < 0:
                broken.add(name)
            elif to is not None and value:
                sent[cluster_of(labels, self._alone), labels.get(NAMESPACE, ""), name][to] += value / _GIB
        self.notes += [f"traffic of {name}: {_CLASSED} is below zero; it is left out" for name in sorted(broken)]
        lost = {pod for pod in sent if not pods.get(pod)}
        if lost:
            told = sum(sum(sent[pod].values()) for pod in lost)
            self.notes.append(f"traffic of {len(lost)} pods that are not known, {told:.2f} GiB: not in the sums")
        return tuple(_traffic(pods[pod], sent[pod]) for pod in sorted(sent.keys() - lost))

    def _tell_unclassed(self) -> None:
        """Five minutes of each hour are enough for a note: whole hours of 5,000 pods are 58,000,000 samples a day."""
        hours = window_of(self._window.start, self._window.end, longest=timedelta(hours=1))
        sent = sum(float(np.nansum(line.values)) for line in self._reader.lines(_PLAIN, hours))
        if sent > 0:
            gib = sent * hours.step.total_seconds() / _GIB
            self.notes.append(
                f"pods sent some {gib:.2f} GiB (container_network_transmit_bytes_total); no series says where to, so "
                f"that they have no price: OpenCost's network-costs does, by {_CLASSED}"
            )


def _traffic(uses: Iterable[Use], gib: Mapping[Direction, float]) -> Traffic:
    """Of a pod that was recreated under its name, the last pays: counters do not tell them apart."""
    return Traffic(containers=(list(uses)[-1].subject,), gib=dict(gib))


def _direction(labels: Mapping[str, str]) -> Direction | None:
    """Where to; None within a zone, which is free.

    Source:
        OpenCost, pkg/costmodel/allocation.go: the queries of network GiB by zone, region and internet.
    """
    if labels.get("internet") == "true":
        return "internet"
    if (labels.get("same_region") or labels.get("sameRegion")) == "false":
        return "region"
    return "zone" if (labels.get("same_zone") or labels.get("sameZone")) == "false" else None
