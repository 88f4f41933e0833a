"""Patch mode: what ``assess`` proposes as files for a pull request, in place of touching a cluster.

A folder for each namespace is a kustomize component with a patch for each HPA whose own settings can do better; a table
tells why. A patch finds its HPA by name, so that it does not matter whether Git's manifests name their namespace.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from app.assess_replay import PATCH, Assessed
from app.assess_report import Report, cost_now, fidelity_short, plain_short, summary, violated_short
from domain.errors import SettingsError

_HEAD: Final = ("autoscaler", "file", "fidelity", "violated min", "now a month", "best settings", "why")


def check(folder: Path) -> None:
    """Raises ``SettingsError`` for a folder that holds something: what a former run left would be taken for advice."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SettingsError(f"--patches {folder}: expected a folder that is empty or not there yet")


def write(report: Report, folder: Path) -> list[Path]:
    """The files, in the order of the report; the table is ``README.md``."""
    advised = [one for one in report.found if one.advice == PATCH]
    written = [_write(folder, one) for one in advised if _spec(one)]
    for namespace in sorted({one.namespace for one in advised if _spec(one)}):
        component = _component(one for one in advised if one.namespace == namespace and _spec(one))
        _new(folder / namespace / "kustomization.yaml", yaml.safe_dump(component, sort_keys=False))
    _new(folder / "README.md", "\n".join(_table(report, advised)) + "\n")
    return written


def _write(folder: Path, one: Assessed) -> Path:
    body = {
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": one.name, "namespace": one.namespace}, "spec": _spec(one),
    }  # fmt: skip
    notes = [f"# {one.reason}", *(f"# {note}" for note in _notes(one))]
    path = folder / one.namespace / f"{one.name}.yaml"
    _new(path, "\n".join([*notes, yaml.safe_dump(body, sort_keys=False)]))
    return path


def _component(advised: Iterable[Assessed]) -> dict[str, Any]:
    target = {"group": "autoscaling", "kind": "HorizontalPodAutoscaler"}
    patches = [{"path": f"{one.name}.yaml", "target": {**target, "name": one.name}} for one in advised]
    return {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component", "patches": patches}


def _spec(one: Assessed) -> dict[str, Any]:
    """What the patch sets; empty where it only says what to do by hand."""
    return dict((yaml.safe_load(one.patch) or {}).get("spec") or {})


def _notes(one: Assessed) -> Iterator[str]:
    for line in one.patch.splitlines():
        if line.startswith("# ") and not line.startswith("# kubectl "):
            yield line.removeprefix("# ")


def _table(report: Report, advised: Iterable[Assessed]) -> Iterator[str]:
    yield "# Better settings of HorizontalPodAutoscalers, proposed by `foretide assess`"
    yield ""
    yield from (f"{line}\n" for line in summary(report))
    yield "Take a namespace's folder into its overlay: `components: [PATH/NAMESPACE]`. Read each file before."
    yield ""
    yield _row(_HEAD)
    yield _row("---" for _ in _HEAD)
    for one in advised:
        spec = _spec(one)
        file = f"[{one.namespace}/{one.name}.yaml]({one.namespace}/{one.name}.yaml)" if spec else "by hand"
        why = one.reason if spec else f"{one.reason}: {'; '.join(_notes(one))}"
        yield _row(
            (
                one.key,
                file,
                fidelity_short(one),
                violated_short(one),
                cost_now(one, report.sheet),
                plain_short(one),
                why,
            )
        )


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _new(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
