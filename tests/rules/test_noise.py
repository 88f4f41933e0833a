"""Whatever the bytes are, the answer is a RuleSet or a RuleDocumentError with places."""

from __future__ import annotations

import json
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import RuleDocumentError
from rules import RuleSet, render
from rules.load import Source, assemble, read_text

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
  behavior: {scaleDown: {tolerance: 0.05, policies: [{type: Percent, value: 10, periodSeconds: 60}]}}
---
apiVersion: foretide.dev/v1alpha1
kind: Budget
metadata: {name: media}
spec: {limit: {amount: 120.50, currency: USD, per: day}, scope: {namespace: media}}
"""
FIELDS = (
    "apiVersion kind metadata spec name namespace labels target replicas min max mode triggers query expr source "
    "perReplica resource utilization forecast of quantile lead season step history horizon gate wape fallback after "
    "use behavior scaleUp scaleDown policies tolerance limit amount currency per scope rule"
).split()
WORDS = ["foretide.dev/v1alpha1", "ScalingRule", "Budget", "PriceSheet", "15s", "250m", "1e9999999k", "auto", "hold"]

numbers = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False))
scalars = st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=12), st.sampled_from(WORDS))
keys = st.one_of(st.sampled_from(FIELDS), st.text(max_size=6))
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6), max_leaves=25
)


def any_query(query: str) -> None:
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

    assert loaded is None or len(loaded.rules) + len(loaded.budgets) + len(loaded.price_sheets) >= 1


@settings(max_examples=200)
@given(kind=st.sampled_from(["ScalingRule", "Budget", "PriceSheet"]), metadata=trees, spec=trees)
def test_any_tree_in_our_documents(kind: str, metadata: object, spec: object) -> None:
    document = {"apiVersion": "foretide.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}

    load(json.dumps(document, ensure_ascii=False).encode("utf-8", errors="replace"))


@given(st.decimals(min_value=Decimal("0.001"), max_value=10**9, places=3))
def test_per_replica_keeps_every_digit(number: Decimal) -> None:
    loaded = load(RULE.replace(b"perReplica: 250m", f"perReplica: {number:f}".encode()))

    assert loaded is not None
    assert loaded.rules[0].trigger("rps").per_replica == number


def test_the_undamaged_rule_is_fine() -> None:
    loaded = load(RULE)

    assert loaded is not None
    assert loaded.rules[0].trigger("rps").per_replica == Decimal("0.25")
