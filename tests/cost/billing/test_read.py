"""A bill is read by column name, exactly; what is wrong with it has a line, and the rest is read all the same."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cost.billing.charges import Bill, CapacityType
from cost.billing.columns import COLUMNS
from cost.billing.effective import effective_prices
from cost.billing.exact import total
from cost.billing.identities import commitments
from cost.billing.model import AssetKind, Modelled
from cost.billing.quality import Effect, Problem
from cost.billing.read import read_bill
from cost.billing.reconcile import reconcile
from cost.billing.summary import summary
from cost.billing.tables import BillError
from cost.commitments.demand import pools
from tests.cost.billing import written
from tests.cost.billing.written import purchase, row, unused, used

OURS = Modelled(
    kind=AssetKind.NODE, id="aws:///z/i-0001", name="n1", start=datetime(2026, 10, 5, 10, tzinfo=UTC),
    end=datetime(2026, 10, 6, tzinfo=UTC), hours=Decimal(14), cost=Decimal("2.8"),
)  # fmt: skip


def faults(bill: Bill) -> list[tuple[int, str, Problem, Effect]]:
    return [(one.row, one.column, one.problem, one.effect) for one in bill.notes.lines]


def test_a_clean_bill_has_no_quality_line_and_keeps_every_digit(tmp_path: Path) -> None:
    cost = "0.100000000000000005551"
    read = read_bill([written.bill(tmp_path, [row(EffectiveCost=cost), row(BilledCost="1e-7")])])

    assert faults(read) == []
    assert [one.effective_cost for one in read.charges] == [Decimal(cost), Decimal("0.2")]
    assert read.charges[1].billed_cost == Decimal("0.0000001")
    assert read.charges[0].period == (datetime(2026, 10, 5, 10, tzinfo=UTC), datetime(2026, 10, 5, 11, tzinfo=UTC))


def test_columns_are_found_by_name_in_any_order_and_case_and_unknown_ones_ignored(tmp_path: Path) -> None:
    path = tmp_path / "b.csv"
    path.write_text("\ufeffx_New,effectivecost,ServiceName,BILLEDCOST\n9,1.50,S,2.50\n", encoding="utf-8")
    (charge,) = read_bill([path]).charges

    assert (charge.effective_cost, charge.billed_cost, charge.service) == (Decimal("1.50"), Decimal("2.50"), "S")


def test_missing_columns_are_said_once_each_and_the_other_cost_stands_in(tmp_path: Path) -> None:
    read = read_bill([written.bill(tmp_path, [row(), row()], without=("EffectiveCost", "BillingAccountName"))])

    assert [one.effective_cost for one in read.charges] == [Decimal("0.2")] * 2
    assert [(one.row, one.column) for one in read.notes.lines] == [(0, "EffectiveCost"), (0, "BillingAccountName")]
    assert {one.problem for one in read.notes.lines} == {Problem.MISSING_COLUMN}


def test_a_file_without_any_cost_is_no_bill(tmp_path: Path) -> None:
    with pytest.raises(BillError, match="no FOCUS bill"):
        read_bill([written.bill(tmp_path, [row()], without=("EffectiveCost", "BilledCost"))])
    with pytest.raises(BillError, match="No such file"):
        read_bill([tmp_path / "absent.csv"])


def test_rows_whose_money_cannot_be_read_are_refused_and_the_rest_is_read(tmp_path: Path) -> None:
    rows = [row(), row(BilledCost="many"), row(EffectiveCost=""), row(EffectiveCost="NaN"), row(ListCost="?")]
    read = read_bill([written.bill(tmp_path, rows)])

    assert [one.row for one in read.charges] == [2, 6]
    assert read.refused_rows == 3
    assert faults(read) == [
        (3, "BilledCost", Problem.BAD_NUMBER, Effect.ROW_LEFT_OUT),
        (4, "EffectiveCost", Problem.EMPTY_CELL, Effect.ROW_LEFT_OUT),
        (5, "EffectiveCost", Problem.BAD_NUMBER, Effect.ROW_LEFT_OUT),
        (6, "ListCost", Problem.BAD_NUMBER, Effect.VALUE_LEFT_OUT),
    ]


def test_a_row_number_is_the_line_on_which_its_record_begins(tmp_path: Path) -> None:
    rows = [row(ChargeDescription="two\nlines"), row(BilledCost="x")]
    read = read_bill([written.bill(tmp_path, rows)])

    assert [one.row for one in read.notes.lines] == [4]


def test_rows_with_too_few_cells_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "b.csv"
    path.write_text("BilledCost,EffectiveCost,ServiceName\n1,1\n\n2,2,S\n", encoding="utf-8")
    read = read_bill([path])

    assert [one.row for one in read.charges] == [4]
    assert (2, "", Problem.WRONG_WIDTH, Effect.ROW_LEFT_OUT) in faults(read)


def test_amounts_written_for_people_are_read_and_said_once(tmp_path: Path) -> None:
    rows = [row(BilledCost="$10,000.50 "), row(BilledCost="$1,000.00"), row(BilledCost="1,00")]
    read = read_bill([written.bill(tmp_path, rows)])

    assert [one.billed_cost for one in read.charges] == [Decimal("10000.50"), Decimal("1000.00")]
    assert faults(read) == [
        (2, "BilledCost", Problem.FORMATTED_NUMBER, Effect.COUNTED),
        (4, "BilledCost", Problem.BAD_NUMBER, Effect.ROW_LEFT_OUT),
    ]


@pytest.mark.parametrize(("second", "month"), [("5/1/25", 4), ("25/4/25", 1)])
def test_short_dates_are_month_first_unless_one_of_them_cannot_be(tmp_path: Path, second: str, month: int) -> None:
    rows = [row(ChargePeriodStart="4/1/25", ChargePeriodEnd=second)]
    read = read_bill([written.bill(tmp_path, rows)])

    assert read.charges[0].charge_period_start == datetime(2025, month, 5 - month, tzinfo=UTC)
    assert {one.problem for one in read.notes.lines} == {Problem.SHORT_DATE}


def test_a_charge_whose_time_cannot_be_read_counts_in_its_billing_period(tmp_path: Path) -> None:
    read = read_bill([written.bill(tmp_path, [row(ChargePeriodEnd="2026-10-05T30:00:00Z")])])

    assert read.charges[0].period == (datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))
    assert faults(read) == [(2, "ChargePeriodEnd", Problem.BAD_TIME, Effect.VALUE_LEFT_OUT)]


def test_other_currencies_are_left_out_or_converted_and_never_added(tmp_path: Path) -> None:
    path = written.bill(tmp_path, [row(), row(), row(BillingCurrency="EUR", BilledCost="3", EffectiveCost="3")])
    read = read_bill([path])
    converted = read_bill([path], rates={"EUR": Decimal("1.1")})

    assert (read.currency, len(read.charges), [one.currency for one in read.left_out]) == ("USD", 2, ["EUR"])
    assert faults(read) == [(4, "BillingCurrency", Problem.ANOTHER_CURRENCY, Effect.ROW_LEFT_OUT)]
    assert [one.effective_cost for one in converted.charges] == [Decimal("0.2"), Decimal("0.2"), Decimal("3.3")]
    assert faults(converted) == []


def test_another_account_is_said_and_left_out_where_one_was_asked_for(tmp_path: Path) -> None:
    path = written.bill(tmp_path, [row(), row(), row(BillingAccountId="0815")])
    read, own = read_bill([path]), read_bill([path], account="0815")

    assert len(read.charges) == 3
    assert faults(read) == [(4, "BillingAccountId", Problem.ANOTHER_ACCOUNT, Effect.COUNTED)]
    assert [one.billing_account for one in own.charges] == ["0815"]
    assert len(own.left_out) == 2


def test_what_a_row_says_against_itself_has_a_line_and_counts(tmp_path: Path) -> None:
    rows = [
        row(PricingQuantity="-1", PricingUnit="GB"),
        row(EffectiveCost="-3", BilledCost="-3"),
        row(ListUnitPrice="0", ListCost="0"),
        row(ListUnitPrice="0.3"),
        purchase("5") | {"EffectiveCost": "5"},
        used("i-1", "1") | {"CommitmentDiscountStatus": "?"},
        row(ChargeCategory="Gift"),
        row(ChargeClass="Correction", PricingQuantity="-1", EffectiveCost="-0.2", BilledCost="-0.2"),
        row(ChargeCategory="Credit", EffectiveCost="-9", BilledCost="-9"),
    ]
    read = read_bill([written.bill(tmp_path, rows)])

    assert len(read.charges) == 9
    assert [(one.row, one.column, one.problem) for one in read.notes.lines] == [
        (8, "ChargeCategory", Problem.BAD_VALUE),
        (2, "PricingQuantity", Problem.NEGATIVE_QUANTITY),
        (3, "BilledCost", Problem.NEGATIVE_COST),
        (3, "EffectiveCost", Problem.NEGATIVE_COST),
        (4, "ListUnitPrice", Problem.ZERO_PRICE),
        (5, "ListCost", Problem.PRICE_MISMATCH),
        (6, "EffectiveCost", Problem.PURCHASE_NOT_ZERO),
        (7, "CommitmentDiscountStatus", Problem.STATUS_MISSING),
    ]


def test_files_are_read_one_after_the_other_gzip_or_not(tmp_path: Path) -> None:
    first = written.bill(tmp_path, [row()])
    second = tmp_path / "more.csv.gz"
    second.write_bytes(gzip.compress(written.bill(tmp_path, [used("i-1", "1"), unused("2")], "b.csv").read_bytes()))
    read = read_bill([first, second])

    assert [one.file.rpartition("/")[2] for one in read.charges] == ["bill.csv", "more.csv.gz", "more.csv.gz"]
    assert [one.capacity_type for one in read.charges] == [CapacityType.ON_DEMAND, *[CapacityType.RESERVED] * 2]


def test_parquet_reads_as_the_same_bill(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table(
        {
            "BilledCost": pyarrow.array([Decimal("0.300000000000000001")], pyarrow.decimal128(38, 18)),
            "EffectiveCost": pyarrow.array([0.1], pyarrow.float64()),
            "ChargePeriodStart": pyarrow.array([datetime(2026, 10, 5, tzinfo=UTC)], pyarrow.timestamp("us", "UTC")),
            "Tags": pyarrow.array([[("pool", "web")]], pyarrow.map_(pyarrow.string(), pyarrow.string())),
            "x_Else": pyarrow.array([7]),
        }
    )
    parquet.write_table(table, tmp_path / "b.parquet")
    read = read_bill([tmp_path / "b.parquet"])
    (charge,) = read.charges

    assert (charge.row, charge.billed_cost, charge.effective_cost) == (
        1,
        Decimal("0.300000000000000001"),
        Decimal("0.1"),
    )
    assert charge.charge_period_start == datetime(2026, 10, 5, tzinfo=UTC)
    assert charge.tag("pool") == "web"
    assert (1, "EffectiveCost", Problem.FLOAT_NUMBER, Effect.COUNTED) in faults(read)


ODD = st.sampled_from(
    ["", "null", "NaN", "Infinity", "-0", "1e40", "-1e-40", "9" * 70, "0." + "3" * 50, "1,000.5", "$1", "0x1", "1_0",
     "½", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00", "2026-02-30", "31/12/99", "13/13/13", "4/1/25",
     "Usage", "Purchase", "Used", "Unused", "Committed", "Hours", "{", "[]", '{"InstanceType": 3}', "USD", "EUR",
     "i-0001", "-5"]
)  # fmt: skip
COLUMN = st.sampled_from([column.name for column in COLUMNS])


@given(st.lists(st.dictionaries(COLUMN, ODD, max_size=12), min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_no_cell_stops_the_reading_and_no_readable_cost_is_lost(changes: list[dict[str, str]]) -> None:
    with TemporaryDirectory() as folder:
        read = read_bill([written.bill(Path(folder), [row(ResourceId="i-0001") | cells for cells in changes])])
    later = datetime(2027, 1, 1, tzinfo=UTC)
    held = reconcile(read, [OURS], as_of=later)

    assert len(read.charges) + len(read.left_out) + read.refused_rows == len(changes)
    assert total(held.buckets.values()) == summary(read, as_of=later).whole.effective
    assert held.price + held.quantity == held.effective - held.modelled
    assert commitments(read.charges) == commitments(reversed(read.charges))
    assert all(one.amount >= 0 for one in effective_prices(read.charges))
    assert all(one.demand.min() >= 0 for one in pools(read.charges))


def test_a_broken_parquet_file_is_refused_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "b.parquet"
    path.write_text("no parquet", encoding="utf-8")
    with pytest.raises(BillError, match="b.parquet"):
        read_bill([path])
