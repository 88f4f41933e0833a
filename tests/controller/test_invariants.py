"""The invariants of the decision, with few examples always and with many in the slow suite."""

from __future__ import annotations

import pytest

from tests.controller.invariants import INVARIANTS


@pytest.mark.parametrize("name", INVARIANTS)
def test_holds_for_500_examples(name: str) -> None:
    INVARIANTS[name](500)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", INVARIANTS)
def test_holds_for_10_000_examples(name: str) -> None:
    INVARIANTS[name](10_000)
