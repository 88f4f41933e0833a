"""Prices of nodes and volumes by a sheet, and which source counts."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from cost.prices import cost_per_hour
from cost.pricing import defaults, opencost_metrics
from cost.pricing.billed import BilledPrice, ByBill
from cost.pricing.chain import Sources, notes_on, price_node, price_nodes, price_volume
from cost.pricing.covered import cover
from cost.pricing.sheet import node_costs
from cost.pricing.split import split_node_price
from cost.pricing.things import Confidence, NodeFacts, VolumeFacts, capacity_type
from rules.schema import PriceSheet

TYPE, REGION, SPOT = "node.kubernetes.io/instance-type", "topology.kubernetes.io/region", "karpenter.sh/capacity-type"
TODAY = date(2026, 11, 22)


def sheet(currency: str = "EUR", **spec: Any) -> PriceSheet:
    document = {"apiVersion": "foretide.dev/v1alpha1", "kind": "PriceSheet", "metadata": {"name": "eu"}}
    return PriceSheet.model_validate({**document, "spec": {"currency": currency, "asOf": "2026-10-01", **spec}})


def node(name: str = "n1", **labels: str) -> NodeFacts:
    known = {"type": TYPE, "region": REGION, "capacity": SPOT}
    return NodeFacts(
        name=name, labels={known.get(key, key): value for key, value in labels.items()},
        cpu_cores=Decimal(4), memory_gib=Decimal(16),
    )  # fmt: skip


OF_THE_SPEC = sheet(
    rules=[
        {"match": {"instanceType": "m6i.xlarge", "region": "eu-central-1", "capacityType": "on-demand"},
         "hourly": 0.23},
        {"match": {"nodeLabels": {"hw-gen": "gen2"}}, "perUnit": {"cpuCoreHour": 0.012, "memGiBHour": 0.0021}},
        {"match": {"capacityType": "spot"}, "discountFromOnDemand": 0.65},
        {"match": {"storageClass": "fast-ssd"}, "perUnit": {"gibMonth": 0.73}},
    ],
    commitments=[
        {"id": "ri-9", "match": {"instanceType": "m6i.xlarge"}, "quantity": 2, "hourly": 0.121, "ends": "2027-03-31"}
    ],
)  # fmt: skip


def cost(of: NodeFacts, by: PriceSheet = OF_THE_SPEC) -> Decimal | None:
    costs = node_costs(by.spec, of)
    return None if costs is None else costs.total


def test_the_rule_with_most_selectors_counts_and_its_price_is_split_exactly() -> None:
    assert cost(node(type="m6i.xlarge", region="eu-central-1")) == Decimal("0.23")
    assert cost(node(type="m6i.xlarge", region="eu-west-1")) is None
    assert cost(node(**{"hw-gen": "gen2"})) == Decimal("0.0816")


def test_spot_is_cheaper_than_the_same_machine_on_demand() -> None:
    assert cost(node(type="m6i.xlarge", region="eu-central-1", capacity="spot")) == Decimal("0.0805")


def test_a_rule_that_prices_spot_itself_goes_before_the_discount() -> None:
    own = {"match": {"instanceType": "m6i.xlarge", "capacityType": "spot"}, "hourly": "0.05"}
    by = sheet(rules=[own, {"match": {"capacityType": "spot"}, "discountFromOnDemand": 0.5}])
    assert cost(node(type="m6i.xlarge", capacity="spot"), by) == Decimal("0.05")


def test_a_node_price_is_split_as_opencosts_specification_says() -> None:
    one, ratio = Decimal(1), (Decimal(30), Decimal(10), Decimal(30))
    assert split_node_price(Decimal(35), cpus=one, gib=one, gpus=one, ratio=ratio) == (15, 5, 15)
    assert split_node_price(Decimal(7), cpus=one, gib=one, gpus=one, ratio=(Decimal(0),) * 3) == (7, 0, 0)


def test_replicas_are_priced_by_the_rule_of_every_node_only() -> None:
    assert cost_per_hour({"cpu": 1.0}, 2, OF_THE_SPEC) is None
    every = sheet(rules=[{"perUnit": {"cpuCoreHour": 0.1, "gpuHour": 2}}])
    priced = cost_per_hour({"cpu": 1.0, "nvidia.com/gpu": 1.0}, 2, every)
    assert priced is not None
    assert priced.amount == Decimal("4.2")
    assert cost(node(), every) == Decimal("0.4")


def test_volumes_are_priced_by_their_storage_class() -> None:
    sources = Sources(currency="EUR", sheet=OF_THE_SPEC)
    found = price_volume(sources, VolumeFacts(name="v", storage_class="fast-ssd", gib=Decimal(10)))
    assert found is not None
    assert found.amount == Decimal("0.01")
    assert price_volume(sources, VolumeFacts(name="v", storage_class="slow")) is None


def test_a_price_says_where_it_comes_from_and_the_surest_source_counts() -> None:
    machine = node(type="m6i.xlarge", region="eu-central-1")
    reported = opencost_metrics.read([
        ("node_cpu_hourly_cost", {"node": "n1"}, 0.03), ("node_ram_hourly_cost", {"node": "n1"}, 0.01),
        ("node_total_hourly_cost", {"node": "n2"}, 0.5), ("node_total_hourly_cost", {"node": "n3"}, 0.0),
    ])  # fmt: skip
    sources = Sources(currency="EUR", sheet=OF_THE_SPEC, reported=reported)
    stated, told = price_node(sources, machine), price_node(sources, node())
    assert stated is not None
    assert told is not None
    assert (stated.price.source, stated.price.confidence) == ("PriceSheet default/eu", Confidence.STATED)
    assert (told.price.amount, told.price.confidence) == (Decimal("0.28"), Confidence.REPORTED)
    whole = price_node(sources, node("n2"))
    assert whole is not None
    assert whole.price.amount == Decimal("0.5")
    assert reported.notes == ("node_total_hourly_cost of n3 is 0: left out",)
    assert price_node(sources, node("n3")) is None  # no source in euros: unpriced, never a default in dollars


def test_what_the_bill_says_of_a_kind_of_machine_is_multiplied_on_top() -> None:
    factor = {("m6i.xlarge", "on-demand", "eu-central-1"): Decimal("0.5")}
    sources = Sources(currency="EUR", sheet=OF_THE_SPEC, bill=ByBill(factors=factor, at=TODAY))
    found = price_node(sources, node(type="m6i.xlarge", region="eu-central-1"))
    assert found is not None
    assert (found.price.amount, found.price.confidence) == (Decimal("0.115"), Confidence.BILLED)
    assert found.price.source == "PriceSheet default/eu, times 0.5 by the bill"


def test_a_price_of_the_bill_counts_with_its_hours_and_ours_with_a_day() -> None:
    billed = BilledPrice(hourly=Decimal("0.1"), hours=Decimal(72), as_of=TODAY, source="october.csv")
    of_any_region = ByBill(prices={("m6i.xlarge", "on-demand", ""): billed})
    sources = Sources(currency="EUR", sheet=OF_THE_SPEC, bill=of_any_region)
    found = price_node(sources, node(type="m6i.xlarge", region="eu-central-1"))
    assert found is not None
    assert found.price.amount == Decimal("0.1325") == sum(found.parts)  # (72 · 0.1 + 24 · 0.23) ÷ 96
    assert (found.price.source, found.price.confidence) == ("bill october.csv", Confidence.BILLED)
    alone = price_node(Sources(currency="EUR", bill=of_any_region), node(type="m6i.xlarge"))
    assert alone is not None
    assert alone.price.amount == Decimal("0.1")  # nobody else has one in euros
    assert price_node(Sources(currency="EUR", bill=of_any_region), node()) is None


def test_defaults_are_said_to_be_estimates_and_old_prices_to_be_old() -> None:
    found = price_node(Sources(currency="USD"), node())
    assert found is not None
    assert found.price.confidence is Confidence.ESTIMATE
    assert found.price.as_of == defaults.AS_OF
    euros = sheet("EUR", cpuCoreHour=1, memoryGiBHour=1)
    assert notes_on(Sources(currency="USD", sheet=euros), [found.price], TODAY) == [
        "PriceSheet default/eu is in EUR, not USD: left out",
        "100% of the hourly cost is an estimate, by default prices",
    ]
    later = notes_on(Sources(currency="USD"), [found.price], date(2027, 3, 1))
    assert later[0] == "prices of default prices are older than 90 days"


def test_commitments_price_the_nodes_they_cover_and_what_is_over_is_said_apart() -> None:
    pool = [node(name, type="m6i.xlarge", region="eu-central-1") for name in ("b", "a", "c")]
    priced, unused = price_nodes(Sources(currency="EUR", sheet=OF_THE_SPEC), pool, TODAY)
    assert {name: one.price.amount for name, one in priced.items()} == {
        "a": Decimal("0.121"), "b": Decimal("0.121"), "c": Decimal("0.23"),
    }  # fmt: skip
    assert unused == 0
    commitments = OF_THE_SPEC.spec.commitments
    assert cover(pool[:1], commitments, TODAY).unused_hourly == Decimal("0.121")
    assert cover(pool, commitments, date(2027, 4, 1)).hourly == {}


@pytest.mark.parametrize(("labels", "told"), [
    ({}, "on-demand"), ({"eks.amazonaws.com/capacityType": "SPOT"}, "spot"), ({"lifecycle": "EC2Spot"}, "spot"),
    ({"cloud.google.com/gke-preemptible": "true"}, "spot"), ({SPOT: "reserved"}, "reserved"),
    ({"kubernetes.azure.com/scalesetpriority": "regular"}, "on-demand"),
])  # fmt: skip
def test_the_capacity_type_is_read_from_the_labels_of_clouds(labels: dict[str, str], told: str) -> None:
    assert capacity_type(labels) == told
