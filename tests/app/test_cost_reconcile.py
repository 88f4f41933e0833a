"""``foretide cost reconcile``: what it prints of a bill, with and without a model, and how it ends."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.check import check_paths
from app.cost_reconcile import Asked, run
from tests.cost.billing import written
from tests.cost.billing.written import purchase, row, unused, used

AS_OF = "2026-12-01"
ROWS = [
    row(ResourceId="i-0001", InvoiceId="A"),
    used("i-0002", "0.12"),
    unused("0.12"),
    purchase("0.24"),
    row(ResourceId="db-1", ServiceName="Databases", BillingCurrency="EUR"),
]
OURS: list[dict[str, Any]] = [
    {"id": "aws:///z/i-0001", "name": "n1"},
    {"id": "aws:///z/i-0002", "name": "n2"},
]


def said(
    folder: Path, output: str = "table", *, rows: list[dict[str, Any]] | None = None, **asked: Any
) -> tuple[int, str]:
    out = io.StringIO()
    bill = written.bill(folder, ROWS if rows is None else rows)
    return run(Asked(bills=(bill,), output=output, as_of=AS_OF, **asked), out), out.getvalue()


def test_a_bill_alone_says_what_it_can(tmp_path: Path) -> None:
    code, text = said(tmp_path)

    assert code == 0
    assert "Machines     4  0.4400     0.4400  0.4000              0.91" in text
    assert "holds    ri-9: bought 0.2400, used 0.1200, unused 0.1200" in text
    assert "1 × AnotherCurrency BillingCurrency (row left out)" in text
    assert "Against" not in text


def test_a_model_is_held_against_it_and_a_large_bias_ends_with_one(tmp_path: Path) -> None:
    code, text = said(tmp_path, model=written.model(tmp_path, OURS))

    assert code == 1
    assert "+  other prices                -0.0800" in text
    assert "CommitmentUsed       1     -0.0800  -0.0800  +0.0000" in text
    assert "+  __commitment_unused__       +0.1200" in text
    assert "=  billed                       0.4400" in text
    assert "n2      0.2000  0.1200     -0.0800  -0.0800  +0.0000  CommitmentUsed" in text
    assert "m.large  reserved   eu        1.0  0.6000  0.9840" in text
    assert text.endswith("Look at this first: bias +25.0 %, beyond ± 5 %.\n")


def test_json_has_every_figure_exactly_and_every_quality_line(tmp_path: Path) -> None:
    _, text = said(tmp_path, "json", model=written.model(tmp_path, OURS))
    found = json.loads(text)

    held = found["reconciliation"]
    assert (held["delta"], held["price"], held["quantity"]) == ("-0.08", "-0.080000000000", "0.000000000000")
    assert held["buckets"] == {"matched": "0.32", "__commitment_unused__": "0.12", "purchase": "0"}
    assert found["commitments"][0]["verdict"] == "holds"
    assert held["causes"] == [
        {"cause": "CommitmentUsed", "assets": 1, "price": "-0.080000000000", "quantity": "0.000000000000"}
    ]
    (line,) = found["quality"]
    assert (line["row"], line["column"], line["problem"]) == (6, "BillingCurrency", "AnotherCurrency")
    assert line["file"].endswith("bill.csv")
    assert [one["instance_type"] for one in found["effective_prices"]] == ["m.large", "m.large"]


def test_csv_has_services_or_differences(tmp_path: Path) -> None:
    _, alone = said(tmp_path, "csv")
    _, against = said(tmp_path, "csv", model=written.model(tmp_path, OURS))

    assert [one["service"] for one in csv.DictReader(io.StringIO(alone))] == ["Machines"]
    assert [one["names"] for one in csv.DictReader(io.StringIO(against))] == ["n2", "n1"]


def test_a_price_sheet_of_what_machines_really_cost_is_accepted(tmp_path: Path) -> None:
    rows = [*ROWS, row(ResourceId="i-0003", SkuId="S-2", EffectiveCost="0.1")]
    ours = [*OURS, {"id": "aws:///z/i-0003", "name": "n3"}]
    _, text = said(tmp_path, "prices", rows=rows, model=written.model(tmp_path, ours))
    path = tmp_path / "prices.yaml"
    path.write_text(text, encoding="utf-8")

    assert check_paths([path]) == 0
    assert "# m.large eu on-demand: the mean of 2 SKUs" in text
    assert "# m.large eu: 0.12 an hour where committed." in text
    sheet = yaml.safe_load(text)
    assert sheet["spec"]["rules"] == [
        {"match": {"instanceType": "m.large", "region": "eu", "capacityType": "on-demand"}, "hourly": "0.15"}
    ]
    assert "No machine here has a type" in said(tmp_path, "prices")[1]


def test_a_rate_and_an_invoice_are_taken_from_the_command(tmp_path: Path) -> None:
    right, text = said(tmp_path, rates=("EUR=1.5",), invoices=("A=0.2",))
    wrong, _ = said(tmp_path, invoices=("A=0.3",))

    assert (right, wrong) == (0, 1)
    assert "Databases" in text
    assert "holds    invoice A: 0.2000 billed, 0.2000 on the invoice" in text


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"output": "xml"}, "-o xml: expected one of table, json, csv, prices"),
        ({"rates": ("EUR",)}, "--rate EUR: expected NAME=AMOUNT"),
        ({"invoices": ("A=-1",)}, "--invoice A=-1: expected NAME=AMOUNT"),
        ({"as_of": "soon"}, "--as-of soon: expected a date"),
        ({"model": Path("absent.csv")}, "absent.csv"),
    ],
)
def test_what_cannot_be_meant_is_said_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], asked: dict[str, Any], sentence: str
) -> None:
    bill = written.bill(tmp_path, ROWS)

    assert run(Asked(bills=(bill,), **asked), io.StringIO()) == 2
    assert sentence in capsys.readouterr().err
    assert run(Asked(bills=(bill, bill)), io.StringIO()) == 2


def test_texts_of_a_bill_steer_no_terminal_and_leave_no_comment(tmp_path: Path) -> None:
    evil = "\x1b[2J\nkind: Budget"
    rows = [row(ServiceName=evil, ResourceId="i-1", SkuPriceDetails=json.dumps({"InstanceType": evil}))]
    rows.append(rows[0] | {"SkuId": "S-2"})

    assert "?[2J?kind: Budget" in said(tmp_path, rows=rows)[1]
    assert "\x1b" not in said(tmp_path, rows=rows)[1]
    assert yaml.safe_load(said(tmp_path, "prices", rows=rows)[1])["kind"] == "PriceSheet"


def test_an_empty_bill_is_told_as_one(tmp_path: Path) -> None:
    code, text = said(tmp_path, rows=[row(BilledCost="?")])

    assert code == 0
    assert "0 rows, no currency told, no readable period" in text
    assert "Left out: 1 unreadable rows" in text


def test_a_bill_of_which_no_row_counts_is_no_success(tmp_path: Path) -> None:
    code, text = said(tmp_path, account="another")

    assert code == 1
    assert "5 × AnotherAccount BillingAccountId (row left out)" in text
    assert text.endswith("Look at this first: every row is of another account or currency, and left out.\n")


def test_no_answer_of_a_server_is_four_and_options_that_contradict_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(tmp_path, server="http://127.0.0.1:1")[0] == 4
    assert said(tmp_path, server="http://127.0.0.1:1", model=written.model(tmp_path, OURS))[0] == 2
    assert said(tmp_path, raw=True)[0] == 2
    assert "--raw goes with --server" in capsys.readouterr().err
