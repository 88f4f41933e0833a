"""Rules that say the same of many workloads become one ScalingPolicy.

Whom it is for must be said by a label, since an autoscaler does not tell how its workload is labelled: the commands
that set it stand above the document, and until they have run the policy finds nobody.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from app.import_rules import Written

MANY: Final = 5
"""Fewer rules are as quickly read as a policy with its labels."""
LABEL: Final = "foretide.dev/policy"
_QUERIES: Final = ("query", "expr")
_NAMING: Final = ("hpa", "scaledObject")


def with_policies(written: Sequence[Written]) -> list[Written]:
    """Alike rules as policies, all others as they are, in the order of the first of each."""
    groups: dict[str, list[Written]] = {}
    for one in written:
        groups.setdefault(json.dumps(_template(one), default=str), []).append(one)
    names = iter(f"imported-{number}" for number in range(1, len(groups) + 1))
    return [made for group in groups.values() for made in _of(group, names)]


def _of(group: Sequence[Written], names: Iterator[str]) -> Sequence[Written]:
    if len(group) < MANY:
        return group
    name, namespaces = next(names), sorted({one.namespace for one in group})
    kinds = sorted({one.spec["target"]["kind"] for one in group})
    selector = {"namespaces": {"names": namespaces}, "matchLabels": {LABEL: name}, "kinds": kinds}
    spec = {"selector": selector, "template": _template(group[0])}
    unequal = {one.field: one for written in group for one in written.unequal}
    return [
        Written(
            kind="ScalingPolicy", namespace="default", name=name, spec=spec, comments=tuple(_commands(group, name)),
            origin=f"{len(group)} autoscalers that say the same; the first is {group[0].origin}",
            unequal=tuple(unequal.values()),
        )
    ]  # fmt: skip


def _commands(group: Sequence[Written], name: str) -> Iterator[str]:
    yield "It is for the workloads with its label:"
    for one in group:
        target = one.spec["target"]
        yield f"kubectl -n {one.namespace} label {target['kind'].lower()} {target['name']} {LABEL}={name}"


def _template(one: Written) -> dict[str, Any]:
    """The spec for any workload: its name and its namespace, where they are a label's value or name the autoscaler."""
    names = {one.spec["target"]["name"]: "{{name}}", one.namespace: "{{namespace}}"}
    return {key: _filled(value, names, key) for key, value in one.spec.items() if key != "target"}


def _filled(data: Any, names: dict[str, str], key: str) -> Any:
    if isinstance(data, dict):
        return {name: _filled(value, names, name) for name, value in data.items()}
    if isinstance(data, list):
        return [_filled(one, names, key) for one in data]
    if key in _NAMING:  # the workload's name, or made of it: web-scaler, keda-hpa-web
        name = next(iter(names))
        return f"-{data}-".replace(f"-{name}-", f"-{names[name]}-", 1)[1:-1]
    if key not in _QUERIES or not isinstance(data, str):
        return data
    for name, placeholder in names.items():
        data = data.replace(f'"{name}"', f'"{placeholder}"').replace(f"'{name}'", f"'{placeholder}'")
    return data
