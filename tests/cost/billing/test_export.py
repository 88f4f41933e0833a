"""What we write as FOCUS is read back without a fault, and adds up to what was allocated."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from cost.allocation.ledger import NOTHING, Idle, Item, Line, ledger
from cost.allocation.report import Asked, report
from cost.allocation.subject import Subject
from cost.billing.charges import Bill
from cost.billing.exact import total
from cost.billing.export import Expected, Period, allocation_rows, forecast_rows, write
from cost.billing.read import read_bill

OCTOBER = Period(start=datetime(2026, 10, 1, tzinfo=UTC), end=datetime(2026, 11, 1, tzinfo=UTC), account="shop")
CPU = Decimal("0.333333333333333333")


def item(namespace: str, *costs: str) -> Item:
    return Item(subject=Subject(cluster="c", namespace=namespace), costs=(*map(Decimal, costs), *NOTHING)[:6])


LEDGER = ledger(
    "EUR",
    items=[item("search", str(CPU), "2"), item("shop, old", "0.5", "0", "0", "7")],
    idle=[Idle(subject=Subject(cluster="c"), unallocated=(Decimal(1), Decimal(2), Decimal(0)))],
    lines=[Line(name="__unmounted__", subject=Subject(cluster="c"), cost=Decimal("0.25"))],
)


def written(folder: Path, share_idle: str = "none") -> Bill:
    found = report(LEDGER, Asked(by=("namespace",), share_idle=share_idle))  # type: ignore[arg-type]
    out = io.StringIO()
    write(allocation_rows(found, ("namespace",), OCTOBER), out)
    path = folder / "ours.csv"
    path.write_text(out.getvalue(), encoding="utf-8")
    return read_bill([path])


@pytest.mark.parametrize("share_idle", ["none", "weighted"])
def test_the_rows_are_a_bill_without_a_fault_that_adds_up_to_the_ledger(tmp_path: Path, share_idle: str) -> None:
    read = written(tmp_path, share_idle)

    assert read.notes.lines == []
    assert read.currency == "EUR"
    assert total(one.effective_cost for one in read.charges) == LEDGER.total
    assert total(one.billed_cost for one in read.charges) == 0


def test_a_row_says_whose_it_is_and_for_what(tmp_path: Path) -> None:
    first, *_ = written(tmp_path).charges

    assert (first.tag("namespace"), first.resource, first.description) == ("search", "search", "cpu of search")
    assert first.effective_cost == CPU
    assert {one.resource for one in written(tmp_path).charges} == {"search", "shop, old", "c", "__unmounted__"}
    assert {one.service_category for one in written(tmp_path).charges} == {"Compute", "Storage"}


def test_a_forecast_has_its_quantiles_in_columns_of_our_own(tmp_path: Path) -> None:
    expected = Expected(
        group={"namespace": "search"}, p10=Decimal(90), p50=Decimal(100), p90=Decimal("120.5"), mean=Decimal("101.5"),
        method="sampled-paths", made_at=datetime(2026, 10, 20, tzinfo=UTC),
    )  # fmt: skip
    out = io.StringIO()
    write(forecast_rows([expected], "EUR", OCTOBER), out, with_forecast=True)
    head, row = out.getvalue().splitlines()

    assert head.endswith("x_ForecastP10,x_ForecastP50,x_ForecastP90,x_ForecastMethod,x_ForecastMadeAt")
    assert row.startswith("0,")
    assert ",101.5," in row
    assert row.endswith("90,100,120.5,sampled-paths,2026-10-20T00:00:00Z")


@pytest.mark.parametrize(
    ("start", "end", "months"),
    [
        ((2026, 12, 5), (2026, 12, 6), ("2026-12-01", "2027-01-01")),
        ((2026, 11, 30), (2026, 12, 2), ("2026-11-01", "2027-01-01")),
        ((2026, 10, 1), (2026, 11, 1), ("2026-10-01", "2026-11-01")),
    ],
)
def test_the_billing_period_is_the_months_around(
    start: tuple[int, int, int], end: tuple[int, int, int], months: tuple[str, str]
) -> None:
    period = Period(start=datetime(*start, tzinfo=UTC), end=datetime(*end, tzinfo=UTC), account="shop")

    assert tuple(f"{one:%Y-%m-%d}" for one in period.billing) == months
