"""Where every field of an effective rule came from: its own document, a policy, the workload, or nobody (a default)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pydantic import BaseModel

from rules.ruleset import RuleSet
from rules.scaling_policy import ScalingPolicy
from rules.scaling_rule import ScalingRule
from rules.wording import dotted
from rules.yaml_tree import Path

Origin = Callable[[Path], str]
"""Of a path below ``spec`` that somebody wrote."""


def provenance(rule: ScalingRule, ruleset: RuleSet) -> dict[str, str]:
    """``rule``, ``policy NAME file:line``, ``workload`` or ``default``, by dotted path below ``spec``.

    What nobody set and has no value is not there.
    """
    policy = ruleset.by_policy.get(rule.key)
    origin = _by_rule if policy is None else _by_policy(policy, ruleset)
    return {dotted(path): said for path, said in _fields(rule.spec, (), origin)}


def _by_rule(path: Path) -> str:
    return "rule"


def _by_policy(policy: ScalingPolicy, ruleset: RuleSet) -> Origin:
    lines = ruleset.template_lines.get(policy.key, {})
    source = ruleset.sources[f"ScalingPolicy {policy.key}"]
    file = source.rpartition(":")[0] or source

    def origin(path: Path) -> str:
        if path[0] == "target":
            return "workload"
        while path and path not in lines:
            path = path[:-1]
        line = lines.get(path, 0)
        return f"policy {policy.metadata.name} {file}:{line}" if line else f"policy {policy.metadata.name} {file}"

    return origin


def _fields(model: BaseModel, path: Path, origin: Origin) -> Iterator[tuple[Path, str]]:
    for name, field in type(model).model_fields.items():
        value, here = getattr(model, name), (*path, field.alias or name)
        if name in model.model_fields_set:
            yield from _value(value, here, origin)
        elif value is not None and value != ():
            yield here, "default"


def _value(value: object, path: Path, origin: Origin) -> Iterator[tuple[Path, str]]:
    if isinstance(value, BaseModel):
        yield from _fields(value, path, origin)
    elif isinstance(value, tuple) and value and all(isinstance(item, BaseModel) for item in value):
        for index, item in enumerate(value):
            yield from _value(item, (*path, index), origin)
    else:
        yield path, origin(path)
