"""A model held against a bill: nothing is dropped, and every difference is price plus quantity, to the last digit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cost.billing.buckets import Bucket
from cost.billing.calibration import PriceKey, Seen, by_machine, factors
from cost.billing.charges import Bill, Charge
from cost.billing.differences import Cause, split
from cost.billing.effective import effective_prices
from cost.billing.exact import total
from cost.billing.model import AssetKind, Modelled, read_model
from cost.billing.quality import Notes
from cost.billing.read import read_bill
from cost.billing.reconcile import Reconciliation, reconcile
from cost.billing.tables import BillError
from tests.cost.billing import written
from tests.cost.billing.written import purchase, row, unused, used

LATER = datetime(2026, 12, 1, tzinfo=UTC)
TEN = datetime(2026, 10, 5, 10, tzinfo=UTC)
BALANCER = "arn:aws:elasticloadbalancing:eu-1:12:loadbalancer"
NODE = "aws:///eu-1a/i-0001"


def held(
    folder: Path, rows: list[dict[str, Any]], ours: list[dict[str, Any]], as_of: datetime = LATER
) -> Reconciliation:
    read = read_bill([written.bill(folder, rows)])
    found = reconcile(read, read_model(written.model(folder, ours), read.notes), as_of=as_of)
    assert total(found.buckets.values()) == total(one.effective_cost for one in read.charges)
    assert found.price + found.quantity == found.effective - found.modelled
    return found


def test_a_node_that_cost_what_we_said_differs_in_nothing(tmp_path: Path) -> None:
    found = held(tmp_path, [row(ResourceId="i-0001")], [{"id": NODE, "name": "n1"}])
    (one,) = found.differences

    assert (one.delta, one.causes, one.names) == (0, (), ("n1",))
    assert (found.coverage, found.bias, found.mape, found.alerts) == (1, 0, 0, ())


@pytest.mark.parametrize(
    ("rows", "ours", "price", "quantity", "causes"),
    [
        ([used("i-0001", "0.12")], {}, "-0.08", "0", (Cause.COMMITMENT_USED,)),
        ([row(EffectiveCost="0.07", PricingCategory="Dynamic")], {}, "-0.13", "0", (Cause.SPOT_NOT_MODELLED,)),
        ([row()], {"capacity_type": "spot", "cost": "0.07"}, "0.13", "0", (Cause.SPOT_NOT_BILLED,)),
        ([row(EffectiveCost="0.15", ContractedCost="0.15")], {}, "-0.05", "0", (Cause.NEGOTIATED_PRICE,)),
        ([row(EffectiveCost="0.25")], {}, "0.05", "0", (Cause.PRICE_DIFFERS,)),
        ([row()], {"sku": "", "cost": "0.1"}, "0.1", "0", (Cause.UNKNOWN_SKU,)),
        ([row()], {"hours": "0.5", "cost": "0.1"}, "0", "0.1", (Cause.HOURS_DIFFER,)),
        ([row(), row(ChargeClass="Correction", EffectiveCost="0", PricingQuantity="0")], {}, "0", "0",
         (Cause.CORRECTION,)),
    ],
)  # fmt: skip
def test_every_difference_has_its_cause(
    tmp_path: Path,
    rows: list[dict[str, Any]],
    ours: dict[str, str],
    price: str,
    quantity: str,
    causes: tuple[Cause, ...],
) -> None:
    found = held(tmp_path, [one | {"ResourceId": "i-0001"} for one in rows], [{"id": NODE} | ours])
    (one,) = found.differences

    assert (one.price, one.quantity, one.causes) == (Decimal(price), Decimal(quantity), causes)


def test_what_only_one_side_has_is_told_and_never_dropped(tmp_path: Path) -> None:
    rows = [row(ResourceId="i-0001"), row(ResourceId="db-1"), row(ResourceId="i-0404", Tags='{"eks:cluster-name":"c"}')]
    found = held(tmp_path, rows, [{"id": NODE}, {"id": "aws:///eu-1a/i-0002", "name": "n2"}])

    assert found.buckets == {Bucket.MATCHED: Decimal("0.2"), Bucket.OUT_OF_CLUSTER: Decimal("0.4")}
    assert found.like_nodes == Decimal("0.2")
    assert [(one.names, one.quantity, one.causes) for one in found.differences if one.delta] == [
        (("n2",), Decimal("-0.2"), (Cause.ONLY_IN_MODEL,))
    ]
    assert found.model_coverage == Decimal("0.5")
    assert [alert.split()[0] for alert in found.alerts] == ["bias", "coverage"]


def test_each_row_that_no_machine_is_behind_has_its_own_line(tmp_path: Path) -> None:
    rows = [
        row(ResourceId="i-0001"), unused("0.1"), purchase("0.1"), row(ResourceId="i-0001", PricingUnit="GB"),
        row(ChargeCategory="Tax", EffectiveCost="1"), row(ChargeCategory="Credit", EffectiveCost="-2"),
        row(ChargeCategory="Adjustment", EffectiveCost="3"), row(ChargeCategory="?", EffectiveCost="4"),
        row(BillingPeriodEnd="2027-01-01T00:00:00Z", EffectiveCost="5"),
        row(ResourceId="i-0001", ChargePeriodStart="2026-10-05T12:00:00Z", ChargePeriodEnd="2026-10-05T13:00:00Z"),
    ]  # fmt: skip
    found = held(tmp_path, rows, [{"id": NODE}])

    assert {bucket.value: float(amount) for bucket, amount in found.buckets.items()} == {
        "matched": 0.2, "__commitment_unused__": 0.1, "purchase": 0, "beside-nodes": 0.2, "tax": 1, "credit": -2,
        "adjustment": 3, "unknown-category": 4, "provisional": 5, "out-of-time": 0.2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "own", "resource"),
    [
        ("node", NODE, "i-0001"),
        ("node", NODE, "arn:aws:ec2:eu-1:12:instance/i-0001"),
        ("node", "gce://shop/eu-1b/web-1", "//compute.googleapis.com/projects/shop/zones/eu-1b/instances/web-1"),
        ("node", "azure:///subscriptions/S/resourceGroups/g/providers/Compute/virtualMachines/vm-7",
         "/subscriptions/s/resourcegroups/G/providers/compute/virtualMachines/VM-7"),
        ("volume", "vol-0aa1", "arn:aws:ec2:eu-1:12:volume/vol-0aa1"),
        ("volume", "projects/shop/zones/eu-1b/disks/pvc-1",
         "//compute.googleapis.com/projects/shop/zones/eu-1b/disks/pvc-1"),
        ("loadBalancer", "web-77ab.elb.eu-1.amazonaws.com", f"{BALANCER}/net/web/77ab"),
        ("loadBalancer", "internal-web-123.eu-1.elb.amazonaws.com", f"{BALANCER}/web"),
        ("loadBalancer", "203.0.113.7", "203.0.113.7"),
    ],
)  # fmt: skip
def test_providers_names_of_one_thing_are_matched(tmp_path: Path, kind: str, own: str, resource: str) -> None:
    found = held(tmp_path, [row(ResourceId=resource)], [{"kind": kind, "id": own}])

    assert found.buckets == {Bucket.MATCHED: Decimal("0.2")}


@pytest.mark.parametrize(
    ("kind", "own", "resource"),
    [
        ("node", "azure:///subscriptions/s/g/virtualMachineScaleSets/np/virtualMachines/3", "other/3"),
        ("node", "gce://shop/eu-1b/web", "web"),
        ("loadBalancer", "web-123.eu-1.elb.amazonaws.com", "arn:aws:rds:eu-1:12:db:web"),
        ("node", NODE, "i-00011"),
    ],
)
def test_names_that_merely_look_alike_are_not(tmp_path: Path, kind: str, own: str, resource: str) -> None:
    found = held(tmp_path, [row(ResourceId=resource)], [{"kind": kind, "id": own}])

    assert found.buckets == {Bucket.OUT_OF_CLUSTER: Decimal("0.2")}


def test_a_scale_set_is_held_against_all_of_its_machines(tmp_path: Path) -> None:
    path = "/subscriptions/s/resourceGroups/g/providers/Compute/virtualMachineScaleSets/np"
    ours = [{"id": f"azure://{path}/virtualMachines/{i}", "name": f"n{i}"} for i in range(3)]
    found = held(tmp_path, [row(ResourceId=path, EffectiveCost="0.6", PricingQuantity="3")], ours)
    (one,) = found.differences

    assert (one.names, one.hours_billed, one.delta) == (("n0", "n1", "n2"), 3, 0)


def test_money_without_hours_moves_no_factor(tmp_path: Path) -> None:
    other = NODE.replace("i-0001", "i-0002")
    rows = [row(ResourceId="i-0001"), row(ResourceId="i-0002", PricingQuantity="-1", EffectiveCost="5")]
    (one,) = held(tmp_path, rows, [{"id": NODE}, {"id": other}]).factors

    assert one.effective == held(tmp_path, rows[:1], [{"id": NODE}]).factors[0].effective


def test_an_hour_that_a_commitment_covers_in_part_is_one_hour(tmp_path: Path) -> None:
    hour = {"ConsumedQuantity": "1", "ConsumedUnit": "Hours"}
    rows = [
        used("i-0001", "0.1", **hour),
        row(ResourceId="i-0001", PricingQuantity="0.5", EffectiveCost="0.1", **hour),
    ]
    found = held(tmp_path, rows, [{"id": NODE}])

    assert (found.differences[0].hours_billed, found.differences[0].delta) == (1, 0)
    assert sum(one.hours for one in found.factors) == 1


def test_a_daily_bill_is_cut_where_the_model_begins_and_nothing_is_lost(tmp_path: Path) -> None:
    day = {"ChargePeriodStart": "2026-10-05T00:00:00Z", "ChargePeriodEnd": "2026-10-06T00:00:00Z"}
    rows = [row(ResourceId="i-0001", PricingQuantity="24", EffectiveCost="2.4", **day)]
    ours = [{"id": NODE, "start": "2026-10-05T17:00:00Z", "end": "2026-10-06T02:00:00Z", "cost": "0.9"}]
    found = held(tmp_path, rows, ours)

    assert found.buckets[Bucket.MATCHED] == Decimal("0.7")
    assert found.buckets[Bucket.OUT_OF_TIME] == Decimal("1.7")
    assert [str(one.day) for one in found.days] == ["2026-10-05", "2026-10-06"]
    assert found.differences[0].hours_modelled == 9


def test_an_open_billing_period_counts_only_where_that_is_asked_for(tmp_path: Path) -> None:
    read = read_bill([written.bill(tmp_path, [row(ResourceId="i-0001")])])
    ours = read_model(written.model(tmp_path, [{"id": NODE}]), Notes())
    during = datetime(2026, 10, 6, tzinfo=UTC)

    aside, taken = (reconcile(read, ours, as_of=during, with_provisional=asked) for asked in (False, True))
    assert (aside.buckets, aside.window) == ({Bucket.PROVISIONAL: Decimal("0.2")}, None)
    assert taken.buckets == {Bucket.MATCHED: Decimal("0.2")}


def test_a_model_in_another_currency_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BillError, match=r"model is in EUR and the bill in USD"):
        held(tmp_path, [row()], [{"id": NODE, "currency": "EUR"}])


def test_broken_rows_of_a_model_have_their_line(tmp_path: Path) -> None:
    notes = Notes()
    rows = [{"id": "a"}, {"id": "b", "cost": "-1"}, {"id": "c", "kind": "ship"}, {"id": "d", "hours": "9"},
            {"id": "e", "end": "2026-10-05T10:00:00Z"}, {"id": "f", "start": "now"}]  # fmt: skip
    ours = read_model(written.model(tmp_path, rows), notes)

    assert [one.id for one in ours] == ["a"]
    assert [(one.row, one.column) for one in notes.lines] == [
        (3, "cost"), (4, "kind"), (5, "hours"), (6, "end"), (7, "start"),
    ]  # fmt: skip
    bare = tmp_path / "bare.csv"
    bare.write_text("id,cost\n", encoding="utf-8")
    with pytest.raises(BillError, match="missing: kind, start, end"):
        read_model(bare, notes)


def test_few_hours_move_a_price_little(tmp_path: Path) -> None:
    key = PriceKey(sku="m.large", capacity_type="spot", region="eu")
    (day,) = factors({key: Seen(Decimal(6), Decimal(12), Decimal(24))})
    (ten,) = factors({key: Seen(Decimal(6), Decimal(12), Decimal(216))})

    assert (day.raw, day.shrunk, ten.shrunk) == (Decimal("0.5"), Decimal("0.75"), Decimal("0.55"))
    assert by_machine([ten]) == {("m.large", "spot", "eu"): Decimal("0.55")}
    assert factors({key: Seen(Decimal(0), Decimal(12), Decimal(24))}) == ()


def test_committed_hours_count_with_those_on_demand_for_labels_do_not_show_them() -> None:
    kinds = {"on-demand": "2", "reserved": "1", "spot": "0.5"}
    keys = {PriceKey(sku="m", capacity_type=kind, region=""): Seen(Decimal(cost), Decimal(2), Decimal(488))
            for kind, cost in kinds.items()}  # fmt: skip

    assert {kind: round(one, 3) for (_, kind, _), one in by_machine(factors(keys)).items()} == {
        "on-demand": Decimal("0.756"), "reserved": Decimal("0.523"), "spot": Decimal("0.285"),
    }  # fmt: skip


def test_effective_prices_leave_out_what_is_no_price(tmp_path: Path) -> None:
    rows = [
        row(EffectiveCost="0.1", PricingQuantity="2"), row(EffectiveCost="0.2", ResourceId="i-0001"),
        used("i-2", "0.05"), unused("9"), row(EffectiveCost="0"), row(ChargeClass="Correction", EffectiveCost="-1"),
        row(PricingQuantity="-3"), purchase("7"), row(SkuId=""),
    ]  # fmt: skip
    charges = read_bill([written.bill(tmp_path, rows)]).charges
    prices = effective_prices(charges, {"i-0001": "m.large"})

    assert [(one.instance_type, one.capacity_type, one.amount, one.quantity) for one in prices] == [
        ("", "on-demand", Decimal("0.05"), 2),
        ("", "reserved", Decimal("0.05"), 1),
        ("m.large", "on-demand", Decimal("0.2"), 1),
    ]
    assert prices[0].list_amount == Decimal("0.1")


amounts = st.decimals(min_value=0, max_value=10**6, places=6)
counts = st.decimals(min_value=0, max_value=744, places=3)


@given(amounts, amounts, counts, counts)
def test_price_and_quantity_are_the_difference_exactly(
    effective: Decimal, modelled: Decimal, billed: Decimal, ours: Decimal
) -> None:
    price, quantity = split(effective=effective, modelled=modelled, hours_billed=billed, hours_modelled=ours)

    assert price + quantity == effective - modelled


def node(number: int, start: int, length: int, cost: Decimal) -> Modelled:
    begin = TEN + timedelta(minutes=start)
    return Modelled(
        kind=AssetKind.NODE, id=f"aws:///z/i-000{number}", name=f"n{number}", start=begin,
        end=begin + timedelta(minutes=length), hours=Decimal(length) / 60, cost=cost,
    )  # fmt: skip


def charge(number: int, start: int, length: int, cost: Decimal) -> Charge:
    begin = TEN + timedelta(minutes=start)
    return Charge(
        file="b", row=1, billed_cost=cost, effective_cost=cost, resource=f"i-000{number}", charge_period_start=begin,
        charge_period_end=begin + timedelta(minutes=length), billing_period_start=TEN,
        billing_period_end=TEN + timedelta(days=1),
    )  # fmt: skip


times = (st.integers(0, 4), st.integers(0, 2000), st.integers(1, 1500), amounts)


@given(st.lists(st.builds(charge, *times), max_size=8), st.lists(st.builds(node, *times), max_size=8))
def test_nothing_of_either_side_falls_under_the_table(charges: list[Charge], ours: list[Modelled]) -> None:
    bill = Bill(files=(), charges=tuple(charges), left_out=(), refused_rows=0, currency="", notes=Notes())
    found = reconcile(bill, ours, as_of=LATER)

    assert total(found.buckets.values()) == total(one.effective_cost for one in charges)
    assert found.buckets.get(Bucket.MATCHED, Decimal(0)) == found.effective
    assert found.modelled + found.modelled_outside == total(one.cost for one in ours)
    assert found.price + found.quantity == found.effective - found.modelled
    assert total(one.effective for one in found.days) == found.effective
    assert total(one.modelled for one in found.days) == found.modelled
