"""Who else manages an autoscaler's bounds, from ``managedFields``, labels and annotations.

Our own write takes the bounds out of their owner's entry. While we hold them, whoever owns anything else of the spec is
taken for their owner.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from controller.cluster.kubernetes_autoscalers import MANAGER, Autoscaler
from kube import Ownership, ownerships

FIELDS: Final = {
    "HorizontalPodAutoscaler": ("minReplicas", "maxReplicas"),
    "ScaledObject": ("minReplicaCount", "maxReplicaCount"),
}


class Tool(StrEnum):
    """What writes manifests."""

    ARGO_CD = "Argo CD"
    FLUX_KUSTOMIZE = "Flux's kustomize-controller"
    FLUX_HELM = "Flux's helm-controller"
    HELM = "Helm"
    KEDA = "KEDA"
    KUBECTL = "kubectl"
    OTHER = "another manager"


_BY_MANAGER: Final = (
    ("argocd", Tool.ARGO_CD),
    ("kustomize-controller", Tool.FLUX_KUSTOMIZE),
    ("helm-controller", Tool.FLUX_HELM),
    ("helm", Tool.HELM),
    ("keda", Tool.KEDA),
    ("kubectl", Tool.KUBECTL),
    ("before-first-apply", Tool.KUBECTL),
)
"""How a manager's name begins. Clients are named after their binary unless they say otherwise."""

TRACKING_ID: Final = "argocd.argoproj.io/tracking-id"
_FLUX_KUSTOMIZE: Final = "kustomize.toolkit.fluxcd.io/name"
_FLUX_HELM: Final = "helm.toolkit.fluxcd.io/name"
_HELM_LABEL: Final = "app.kubernetes.io/managed-by"
_HELM_RELEASE: Final = "meta.helm.sh/release-name"


@dataclass(slots=True, kw_only=True)
class Manages:
    """One tool, what of the bounds it would write, and how we know.

    ``named`` is namespace and name of the Application, Kustomization, HelmRelease or release, as far as they are told.
    """

    tool: Tool
    fields: set[str] = field(default_factory=set)
    evidence: list[str] = field(default_factory=list)
    named: tuple[str, str] = ("", "")
    name: str = ""
    """Of the manager, for those that are no tool we know."""
    applies: bool = False

    @property
    def known_by(self) -> str:
        """The evidence in one line."""
        return ", ".join(self.evidence)


def managers_of(found: Autoscaler) -> list[Manages]:
    """Everybody but us, GitOps tools first."""
    by_tool: dict[tuple[Tool, str], Manages] = {}
    entries = [one for one in ownerships(found.metadata) if one.subresource not in ("status", "scale")]
    bounds = FIELDS[found.kind.kind]
    ours = {name for one in entries if one.manager == MANAGER for name in _owned(one, bounds)}
    for entry in entries:
        if entry.manager == MANAGER or not any(path[:1] == ("spec",) for path in entry.paths):
            continue
        tool = _tool(entry.manager)
        key = (tool, entry.manager if tool is Tool.OTHER else "")
        one = by_tool.setdefault(key, Manages(tool=tool, name=entry.manager))
        one.fields |= _owned(entry, bounds) | ours
        one.applies |= entry.operation == "Apply"
        one.evidence.append(f"manager {entry.manager} ({entry.operation})")
    for tool, evidence, named in _labelled(found.metadata.labels or {}, found.annotations):
        one = by_tool.setdefault((tool, ""), Manages(tool=tool))
        one.fields |= ours if entries else set(bounds)
        one.named = one.named if one.named != ("", "") else named
        one.evidence.append(evidence)
    flux = (Tool.FLUX_HELM, "") in by_tool
    found_ones = [one for (tool, _), one in by_tool.items() if not (flux and tool is Tool.HELM)]
    return sorted(found_ones, key=lambda one: list(Tool).index(one.tool))


def _owned(entry: Ownership, bounds: tuple[str, ...]) -> set[str]:
    return {name for name in bounds if any(path[:2] == ("spec", name) for path in entry.paths)}


def _tool(manager: str) -> Tool:
    return next((tool for prefix, tool in _BY_MANAGER if manager.lower().startswith(prefix)), Tool.OTHER)


def _labelled(labels: Mapping[str, str], annotations: Mapping[str, str]) -> Iterator[tuple[Tool, str, tuple[str, str]]]:
    """What labels and annotations tell: the tool, the evidence, whose."""
    if tracked := annotations.get(TRACKING_ID):
        namespace, _, name = tracked.partition(":")[0].rpartition("_")  # NAMESPACE_NAME of apps in any namespace
        yield Tool.ARGO_CD, f"annotation {TRACKING_ID}: {tracked}", (namespace, name)
    if flux := labels.get(_FLUX_KUSTOMIZE):
        named = (labels.get("kustomize.toolkit.fluxcd.io/namespace", ""), flux)
        yield Tool.FLUX_KUSTOMIZE, f"label {_FLUX_KUSTOMIZE}: {flux}", named
    if release := labels.get(_FLUX_HELM):
        named = (labels.get("helm.toolkit.fluxcd.io/namespace", ""), release)
        yield Tool.FLUX_HELM, f"label {_FLUX_HELM}: {release}", named
    elif labels.get(_HELM_LABEL) == "Helm" and not tracked:
        named = (annotations.get("meta.helm.sh/release-namespace", ""), annotations.get(_HELM_RELEASE, ""))
        yield Tool.HELM, f"label {_HELM_LABEL}: Helm", named
