"""`combine` evaluated: against its plain meaning, and what tolerance and rounding make of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from controller import combine, core
from controller.combine import FAILED, MISSING, UNDECIDABLE, compiled
from controller.compiled import twins
from controller.core import NOTHING
from rules.combine import Node, names, parse
from rules.combine_checks import not_monotone
from tests.controller.expressions import TRIGGERS, Failed, meaning, trees

_, TWIN = twins([core, combine])
operand = st.one_of(st.none(), st.integers(0, 60).map(float))
operands = st.tuples(operand, operand, operand, operand)


def value(tree: Node, given_: tuple[float | None, ...]) -> float:
    program = compiled(tree, triggers=TRIGGERS)
    told = [MISSING if one is None else one for one in given_]
    return combine.evaluate(program.codes, program.arguments, program.sizes, told, [0.0] * len(program.codes))


def replicas(text: str, *asked: float | None, current: int = 10) -> int:
    program = compiled(parse(text, triggers=TRIGGERS), triggers=TRIGGERS)
    told = [MISSING if one is None else one for one in (*asked, *[None] * (len(TRIGGERS) - len(asked)))]
    return combine.replicas(
        program.codes, program.arguments, program.sizes, program.monotone, told, told, told, current,
        [0.0] * len(program.codes),
    )  # fmt: skip


@given(tree=trees(), asked=operands)
def test_the_program_means_what_the_tree_says(tree: Node, asked: tuple[float | None, ...]) -> None:
    assume(set(names(tree)))
    try:
        meant = meaning(tree, dict(zip(TRIGGERS, asked, strict=True)))
    except Failed:
        assert value(tree, asked) == FAILED
        return
    got = value(tree, asked)
    assert math.isnan(got) if meant is None else got == meant


@given(tree=trees(), asked=operands, more=st.integers(1, 40), which=st.integers(0, 3))
def test_what_is_called_monotone_is(tree: Node, asked: tuple[float | None, ...], more: int, which: int) -> None:
    before = asked[which]
    assume(before is not None and TRIGGERS[which] not in not_monotone(tree) and set(names(tree)))
    assert before is not None
    raised = (*asked[:which], before + more, *asked[which + 1 :])
    low, high = value(tree, asked), value(tree, raised)
    assert (math.isnan(low) and math.isnan(high)) or low <= high


@given(tree=trees(), asked=operands, current=st.integers(1, 60))
def test_compiled_equals_plain(tree: Node, asked: tuple[float | None, ...], current: int) -> None:
    assume(set(names(tree)))
    program = compiled(tree, triggers=TRIGGERS)
    told = np.array([MISSING if one is None else one for one in asked])
    arrays = np.array(program.codes), np.array(program.arguments, dtype=np.float64), np.array(program.sizes)
    lists = program.codes, program.arguments, program.sizes
    rest = (told, told, told, current)
    plain = combine.replicas(*lists, program.monotone, *rest, [0.0] * len(program.codes))
    assert TWIN.replicas(*arrays, program.monotone, *rest, np.zeros(len(program.codes))) == plain


@pytest.mark.parametrize(
    ("text", "asked", "wanted"),
    [
        ("max(rps, queue)", (3, None), 3),
        ("max(rps, 20)", (None,), NOTHING),
        ("min(rps, queue, 5)", (None, 9), 5),
        ("rps + queue", (3, None), UNDECIDABLE),
        ("max(rps, queue + 1)", (3, None), UNDECIDABLE),
        ("max(rps, (queue + 1) ?? 0)", (3, None), 3),
        ("rps + max(2, 3)", (1,), 4),
        ("rps * 1.1", (30,), 33),
        ("rps * 1.1", (31,), 35),
        ("rps * 1000000000", (30,), 2**31 - 1),
        ("rps - 5", (3,), 0),
    ],
)
def test_replicas(text: str, asked: tuple[float | None, ...], wanted: int) -> None:
    assert replicas(text, *asked) == wanted
