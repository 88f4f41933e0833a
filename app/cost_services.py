"""Services as the allocation of cost takes them: which pods stand behind each, and which have a load balancer.

A slice's label names its Service; a kube-state-metrics tells that label only where it is allowed to, and then the
slice's own name has to do: its controller calls it after the Service, with five more characters.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from app.cost_series import Key, SeriesReader, Spell, cluster_of
from cost.allocation.nodes import Window
from domain.names import NAMESPACE

Span = tuple[datetime, datetime | None]
_OF: Final = "max by (job, instance, cluster, namespace, {by}) ({series})"
_NAMED: Final = "label_kubernetes_io_service_name"
_MOST_NAMED: Final = 50
"""Slices that a query names one by one; of more all are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What is known of them.

    Attributes:
        balancers: Those with a load balancer that has an address, and since when.
        waiting: Those that have asked for one and have no address.
        behind: The pods behind each Service that was looked at, and when they were.
    """

    balancers: Mapping[Key, Span]
    waiting: Collection[Key]
    behind: Mapping[Key, Mapping[Key, Span]]


class ServiceFacts:
    """Asks for them."""

    def __init__(self, reader: SeriesReader, alone: str) -> None:
        """Nothing is asked yet; what names no cluster is of ``alone``."""
        self._reader, self._alone = reader, alone

    def of(self, window: Window, *, every: bool) -> Services:
        """Services with load balancers, and with ``every`` all others, too."""
        asked = self._spans('kube_service_spec_type{type="LoadBalancer"}', "service", window)
        made = self._spans("kube_service_status_load_balancer_ingress", "service", window) if asked else {}
        balancers = {key: made[key] for key in asked if key in made}
        behind = self._behind(window, None if every else balancers) if every or balancers else {}
        return Services(balancers=balancers, waiting=sorted(asked.keys() - made.keys()), behind=behind)

    def _behind(self, window: Window, only: Collection[Key] | None) -> dict[Key, dict[Key, Span]]:
        slices = {key: of for key, of in self._slices(window).items() if only is None or of in only}
        if not slices:
            return {}
        names = sorted({key[2] for key in slices})
        some = f',endpointslice=~"{"|".join(names)}"' if len(names) <= _MOST_NAMED else ""
        series = f'kube_endpointslice_endpoints{{targetref_kind="Pod"{some}}}'
        found: dict[Key, dict[Key, Span]] = defaultdict(dict)
        for spell in self._reader.spells(_OF.format(by="endpointslice, targetref_name", series=series), window):
            service = slices.get(self._key(spell, "endpointslice"))
            if service is not None:
                pods, pod = found[service], (*service[:2], spell.labels.get("targetref_name", ""))
                pods[pod] = joined(pods.get(pod), spell)
        return found

    def _slices(self, window: Window) -> dict[Key, Key]:
        """The Service of each slice."""
        found: dict[Key, Key] = {}
        services = self._spans("kube_service_info", "service", window).keys()
        for key in self._spans("kube_endpointslice_info", "endpointslice", window):
            cluster, namespace, name = key
            service = cluster, namespace, name.rpartition("-")[0]
            if service in services:
                found[key] = service
        expr = _OF.format(by=f"endpointslice, {_NAMED}", series="kube_endpointslice_labels")
        for spell in self._reader.spells(expr, window):
            if name := spell.labels.get(_NAMED, ""):
                cluster, namespace, _ = key = self._key(spell, "endpointslice")
                found[key] = cluster, namespace, name
        return found

    def _spans(self, series: str, by: str, window: Window) -> dict[Key, Span]:
        found: dict[Key, Span] = {}
        for spell in self._reader.spells(_OF.format(by=by, series=series), window):
            key = self._key(spell, by)
            found[key] = joined(found.get(key), spell)
        return found

    def _key(self, spell: Spell, by: str) -> Key:
        labels = spell.labels
        return cluster_of(labels, self._alone), labels.get(NAMESPACE, ""), labels.get(by, "")


def joined(known: Span | None, spell: Spell) -> Span:
    """From the first to the last of two spells of the same thing: an exporter that moved tells it anew."""
    if known is None:
        return spell.start, spell.end
    ends = known[1], spell.end
    return min(known[0], spell.start), None if ends[0] is None or ends[1] is None else max(ends[0], ends[1])
