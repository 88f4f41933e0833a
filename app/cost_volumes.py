"""Persistent volumes as the allocation of cost takes them: how large, of which class, and by whom they are mounted.

A volume that no pod mounts is there all the same: released, or claimed and not used.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from app.cost_known import KnownVolume
from app.cost_series import GIB, Key, SeriesReader, cluster_of, exact, filled, key_of, merged, seen, span
from cost.allocation.attached import Use
from cost.allocation.nodes import Window
from cost.pricing.things import VolumeFacts
from domain.names import NAMESPACE
from domain.series import FloatArray

_OF: Final = "max by (job, instance, cluster, {by}) ({series})"
_LARGEST: Final = 10 * 2.0**50
"""OpenCost's own limit: above 10 PiB a capacity is a broken number."""
Volume = tuple[str, str]
"""Cluster and name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volumes:
    """Those that can be charged, and sentences about the others."""

    known: tuple[KnownVolume, ...]
    notes: tuple[str, ...]


class VolumeReader:
    """Asks for them."""

    def __init__(self, reader: SeriesReader, window: Window, alone: str) -> None:
        """Nothing is asked yet; what names no cluster is of ``alone``."""
        self._reader, self._window, self._alone = reader, window, alone

    def of(self, pods: Mapping[Key, list[Use]], regions: Mapping[str, str]) -> Volumes:
        """Each volume in pieces of equal capacity.

        Args:
            pods: When each pod ran.
            regions: Of the clusters whose nodes are all in one.
        """
        sizes = self._values("kube_persistentvolume_capacity_bytes", "persistentvolume")
        classes, claims = self._claimed()
        if not classes and not sizes:
            return Volumes(known=(), notes=())
        asked = self._values("kube_persistentvolumeclaim_resource_requests_storage_bytes", "persistentvolumeclaim")
        uses = self._uses(pods)
        known: list[KnownVolume] = []
        notes: list[str] = []
        for volume in sorted(classes.keys() | {(cluster, name) for cluster, _, name in sizes}):
            cluster, name = volume
            claim = claims.get(volume)
            size = sizes.get((cluster, "", name))
            if size is None and claim is not None and (size := asked.get(claim)) is not None:
                notes.append(f"volume {name}: its capacity is not told; it counts as large as its claim asks for")
            if size is None:
                notes.append(f"volume {name}: neither its capacity nor its claim's request is told: not in the sums")
                continue
            facts = VolumeFacts(name=name, storage_class=classes.get(volume, ""), region=regions.get(cluster, ""))
            users = tuple(uses.get(claim, ())) if claim is not None else ()
            known += self._pieces(cluster, facts, size, users, notes)
        return Volumes(known=tuple(known), notes=tuple(notes))

    def _pieces(
        self, cluster: str, facts: VolumeFacts, sizes: FloatArray, uses: tuple[Use, ...], notes: list[str]
    ) -> Iterator[KnownVolume]:
        """A volume may grow where it is."""
        start, end = span(sizes, self._window)
        whole = filled(sizes, self._window.steps)
        cuts = np.flatnonzero(np.diff(whole)) + 1
        for first, after in zip([0, *cuts], [*cuts, None], strict=True):
            size = float(whole[first])
            if not 0 < size <= _LARGEST:
                notes.append(f"volume {facts.name}: a capacity of {size:g} bytes is none: not in the sums")
                continue
            left = start if first == 0 else max(start, seen(int(first), self._window))
            right = end if after is None else seen(int(after), self._window)
            priced = VolumeFacts(
                name=facts.name, storage_class=facts.storage_class, region=facts.region, gib=exact(size) / GIB
            )
            yield KnownVolume(cluster=cluster, facts=priced, start=left, end=right, uses=uses)

    def _claimed(self) -> tuple[dict[Volume, str], dict[Volume, Key]]:
        """The class and the claim of each volume, told by itself or by the claim."""
        classes: dict[Volume, str] = {}
        claims: dict[Volume, Key] = {}
        by = "namespace, persistentvolumeclaim, volumename, storageclass"
        series = 'kube_persistentvolumeclaim_info{volumename!=""}'
        for spell in self._reader.spells(_OF.format(by=by, series=series), self._window):
            cluster, labels = cluster_of(spell.labels, self._alone), spell.labels
            volume = cluster, labels["volumename"]
            classes[volume] = labels.get("storageclass", "")
            claims[volume] = cluster, labels.get(NAMESPACE, ""), labels.get("persistentvolumeclaim", "")
        expr = _OF.format(by="persistentvolume, storageclass", series="kube_persistentvolume_info")
        for spell in self._reader.spells(expr, self._window):
            volume = cluster_of(spell.labels, self._alone), spell.labels.get("persistentvolume", "")
            classes[volume] = spell.labels.get("storageclass") or classes.get(volume, "")
        expr = _OF.format(by="persistentvolume, claim_namespace, name", series="kube_persistentvolume_claim_ref")
        for spell in self._reader.spells(expr, self._window):
            cluster, labels = cluster_of(spell.labels, self._alone), spell.labels
            claims[cluster, labels.get("persistentvolume", "")] = (
                cluster, labels.get("claim_namespace", ""), labels.get("name", ""),
            )  # fmt: skip
        return classes, claims

    def _uses(self, pods: Mapping[Key, list[Use]]) -> dict[Key, list[Use]]:
        """Who mounts each claim: a pod holds it from being scheduled to its end."""
        by, series = "namespace, pod, persistentvolumeclaim", "kube_pod_spec_volumes_persistentvolumeclaims_info"
        found: dict[Key, dict[Key, list[Use]]] = defaultdict(dict)
        for spell in self._reader.spells(_OF.format(by=by, series=series), self._window):
            pod = key_of(spell.labels, self._alone)
            claim = (*pod[:2], spell.labels.get("persistentvolumeclaim", ""))
            found[claim][pod] = pods.get(pod, [])
        return {claim: [use for uses in by_pod.values() for use in uses] for claim, by_pod in found.items()}

    def _values(self, series: str, by: str) -> dict[Key, FloatArray]:
        """Whole lines, by cluster, namespace and name; a volume has none, whatever its exporter runs in."""
        own = f"namespace, {by}" if by == "persistentvolumeclaim" else by
        lines = self._reader.lines(_OF.format(by=own, series=series), self._window)

        def key(labels: Mapping[str, str]) -> Key:
            return cluster_of(labels, self._alone), labels.get(NAMESPACE, ""), labels.get(by, "")

        return {one: line.values for one, line in merged(lines, key).items()}
