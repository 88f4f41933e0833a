"""What must hold of any cluster and any question: nothing is lost, nothing is negative, a filter changes no number."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cost.allocation.report import report
from tests.cost.allocation.clusters import amounts, asked, asset_cost, books, check, cluster, shown

SEEDS = st.integers(0, 2**32)


@given(SEEDS, SEEDS)
def test_everything_that_a_report_says_adds_up_to_what_the_assets_cost(seed: int, question: int) -> None:
    made = cluster(seed)
    found = report(books(made), asked(question))
    assert shown(found) == found.total == asset_cost(made)


@given(SEEDS, SEEDS)
def test_no_amount_is_negative_and_no_waste_larger_than_its_row(seed: int, question: int) -> None:
    found = report(books(cluster(seed)), asked(question))
    assert min(amounts(found)) >= 0
    for row in found.rows:
        assert row.unused <= sum(row.costs) + sum(row.costs) * type(row.unused)("1e-12")


@given(SEEDS, SEEDS)
def test_rows_are_the_same_whatever_the_order_things_came_in(seed: int, question: int) -> None:
    made = cluster(seed)
    assert report(books(made), asked(question)) == report(books(made, backwards=True), asked(question))


@given(SEEDS, SEEDS)
def test_a_filter_chooses_rows_and_changes_none(seed: int, question: int) -> None:
    by = replace(asked(question), by=("cluster", "namespace", "label:team"))  # every dimension that is filtered by
    ledger = books(cluster(seed))
    every = {row.key: row for row in report(ledger, replace(by, only=())).rows}
    found = report(ledger, by)
    assert all(every[row.key] == row for row in found.rows)
    assert found.total == ledger.total


@given(SEEDS)
def test_opencosts_basis_charges_more_than_the_node_and_still_adds_up(seed: int) -> None:
    made = cluster(seed)
    found = report(books(made, "opencost"), asked(seed))
    assert shown(found) == found.total == asset_cost(made)


@pytest.mark.slow
def test_many_random_clusters_conserve() -> None:
    checked = [check(seed) for seed in range(1_000)]
    assert max(error for error, _ in checked) == 0
    assert sum(below for _, below in checked) == 0
