"""An hour that is kept says of workloads what the ledger says, and adds up to it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cost.allocation.ledger import NOTHING, Item, exact_sum, ledger
from cost.allocation.report import Asked, report
from cost.allocation.rollup import Grouping, rolled
from cost.allocation.subject import Condition, Subject
from tests.cost.allocation.clusters import books, cluster

SEEDS = st.integers(0, 2**32)
NODE_POOLS = Condition(dimension="label:team", values=frozenset({"a"}))


@given(SEEDS, st.integers(1, 3))
def test_an_hour_adds_up_to_its_ledger_however_many_workloads_are_folded(seed: int, most: int) -> None:
    made = books(cluster(seed))
    assert exact_sum(rolled(made, most=most).values()) == made.total


@given(SEEDS, st.sampled_from([("namespace",), ("owner",), ("nodePool", "label:team"), ()]))
def test_groups_are_those_of_the_allocation(seed: int, by: tuple[str, ...]) -> None:
    made = books(cluster(seed))
    for only in ((), (NODE_POOLS,)):
        told = report(made, Asked(by=by, only=only))
        wanted = {row.key: row.cost for row in told.rows if row.cost}
        wanted |= {(f"__idle__ {name}",): cost for name, cost in told.idle.items()}
        wanted |= {(name,): cost for name, cost in told.lines.items() if cost}
        assert {key: cost for key, cost in Grouping(by, only).sums(rolled(made)).items() if cost} == wanted


def item(cost: int, **subject: object) -> Item:
    return Item(subject=Subject(**subject), costs=(Decimal(cost), *NOTHING[1:]))  # type: ignore[arg-type]


def test_the_cheapest_of_too_many_are_one_for_each_namespace() -> None:
    every = [item(cost, namespace=f"n{cost % 2}", owner_kind="Deployment", owner=f"o{cost}") for cost in range(1, 7)]
    kept = rolled(ledger("EUR", items=every), most=2)
    assert Grouping(("namespace",)).sums(kept) == {("n0",): 12, ("n1",): 9}
    owners = Grouping(("namespace", "owner")).sums(kept)
    assert owners[("n0", "Deployment/o6")] == 6
    assert owners[("n0", "/__others__")] == 6


def test_runs_of_a_cron_job_are_one_owner_and_what_names_a_pod_is_dropped() -> None:
    runs = [
        item(
            1, owner_kind="Job", owner=f"backup-2939{run:04}", pod=f"backup-{run}", labels={"app": "b", "job-name": run}
        )
        for run in range(3)
    ]
    kept = rolled(ledger("EUR", items=runs))
    assert kept == {'{"owner_kind":"CronJob","owner":"backup","labels":{"app":"b"}}': 3}


def test_names_that_do_not_last_cannot_be_asked_for() -> None:
    with pytest.raises(ValueError, match="pod: hours are kept without pod, container, node"):
        Grouping(("namespace", "pod"))
