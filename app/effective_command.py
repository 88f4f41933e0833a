"""``foretide check --effective``: what the documents come to, field by field, each with where it came from."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from app.check import check_query
from domain.workloads import WorkloadFacts
from rules import RuleSet, load_paths
from rules.policy import effective
from rules.provenance import provenance
from rules.schema import ScalingRule
from rules.wording import dotted

MOST_BYTES: Final = 64 * 2**20
_WIDTH: Final = 48
"""A longer value is cut: a query is told apart by its beginning, a default stands in docs/rules.md."""
_KINDS: Final = ("Deployment", "StatefulSet")


def print_effective(paths: Sequence[Path], workloads: Path | None) -> int:
    """Print it; the exit code: 0 all right, 1 a workload is left out, 2 the file of workloads cannot be read."""
    documents = load_paths(paths, check_query=check_query)
    try:
        known = [] if workloads is None else _read(workloads)
    except (OSError, ValueError, yaml.YAMLError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        print(f"foretide: {workloads}: no output of kubectl get -o yaml or json: {said}", file=sys.stderr)
        return 2
    if documents.policies and workloads is None:
        print("policies need workloads to become rules: give --workloads FILE", file=sys.stderr)
    found = effective(documents, known, check_query=check_query)
    for rule in found.ruleset.rules:
        print("\n".join(_lines(rule, found.ruleset)))
    for line in (*found.warnings, *map(str, found.left_out)):
        print(line, file=sys.stderr)
    return 1 if found.left_out else 0


def _lines(rule: ScalingRule, ruleset: RuleSet) -> Iterator[str]:
    values = dict(_leaves(rule.spec.model_dump(mode="json", by_alias=True, exclude_none=True), ()))
    yield f"{rule.key} scales {rule.target}"
    origins = provenance(rule, ruleset)
    wide = max(map(len, origins))
    for field, origin in origins.items():
        value = json.dumps(values.get(field), ensure_ascii=False)
        yield f"  {field:<{wide}} {value if len(value) <= _WIDTH else value[: _WIDTH - 1] + '…':<{_WIDTH}} {origin}"


def _leaves(data: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str, Any]]:
    """Every part by its dotted path; parts that hold others, too."""
    yield dotted(path), data
    inside = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for name, value in inside:
        yield from _leaves(value, (*path, name))


def _read(path: Path) -> list[WorkloadFacts]:
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"larger than {MOST_BYTES // 2**20} MiB")
    text = path.read_text(encoding="utf-8")
    documents = [json.loads(text)] if text.lstrip().startswith("{") else list(yaml.safe_load_all(text))
    items = [item for document in documents for item in _items(document)]
    namespaces = {_name(one): _texts(one, "labels") for one in items if one.get("kind") == "Namespace"}
    return [_facts(one, namespaces) for one in items if one.get("kind") in _KINDS]


def _items(document: Any) -> list[dict[str, Any]]:
    if not isinstance(document, dict):
        raise ValueError("expected objects of Kubernetes")
    listed = document.get("items")
    found = listed if isinstance(listed, list) else [document]
    return [one for one in found if isinstance(one, dict)]


def _facts(item: dict[str, Any], namespaces: dict[str, dict[str, str]]) -> WorkloadFacts:
    namespace = _metadata(item).get("namespace", "default")
    return WorkloadFacts(
        kind=item["kind"], namespace=str(namespace), name=_name(item), labels=_texts(item, "labels"),
        annotations=_texts(item, "annotations"), namespace_labels=namespaces.get(str(namespace), {}),
    )  # fmt: skip


def _metadata(item: dict[str, Any]) -> dict[str, Any]:
    found = item.get("metadata")
    return found if isinstance(found, dict) else {}


def _name(item: dict[str, Any]) -> str:
    return str(_metadata(item).get("name", ""))


def _texts(item: dict[str, Any], field: str) -> dict[str, str]:
    found = _metadata(item).get(field)
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}
