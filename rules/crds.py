"""The CustomResourceDefinition of every kind of document: ``python -m rules.crds`` writes deploy/crds/*.yaml.

They are made of the documents' own models, by way of their JSON Schema; a new kind needs no new code here. Like the
JSON Schema they take the fields' meanings from docs/, so they are written in a checkout, and a test holds them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel

from rules.crd_logic import ADDITIONS
from rules.crd_names import GROUP, VERSION, plural
from rules.crd_status import STATUSES, Status
from rules.json_schema import DOCS, schema
from rules.schema import KINDS
from rules.structural import Node, structural

FOLDER: Final = Path(__file__).parent.parent / "deploy" / "crds"
_HEAD: Final = "# Written by `python -m rules.crds` from the documents' models; edit those.\n"
_SHORT: Final = {
    "ScalingRule": "fsr", "ScalingPolicy": "fsp", "SLO": "fslo", "Budget": "fbudget", "PriceSheet": "fprices",
    "Forecast": "fforecast", "Receiver": "freceiver",
}  # fmt: skip
_READY: Final = (("Ready", "string", '.status.conditions[?(@.type=="Ready")].status'),)
_AGE: Final = (("Age", "date", ".metadata.creationTimestamp"),)
_COLUMNS: Final[dict[str, tuple[tuple[str, str, str], ...]]] = {
    "ScalingRule": (
        ("Target", "string", ".spec.target.name"), ("Mode", "string", ".spec.mode"),
        ("Min", "integer", ".spec.replicas.min"), ("Max", "integer", ".spec.replicas.max"),
        ("Current", "integer", ".status.decision.currentReplicas"),
        ("Desired", "integer", ".status.decision.desiredReplicas"),
        ("HPA alone", "integer", ".status.wouldBe.hpaOnly"), ("Reason", "string", ".status.decision.reason"),
    ),
    "ScalingPolicy": (
        ("Priority", "integer", ".spec.priority"), ("Matched", "integer", ".status.matched"),
        ("Left out", "integer", ".status.leftOut"),
    ),
    "SLO": (("Objective", "number", ".spec.objective"), ("Window", "string", ".spec.window")),
    "Budget": (
        ("Per", "string", ".spec.limit.per"), ("Every", "string", ".spec.period.every"),
        ("Spent", "string", ".status.spent"), ("Limit", "string", ".status.limit"),
        ("Forecast", "string", ".status.forecast.p50"), ("P over", "number", ".status.forecast.probOver"),
        ("Firing", "string", '.status.thresholds[?(@.state=="Firing")].id'),
    ),
    "PriceSheet": (("Currency", "string", ".spec.currency"),),
    "Forecast": (("Horizon", "string", ".spec.horizon"),),
}  # fmt: skip


def crds(docs: Path = DOCS) -> dict[str, dict[str, Any]]:
    """The definitions by the name of their file."""
    defs: dict[str, Node] = dict(schema(docs)["$defs"])
    statuses: tuple[type[Status], ...] = (Status, *STATUSES.values())
    for status in statuses:
        defs |= _definitions(status)
    return {f"{plural(kind)}.yaml": _crd(kind, model, defs) for kind, model in KINDS.items()}


def _definitions(model: type[BaseModel]) -> dict[str, Node]:
    made = model.model_json_schema(by_alias=True, mode="validation")
    return {**made.pop("$defs", {}), model.__name__: made}


def _crd(kind: str, model: type[BaseModel], defs: dict[str, Node]) -> dict[str, Any]:
    names: dict[str, Any] = {"kind": kind, "listKind": f"{kind}List", "plural": plural(kind), "singular": kind.lower()}
    if kind in _SHORT:
        names["shortNames"] = [_SHORT[kind]]
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            {"name": name, "type": type_, "jsonPath": path} for name, type_, path in _columns(kind)
        ],
        "schema": {"openAPIV3Schema": _schema(kind, model, defs)},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural(kind)}.{GROUP}", "labels": {"app.kubernetes.io/part-of": "foretide"}},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {**names, "categories": ["foretide"]},
            "versions": [version],
        },
    }


def _columns(kind: str) -> tuple[tuple[str, str, str], ...]:
    return (*_COLUMNS.get(kind, ()), *_READY, *_AGE)


def _schema(kind: str, model: type[BaseModel], defs: dict[str, Node]) -> Node:
    """The document: the server itself knows apiVersion, kind and metadata."""
    spec = structural(_model_of(defs[kind]["properties"]["spec"]), defs, ADDITIONS)
    status = structural(STATUSES.get(kind, Status).__name__, defs, ADDITIONS)
    plain: Node = {name: {"type": "string"} for name in ("apiVersion", "kind")}
    return {
        "type": "object",
        "description": str(defs[kind].get("description", "")),
        "required": ["spec"],
        "properties": {**plain, "metadata": {"type": "object"}, "spec": spec, "status": status},
    }


def _model_of(node: Node) -> str:
    return str(node["$ref"]).rpartition("/")[2]


def files(docs: Path = DOCS) -> dict[str, str]:
    """What stands in the folder, by the name of the file."""
    made = crds(docs)
    api_version = "kustomize.config.k8s.io/v1beta1"
    kustomization = {"apiVersion": api_version, "kind": "Kustomization", "resources": sorted(made)}
    return {name: _text(one) for name, one in {**made, "kustomization.yaml": kustomization}.items()}


def _text(of: dict[str, Any]) -> str:
    return _HEAD + yaml.safe_dump(of, sort_keys=False, width=120, allow_unicode=True)


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"{FOLDER.name}/{name}\n")
