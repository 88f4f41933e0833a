"""Which workloads there are, for policies: as kube-state-metrics tells it, or as this machine runs them.

kube-state-metrics tells of labels and annotations only those that its ``--metric-labels-allowlist`` and
``--metric-annotations-allowlist`` name; a policy by labels finds nobody without them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from domain.workloads import WorkloadFacts

SeriesLabels = Mapping[str, str]
Ask = Callable[[str], Iterable[SeriesLabels]]
"""The labels of every series that a PromQL text yields now."""
_KINDS: Final = {
    "Deployment": ("deployment", "kube_deployment_spec_replicas"),
    "StatefulSet": ("statefulset", "kube_statefulset_replicas"),
}


def from_kube_state(ask: Ask) -> tuple[WorkloadFacts, ...]:
    """Every workload that can be scaled, in seven queries however many there are."""
    namespaces = {one.get("namespace", ""): _with("label_", one) for one in ask("kube_namespace_labels")}
    found = []
    for kind, (label, metric) in _KINDS.items():
        labels = {_at(one, label): _with("label_", one) for one in ask(f"kube_{label}_labels")}
        annotations = {_at(one, label): _with("annotation_", one) for one in ask(f"kube_{label}_annotations")}
        for at in sorted({_at(one, label) for one in ask(metric)}):
            namespace, name = at
            facts = WorkloadFacts(
                kind=kind, namespace=namespace, name=name, labels=labels.get(at, {}),
                annotations=annotations.get(at, {}), namespace_labels=namespaces.get(namespace, {}),
            )  # fmt: skip
            found.append(facts)
    return tuple(found)


def _at(series: SeriesLabels, label: str) -> tuple[str, str]:
    return series.get("namespace", ""), series.get(label, "")


def _with(prefix: str, series: SeriesLabels) -> dict[str, str]:
    return {name.removeprefix(prefix): value for name, value in series.items() if name.startswith(prefix)}
