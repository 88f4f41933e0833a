"""The objects of deploy/kubernetes and deploy/crds, as kustomize would hand them over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
CRDS = ROOT / "deploy" / "crds"
APART = tuple(FOLDER / name for name in ("adapter", "discovery", "keda-scaler", "opt-in", "webhook"))
"""What is applied by itself, by who wants it."""
Object = dict[str, Any]


def objects(folder: Path) -> list[Object]:
    """Of a folder with a kustomization, and of those that it names, in its order."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    found: list[Object] = []
    for name in kustomization["resources"]:
        path = folder / name
        found += objects(path.resolve()) if path.is_dir() else _in(path)
    return found


def opt_in(*ways: str) -> list[Object]:
    """The RoleBindings by which a namespace lets Foretide act in so many ways."""
    return [one for one in objects(FOLDER / "opt-in") if one["metadata"]["name"].rpartition("-")[2] in ways]


def everything() -> list[Object]:
    return [one for folder in (FOLDER, *APART) for one in objects(folder)]


def of_kind(*kinds: str) -> Iterator[Object]:
    yield from (one for one in everything() if one["kind"] in kinds)


def pods() -> list[Object]:
    """The pod templates."""
    return [
        *(one["spec"]["template"] for one in of_kind("Deployment")),
        *(one["spec"]["jobTemplate"]["spec"]["template"] for one in of_kind("CronJob")),
    ]


def _in(path: Path) -> list[Object]:
    return [one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one is not None]
