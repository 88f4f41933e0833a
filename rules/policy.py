"""Policies and workloads become rules: for each workload its own rule, else that of the policy that goes first.

A rule of a document wins wholly over every policy: nothing is merged, so that one document tells all of a workload's
rule. Among policies the highest priority wins, then the first name. A workload that a policy finds and for which no
rule comes out is left out with the reason; a policy that comes after does not step in, for that would hide the mistake.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from domain.workloads import WorkloadFacts
from rules.document import API_VERSION
from rules.ruleset import RuleSet, digest_of
from rules.scaling_policy import ScalingPolicy
from rules.scaling_rule import ScalingRule
from rules.template import MissingValueError, filled
from rules.validate import validate
from rules.written import CheckQuery
from rules.yaml_tree import Document, Path, Place


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A workload that a policy finds and cannot rule, with the sentence that says why."""

    workload: WorkloadFacts
    policy: str
    policy_key: str
    reason: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.workload} is left out by policy {self.policy}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """The rules that count.

    Attributes:
        ruleset: The documents, with the effective rules in place of the written ones.
        workloads: By the key of the rule that a policy made, the workload that it was made for.
        left_out: Workloads that a policy finds and cannot rule.
        warnings: What is decided by a name although somebody should have said.
    """

    ruleset: RuleSet = field(default_factory=RuleSet)
    workloads: Mapping[str, WorkloadFacts] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[str, ...] = ()


def effective(
    ruleset: RuleSet, workloads: Sequence[WorkloadFacts], *, check_query: CheckQuery, before: Effective | None = None
) -> Effective:
    """What the documents come to for these workloads; without a policy, the documents' own rules.

    Args:
        ruleset: The documents.
        workloads: All that the cluster knows; each counts once.
        check_query: As at load, of the queries with their placeholders filled.
        before: What it came to last; what has not changed is taken from there (4,000 rules: 2 s anew).
    """
    if not ruleset.policies:
        return Effective(ruleset=ruleset)
    making = _Making(ruleset, check_query, before or Effective())
    left_out, warnings = [], []
    taken = {str(rule.target) for rule in ruleset.rules}
    ranked = sorted(ruleset.policies, key=lambda one: (-one.spec.priority, one.metadata.name, one.key))
    once = {str(workload): workload for workload in reversed(workloads)}
    for name, workload in sorted(once.items()):
        finding = [policy for policy in ranked if policy.spec.selector.finds(workload)]
        if name in taken or not finding:
            continue
        warnings += _equals(workload, finding)
        if why := making.rule_for(workload, finding[0]):
            left_out.append(_left_out(workload, finding[0], why))
    return making.done(tuple(left_out), tuple(warnings))


def _left_out(workload: WorkloadFacts, policy: ScalingPolicy, why: str) -> LeftOut:
    return LeftOut(workload=workload, policy=policy.metadata.name, policy_key=policy.key, reason=why)


def _equals(workload: WorkloadFacts, finding: Sequence[ScalingPolicy]) -> list[str]:
    rivals = [one.metadata.name for one in finding if one.spec.priority == finding[0].spec.priority]
    if len(rivals) < 2:
        return []
    return [f"{workload}: policies {', '.join(rivals)} have the same priority; {rivals[0]} goes first by its name"]


class _Making:
    """The rules that policies make, one after the other."""

    def __init__(self, ruleset: RuleSet, check_query: CheckQuery, before: Effective) -> None:
        self._ruleset, self._check_query, self._before = ruleset, check_query, before
        self._keys = {rule.key for rule in ruleset.rules}
        self._known = {rule.key: rule for rule in before.ruleset.rules}
        self._made: dict[str, tuple[ScalingRule, ScalingPolicy, WorkloadFacts]] = {}

    def rule_for(self, workload: WorkloadFacts, policy: ScalingPolicy) -> str:
        """Makes it; why there is none, or nothing."""
        name = _name_for(workload, self._keys)
        key = f"{workload.namespace}/{name}"
        if key in self._keys:
            return f"there is already a rule {key}, for another workload"
        same = self._before.workloads.get(key) == workload and self._before.ruleset.by_policy.get(key) == policy
        rule = self._known[key] if same else _rule_of(policy, workload, name, self._check_query)
        if isinstance(rule, str):
            return rule
        if why := _dangling(rule, self._ruleset):
            return why
        self._keys.add(key)
        self._made[key] = (rule, policy, workload)
        return ""

    def done(self, left_out: tuple[LeftOut, ...], warnings: tuple[str, ...]) -> Effective:
        """All of them, among the documents."""
        made, documents = self._made, self._ruleset
        rules = sorted((*documents.rules, *(rule for rule, _, _ in made.values())), key=lambda rule: rule.key)
        sources = {key: documents.sources[f"ScalingPolicy {policy.key}"] for key, (_, policy, _) in made.items()}
        by_policy = {key: policy for key, (_, policy, _) in made.items()}
        whole = replace(
            documents, rules=tuple(rules), sources={**documents.sources, **sources}, by_policy=by_policy
        )  # fmt: skip
        return Effective(
            ruleset=replace(whole, digest=digest_of(whole.documents)), left_out=left_out, warnings=warnings,
            workloads={key: workload for key, (_, _, workload) in made.items()},
        )  # fmt: skip


def _rule_of(policy: ScalingPolicy, workload: WorkloadFacts, name: str, check_query: CheckQuery) -> ScalingRule | str:
    """The rule, or why there is none."""
    try:
        spec = filled(policy.spec.template, workload)
    except MissingValueError as error:
        return str(error)
    data: dict[str, Any] = {
        "apiVersion": API_VERSION, "kind": "ScalingRule",
        "metadata": {"name": name, "namespace": workload.namespace, "labels": dict(policy.metadata.labels)},
        "spec": {**spec, "target": {"kind": workload.kind, "name": workload.name}},
    }  # fmt: skip
    nowhere = dict.fromkeys(_paths(data, ()), Place(line=0, column=0))
    document = Document(file="", data=data, values=nowhere, keys={}, mistakes=(), broken=frozenset())
    validated = validate(document, check_query=check_query)
    if isinstance(validated.model, ScalingRule):
        return validated.model
    return "; ".join(f"{one.field}: {one.message}" for one in validated.mistakes[:3])


def _paths(data: object, path: Path) -> Iterator[Path]:
    yield path
    inside = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for part, value in inside:
        yield from _paths(value, (*path, part))


def _name_for(workload: WorkloadFacts, keys: set[str]) -> str:
    """The workload's, or with its kind where another kind of that name has the rule."""
    is_free = f"{workload.namespace}/{workload.name}" not in keys
    return workload.name if is_free else f"{workload.name}.{workload.kind.lower()}"


def _dangling(rule: ScalingRule, ruleset: RuleSet) -> str:
    """What the rule names and is not there."""
    spec = rule.spec
    documents = [one.forecast.document for one in spec.triggers if one.forecast is not None and one.forecast.document]
    wanted = [("Forecast", name) for name in documents]
    wanted += [("SLO", spec.guard.slo)] if spec.guard is not None else []
    wanted += [("Budget", spec.budget)] if spec.budget is not None else []
    for kind, name in wanted:
        if f"{kind} {rule.qualified(name)}" not in ruleset.sources:
            return f"there is no {kind} {rule.qualified(name)}"
    return ""
