"""The expression of `combine`: what parses, what is refused where, and which expressions keep the promises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ExpressionError
from rules.combine import Binary, Call, Name, Number, names, parse
from rules.combine_checks import check_without_forecasts, not_monotone

TRIGGERS = ("cpu", "rps", "queue-depth", "soon", "2xx")


def shown(text: str) -> str:
    """The tree with every bracket written."""
    return _shown(parse(text, triggers=TRIGGERS))


def _shown(node: object) -> str:
    match node:
        case Number(value=value):
            return f"{value:g}"
        case Name(name=name):
            return name
        case Binary(operator=operator, left=left, right=right):
            return f"({_shown(left)} {operator} {_shown(right)})"
        case Call(function=function, arguments=arguments):
            return f"{function}({', '.join(map(_shown, arguments))})"
    raise AssertionError(node)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("max(cpu, rps, min(soon, 30))", "max(cpu, rps, min(soon, 30))"),
        ("cpu + rps * 2 - 1", "((cpu + (rps * 2)) - 1)"),
        ("cpu - rps - soon", "((cpu - rps) - soon)"),
        ("cpu ?? rps ?? 8", "(cpu ?? (rps ?? 8))"),
        ("cpu ?? 2 * rps", "((cpu ?? 2) * rps)"),  # as in KEDA's formulas
        ("(cpu + 1) * 1.5", "((cpu + 1) * 1.5)"),
        ("queue-depth - 1", "(queue-depth - 1)"),
        ("2xx*2", "(2xx * 2)"),
        ("max(-3, cpu)", "max(-3, cpu)"),
        ("clamp(cpu, 2, 10)", "clamp(cpu, 2, 10)"),
        ("if(cpu >= 10, cpu, rps)", "if((cpu >= 10), cpu, rps)"),
        ("\n max( cpu ,rps )\n", "max(cpu, rps)"),
    ],
)
def test_binds_as_written(text: str, tree: str) -> None:
    assert shown(text) == tree


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("", 1, "found the end"),
        ("max(cpu, rsp)", 10, 'did you mean "rps"?'),
        ("cpu-rps", 1, "to subtract, write cpu - rps"),
        ("max(cpu, rps", 13, 'expected ")"; found the end'),
        ("cpu rps", 5, 'expected an operator or the end; found "rps"'),
        ("cpu > 3", 5, "a comparison is no number of replicas"),
        ("if(cpu, 1, 2)", 7, "expected a comparison"),
        ("clamp(cpu, 1)", 1, "clamp takes 3 arguments; found 2"),
        ("mx(cpu)", 1, 'did you mean "max"?'),
        ("cpu / 2", 5, 'unexpected character "/"'),
        ("cpu + ", 6, "found the end"),
        ("max(3, 4)", 1, "name at least one"),
        ("cpu * 99999999999", 7, "up to 1e+09"),
        ("(" * 40 + "cpu" + ")" * 40, 31, "at most 30 brackets"),
        ("+".join(["cpu"] * 150), 400, "at most 200"),
        ("cpu " + " " * 1100, 1, "at most 1024 characters"),
    ],
)
def test_every_mistake_has_its_column(text: str, column: int, says: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text, triggers=TRIGGERS)
    assert says in str(caught.value)
    assert caught.value.column == column


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("soon", "name a trigger that measures"),
        ("max(soon, 3)", "name a trigger that measures"),
        ("cpu + soon", "write (soon ?? 0)"),
        ("max(cpu, soon * 1.1)", "write (soon ?? 0)"),
        ("clamp(cpu, 1, soon)", "give it a number with ??"),
    ],
)
def test_an_expression_must_have_a_value_without_forecasts(text: str, says: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        check_without_forecasts(parse(text, triggers=TRIGGERS), forecasts={"soon"})
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["max(cpu, rps, min(soon, 30))", "max(cpu, (soon ?? 0) * 1.1)", "cpu + (soon ?? 0)", "if(cpu > 3, cpu, rps)"],
)
def test_these_have_one(text: str) -> None:
    check_without_forecasts(parse(text, triggers=TRIGGERS), forecasts={"soon"})


@pytest.mark.parametrize(
    ("text", "falling"),
    [
        ("max(cpu, rps, min(soon, 30))", set()),
        ("clamp(cpu + rps * 1.5, 2, 10)", set()),
        ("cpu * rps", set()),
        ("cpu ?? rps", set()),
        ("if(cpu > 3, 10, 2)", {"cpu"}),
        ("cpu - rps", {"rps"}),
        ("cpu * (1 - rps)", {"cpu", "rps"}),
        ("10 - (4 - cpu)", set()),
        ("cpu - cpu", {"cpu"}),
        ("cpu * -1", {"cpu"}),
    ],
)
def test_falling_expressions_are_told(text: str, falling: set[str]) -> None:
    assert not_monotone(parse(text, triggers=TRIGGERS)) == falling


@given(st.text(alphabet="cpurs -+*?()<>=,0123456789.maxinlf", max_size=60))
def test_any_text_parses_or_says_where_not(text: str) -> None:
    try:
        found, column = set(names(parse(text, triggers=TRIGGERS))), 1
    except ExpressionError as error:
        found, column = set(), error.column
    assert found <= set(TRIGGERS)
    assert 1 <= column <= len(text) + 1
