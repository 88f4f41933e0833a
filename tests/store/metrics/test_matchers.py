from __future__ import annotations

import pytest

from domain.errors import QuerySyntaxError
from store.metrics import Matcher


@pytest.mark.parametrize(
    ("op", "pattern", "value", "passes"),
    [
        ("=", "a", "a", True),
        ("=", "a", "ab", False),
        ("=", "", "", True),
        ("!=", "a", "", True),
        ("!=", "", "a", True),
        ("=~", "a|b", "b", True),
        ("=~", "a|b", "ab", False),
        ("=~", "b", "abc", False),
        ("=~", "a.c", "a\nc", True),
        ("=~", "", "", True),
        ("=~", "", "a", False),
        ("=~", ".*", "", True),
        ("=~", ".+", "", False),
        ("=~", "(?i)ABC", "abc", True),
        ("!~", ".+", "", True),
        ("!~", "a.*", "abc", False),
        ("!~", "a", "ab", True),
    ],
)
def test_operators(op: str, pattern: str, value: str, passes: bool) -> None:
    assert Matcher(name="x", op=op, value=pattern).matches(value) is passes


@pytest.mark.parametrize("pattern", ["a(", "(?=a)", r"(a)\1"])
def test_what_re2_cannot_do_is_a_syntax_error(pattern: str) -> None:
    with pytest.raises(QuerySyntaxError, match="RE2"):
        Matcher(name="x", op="=~", value=pattern)


def test_an_unknown_operator_is_refused() -> None:
    with pytest.raises(ValueError, match="match operator"):
        Matcher(name="x", op="==", value="a")


def test_equal_matchers_are_one_key() -> None:
    assert len({Matcher(name="x", op="=~", value="a"), Matcher(name="x", op="=~", value="a")}) == 1
    assert str(Matcher(name="x", op="!~", value='a"b')) == 'x!~"a\\"b"'
