"""A plan as text again."""

from __future__ import annotations

import pytest

from store.promql.parse import parse
from store.promql.render import render


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ('m{a="x",b!~"y.*"}', 'm{a="x", b!~"y.*"}'),
        ('{__name__=~"a|b"}', '{__name__=~"a|b"}'),
        ("rate(m[5m] offset -1m)", "rate(m[300000ms] offset -60000ms)"),
        ("m @ 1.5", "m @ 1.500"),
        ("m @ end()", "m @ end()"),
        ("max_over_time(m[5m:])", "max_over_time((m)[300000ms:])"),
        ("sum by (a, b) (m) ^ 2 ^ 3", "(sum by (a, b) (m)) ^ ((2) ^ (3))"),
        ("a / on (x) group_left (y) b", "(a) / on (x) group_left (y) (b)"),
        ("a > bool ignoring (x) b", "(a) > bool ignoring (x) (b)"),
        ("quantile without (x) (0.5, -m)", "quantile without (x) (0.5, -(m))"),
        (r'm{a="q\"\\n\n"}', r'm{a="q\"\\n\n"}'),
        ("m > Inf", "(m) > (+Inf)"),
    ],
)
def test_a_plan_is_written_in_full(query: str, text: str) -> None:
    assert render(parse(query)) == text
    assert render(parse(text)) == text
