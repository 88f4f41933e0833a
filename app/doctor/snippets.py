"""What to paste into Git so that a GitOps tool leaves the bounds to us; docs/doctor.md names whose documentation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import yaml

from app.doctor.managers import FIELDS
from controller.cluster.kubernetes_autoscalers import MANAGER, Autoscaler

IGNORE_FIELDS: Final = ("ignore", "driftIgnoreRules")
"""What a Kustomization's ignore rules are called: as announced in August 2026, and in the proposal before it."""


def argo_cd(found: Autoscaler) -> str:
    """For ``spec`` of the Application."""
    ignored = {**_target(found), "managedFieldsManagers": [MANAGER]}
    return _yaml({
        "spec": {
            "ignoreDifferences": [ignored],
            "syncPolicy": {"syncOptions": ["RespectIgnoreDifferences=true"]},
        }
    })  # fmt: skip


def kustomization_ignore(found: Autoscaler, fields: Iterable[str], name: str) -> str:
    """For ``spec`` of a Flux Kustomization whose CRD has a field of ignore rules, ``name``."""
    return _yaml({"spec": {name: [_rule(found, fields)]}})


def if_not_present(found: Autoscaler) -> str:
    """For the autoscaler's manifest in Git, on any Flux."""
    annotations = {"kustomize.toolkit.fluxcd.io/ssa": "IfNotPresent"}
    metadata = {"name": found.metadata.name, "namespace": found.metadata.namespace, "annotations": annotations}
    return _yaml({"apiVersion": found.kind.api_version, "kind": found.kind.kind, "metadata": metadata})


def helm_release(found: Autoscaler, fields: Iterable[str]) -> str:
    """For ``spec`` of a HelmRelease."""
    return _yaml({"spec": {"driftDetection": {"ignore": [_rule(found, fields)]}}})


def scale_down_policies() -> str:
    """For an HPA without any: a tenth a minute, as our own floors come down, and two pods where that is less."""
    policies = [
        {"type": "Percent", "value": 10, "periodSeconds": 60},
        {"type": "Pods", "value": 2, "periodSeconds": 60},
    ]
    return _yaml({"spec": {"behavior": {"scaleDown": {"policies": policies}}}})


def pointers(found: Autoscaler, fields: Iterable[str]) -> list[str]:
    """JSON Pointers, in the order of the bounds."""
    wanted = set(fields)
    return [f"/spec/{name}" for name in FIELDS[found.kind.kind] if name in wanted]


def _rule(found: Autoscaler, fields: Iterable[str]) -> dict[str, Any]:
    return {"paths": pointers(found, fields), "target": _target(found)}


def _target(found: Autoscaler) -> dict[str, str]:
    return {
        "group": found.kind.group, "kind": found.kind.kind, "name": found.metadata.name,
        "namespace": found.metadata.namespace,
    }  # fmt: skip


def _yaml(made: dict[str, Any]) -> str:
    return yaml.safe_dump(made, sort_keys=False, default_flow_style=False)
