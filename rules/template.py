"""The placeholders of a policy's template: ``{{namespace}}``, ``{{name}}``, ``{{label.X}}``, ``{{annotation.X}}``.

A value is filled into text as it is, so it must be one that can end no PromQL string and begin no new clause: an
annotation is written by whoever owns the workload, a policy by whoever runs the fleet.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from domain.errors import ForetideError
from domain.workloads import WorkloadFacts
from rules.scaling_policy import labelled
from rules.wording import quote, suggestion
from rules.written import Fault
from rules.yaml_tree import Path

SAMPLE: Final = WorkloadFacts(kind="Deployment", namespace="1", name="1")
"""Stands for any workload: ``1`` is a name, a text and a quantity alike."""
_PLACEHOLDER: Final = re.compile(r"\{\{([^{}]*)\}\}")
_HARMLESS: Final = re.compile(r"[A-Za-z0-9_./:@%+ -]{1,253}", re.ASCII)
_KNOWN: Final = ("namespace", "name", "label.", "annotation.")


class MissingValueError(ForetideError):
    """A workload lacks what a template asks for; it is left out."""


def placeholders(data: object, path: Path) -> Iterator[tuple[Path, str]]:
    """Every placeholder in the texts below ``path``, without its braces."""
    if isinstance(data, dict):
        for name, value in data.items():
            yield from placeholders(value, (*path, name))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from placeholders(value, (*path, index))
    elif isinstance(data, str):
        yield from ((path, found.strip()) for found in _PLACEHOLDER.findall(data))


def unknown(data: object, path: Path) -> Iterator[Fault]:
    """Placeholders that nothing can fill."""
    for at, name in placeholders(data, path):
        head, dot, key = name.partition(".")
        if name in ("namespace", "name") or (dot and key.strip() and head in ("label", "annotation")):
            continue
        forms = "{{namespace}}, {{name}}, {{label.KEY}} and {{annotation.KEY}}"
        hint = suggestion(head if dot else name, [one.rstrip(".") for one in _KNOWN], otherwise=f"; there are {forms}")
        yield at, f"{quote('{{' + name + '}}')} is no placeholder{hint}"


def filled(data: Any, workload: WorkloadFacts) -> Any:
    """The template for one workload.

    Raises:
        MissingValueError: The workload has no such label or annotation, or one that no text may take.
    """
    if isinstance(data, dict):
        return {name: filled(value, workload) for name, value in data.items()}
    if isinstance(data, list):
        return [filled(value, workload) for value in data]
    if not isinstance(data, str):
        return data
    return _PLACEHOLDER.sub(lambda found: _value(found[1].strip(), workload), data)


def sampled(data: Any) -> Any:
    """The template with a value for each placeholder that could stand there."""
    if isinstance(data, dict):
        return {name: sampled(value) for name, value in data.items()}
    if isinstance(data, list):
        return [sampled(value) for value in data]
    return _PLACEHOLDER.sub(SAMPLE.name, data) if isinstance(data, str) else data


def _value(name: str, workload: WorkloadFacts) -> str:
    if name in ("namespace", "name"):
        return workload.namespace if name == "namespace" else workload.name
    head, _, key = name.partition(".")
    facts: Mapping[str, str] = workload.labels if head == "label" else workload.annotations
    value = labelled(facts, key.strip())
    if value is None:
        raise MissingValueError(f"it has no {head} {quote(key.strip())}")
    if not _HARMLESS.fullmatch(value):
        raise MissingValueError(f"its {head} {quote(key.strip())} may not stand in a rule: {quote(value)}")
    return value
