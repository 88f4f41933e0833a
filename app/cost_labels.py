"""Labels of pods by which cost is grouped: a pod's own, else its workload's, else its namespace's.

Labels of workloads and namespaces are told anyway; those of pods only where somebody names them, since each is a
series for each pod. Only the labels that are asked for are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from app.cost_series import Key, SeriesReader, Spell, cluster_of, named, series_names
from cost.allocation.nodes import Window
from cost.allocation.subject import Subject
from domain.names import NAMESPACE

_SOURCES: Final = ("pod", "deployment", "statefulset", "daemonset", "namespace")
_OWNERS: Final = {"Deployment": "deployment", "StatefulSet": "statefulset", "DaemonSet": "daemonset"}
_Labels = Mapping[str, str]


class LabelFacts:
    """What is known of some labels in a window."""

    def __init__(self, reader: SeriesReader, names: Sequence[str], window: Window, alone: str) -> None:
        """Reads them; nothing is asked where no label is wanted."""
        self._names = names
        self._known = {
            kind: self._of_kind(reader, kind, window, alone) if names else {} for kind in _SOURCES
        }  # fmt: skip

    def of(self, subject: Subject) -> dict[str, str]:
        """The labels of a pod; what has no value is not in it."""
        found: dict[str, str] = {}
        for labels in self._nearest(subject):
            for name, value in labels.items():
                found.setdefault(name, value)
        return found

    @property
    def notes(self) -> Iterator[str]:
        """Labels that nothing has."""
        for name in self._names:
            if not any(name in labels for kind in self._known.values() for labels in kind.values()):
                yield (
                    f"label {name}: no pod, workload or namespace is known to have it. Labels of pods are kept where "
                    "kubernetes.collect_labels names them (kube-state-metrics: --metric-labels-allowlist)"
                )

    def _nearest(self, subject: Subject) -> Iterator[_Labels]:
        cluster, namespace = subject.cluster, subject.namespace
        yield self._known["pod"].get((cluster, namespace, subject.pod), {})
        if (kind := _OWNERS.get(subject.owner_kind)) is not None:
            yield self._known[kind].get((cluster, namespace, subject.owner), {})
        yield self._known["namespace"].get((cluster, namespace, namespace), {})

    def _of_kind(self, reader: SeriesReader, kind: str, window: Window, alone: str) -> dict[Key, _Labels]:
        """By cluster, namespace and name; a label that changed in the window counts as it is at the end."""
        by = sorted({series for name in self._names for series in series_names(name)})
        expr = f"max by (job, instance, cluster, namespace, {', '.join({kind: None, **dict.fromkeys(by)})})"
        found: dict[Key, _Labels] = {}
        for spell in sorted(reader.spells(f"{expr} (kube_{kind}_labels)", window), key=_last):
            own = {name: value for name in self._names if (value := named(spell.labels, name))}
            if own:
                key = cluster_of(spell.labels, alone), spell.labels.get(NAMESPACE, ""), spell.labels.get(kind, "")
                found[key] = own
        return found


def _last(spell: Spell) -> tuple[bool, float]:
    return spell.end is None, spell.start.timestamp() if spell.end is None else spell.end.timestamp()
