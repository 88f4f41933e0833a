"""Whatever the bytes are, the answer is a RuleSet or a RuleDocumentError with places."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import RuleDocumentError
from rules import RuleSet, render
from rules.load import Source, assemble, read_text
from rules.schema import KINDS
from tests.rules.test_docs import fields

RULE = b"""\
apiVersion: foretide.dev/v1alpha1
kind: ScalingRule
metadata: {name: checkout, namespace: shop, labels: {team: a}}
spec:
  target: {name: checkout}
  replicas: {min: 2, max: 40}
  mode: enforce
  triggers:
  - {name: rps, query: up, perReplica: 250m, fallback: {after: 3m, use: hold}}
  - {name: cpu, resource: {name: cpu, utilization: 70}}
  - {name: soon, forecast: {of: rps, quantile: 0.9, lead: 60s, season: 24m, step: 15s, horizon: 12m}}
  - {name: jobs, queue: {length: up, arrivals: up, perReplicaRate: 5, partitions: 12}, fallback: {use: rps}}
  - {name: slow, trace: {service: cart, measure: p95}, value: 300ms, activate: 1}
  - {name: day, schedule: {start: 0 8 * * 1-5, end: 0 18 * * *, timezone: Europe/Paris}, replicas: 4}
  - {name: hot, event: {alert: Hot, matchers: {app: a}}, replicas: 6}
  combine: max(rps, cpu, min(soon, 30), jobs, slow, day ?? 0, hot)
  ceiling: [{name: db, perReplica: 10, limit: 500}]
  guard: {slo: latency, whenBurning: {add: 20%}}
  schedule:
  - {name: night, start: 0 22 * * *, end: 0 6 * * *, max: 8}
  - {name: sale, at: 2026-11-27T08:00:00Z, for: 14h, min: 20, ramp: 20m}
  pause: {direction: in, until: 2026-12-01T00:00:00Z, reason: INC-1}
  steps: {up: 4, down: 10%}
  behavior: {scaleDown: {tolerance: 0.05, policies: [{type: Percent, value: 10, periodSeconds: 60}]}}
---
apiVersion: foretide.dev/v1alpha1
kind: Budget
metadata: {name: media}
spec: {limit: {amount: 120.50, currency: USD, per: day}, scope: {namespace: media}}
---
apiVersion: foretide.dev/v1alpha1
kind: SLO
metadata: {name: latency, namespace: shop}
spec: {indicator: {latency: {trace: {service: cart}, threshold: 300ms}}, objective: 99.5}
---
apiVersion: foretide.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: web}
spec:
  selector: {matchExpressions: [{key: team, operator: In, values: [a]}]}
  template:
    replicas: {min: 2, max: 40}
    triggers: [{name: rps, query: 'up{app="{{name}}"}', perReplica: '{{label.rps}}'}]
"""
FIELDS = sorted({name for model in KINDS.values() for name in fields(model)})
WORDS = ["foretide.dev/v1alpha1", "ScalingRule", "Budget", "PriceSheet", "15s", "250m", "1e9999999k", "auto", "hold"]
WORDS += ["0 22 * * *", "max(hold,3)", "20%", "300ms", "2026-11-27T08:00:00Z", "{{name}}", "{{label.x}}", "rps + 1"]

numbers = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False))
scalars = st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=12), st.sampled_from(WORDS))
keys = st.one_of(st.sampled_from(FIELDS), st.text(max_size=6))
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6), max_leaves=25
)


def any_query(query: str, source: str | None = None, *, traces: bool = False) -> None:
    """Every PromQL text is fine."""


def load(raw: bytes) -> RuleSet | None:
    """The set, or None after a refusal that names and shows at least one mistake."""
    reading = read_text(raw, Source(file="f.yaml", named=True), check_query=any_query)
    try:
        return assemble([reading])
    except RuleDocumentError as error:
        mistakes = error.mistakes
    assert render(mistakes, {"f.yaml": raw.decode("utf-8", errors="replace")})
    return None


@given(st.binary(max_size=400))
def test_noise(raw: bytes) -> None:
    assert load(raw) is None


@given(st.text(max_size=300))
def test_text(text: str) -> None:
    assert load(text.encode("utf-8", errors="replace")) is None


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, len(RULE) - 1), st.binary(max_size=3)), min_size=1, max_size=4))
def test_a_damaged_rule(damages: list[tuple[int, bytes]]) -> None:
    damaged = RULE
    for place, put in damages:
        damaged = damaged[:place] + put + damaged[place + 1 :]

    loaded = load(damaged)

    assert loaded is None or loaded.documents


@settings(max_examples=200)
@given(kind=st.sampled_from(sorted(KINDS)), metadata=trees, spec=trees)
def test_any_tree_in_our_documents(kind: str, metadata: object, spec: object) -> None:
    document = {"apiVersion": "foretide.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}

    load(json.dumps(document, ensure_ascii=False).encode("utf-8", errors="replace"))


@settings(max_examples=300)
@given(data=st.data())
def test_any_value_in_place_of_any_other(data: st.DataObject) -> None:
    """Deeper than a tree from nothing ever comes: one value of good documents is replaced."""
    documents = list(yaml.safe_load_all(RULE))
    every = list(places(documents))
    holder, key = every[data.draw(st.integers(0, len(every) - 1))]
    holder[key] = data.draw(trees)

    load(
        "\n---\n".join(json.dumps(one, ensure_ascii=False, default=str) for one in documents).encode(
            "utf-8", errors="replace"
        )
    )


def places(data: Any) -> Iterator[tuple[Any, Any]]:
    """Every mapping or list in ``data`` with each of its keys."""
    for key, value in list(data.items() if isinstance(data, dict) else enumerate(data)):
        yield data, key
        if isinstance(value, dict | list):
            yield from places(value)


@given(st.decimals(min_value=Decimal("0.001"), max_value=10**9, places=3))
def test_per_replica_keeps_every_digit(number: Decimal) -> None:
    loaded = load(RULE.replace(b"perReplica: 250m", f"perReplica: {number:f}".encode()))

    assert loaded is not None
    assert loaded.rules[0].trigger("rps").per_replica == number


def test_the_undamaged_rule_is_fine() -> None:
    loaded = load(RULE)

    assert loaded is not None
    assert loaded.rules[0].trigger("rps").per_replica == Decimal("0.25")
