"""OpenCost's price file: what is read, and what is told of rows that cannot be."""

from __future__ import annotations

from decimal import Decimal

from cost.pricing.opencost_csv import read
from cost.pricing.things import NodeFacts, VolumeFacts

HEAD = "EndTimestamp,InstanceID,Region,AssetClass,InstanceIDField,InstanceType,MarketPriceHourly,Version"
WHEN = "2026-10-01 23:34:22 UTC"
RATIO = (Decimal(1), Decimal(1), Decimal(1))
REGION = "topology.kubernetes.io/region"


def file(*rows: str) -> list[str]:
    return [HEAD, *rows]


def price(rows: list[str], node: NodeFacts) -> Decimal | None:
    found = read(rows, file="prices.csv").node(node, RATIO)
    return None if found is None else found[0].total


def node(name: str = "n", *, provider_id: str = "", gpus: int = 0, **labels: str) -> NodeFacts:
    return NodeFacts(
        name=name, provider_id=provider_id, labels=labels, cpu_cores=Decimal(1), memory_gib=Decimal(1),
        gpus=Decimal(gpus),
    )  # fmt: skip


def test_a_node_is_found_by_name_by_provider_id_and_by_label() -> None:
    rows = file(
        f"{WHEN},Node-1,,node,metadata.name,,0.1337,", f"{WHEN},i-0aa,,node,spec.providerID,,0.2,",
        f"{WHEN},Reserved,,node,metadata.labels.Usage,,0.65,",
        f"{WHEN},blue,,node,metadata.labels.<http://labels.example/pool|labels.example/pool>,,0.7,",
    )  # fmt: skip
    assert price(rows, node("node-1")) == Decimal("0.1337")
    assert price(rows, node(provider_id="aws:///eu-central-1a/I-0AA")) == Decimal("0.2")
    assert price(rows, node(Usage="Reserved")) == Decimal("0.65")
    assert price(rows, node(**{"labels.example/pool": "blue"})) == Decimal("0.7")
    assert price(rows, node("node-2")) is None


def test_of_several_rows_that_fit_the_one_that_names_the_node_counts() -> None:
    rows = file(f"{WHEN},blue,,node,metadata.labels.pool,,0.7,", f"{WHEN},n,,node,metadata.name,,0.3,",
                f"{WHEN},any,,node,metadata.labels.hw,,0.9,")  # fmt: skip
    assert price(rows, node("n", pool="blue")) == Decimal("0.3")
    assert price(rows, node("m", pool="blue", hw="any")) == Decimal("0.7")


def test_the_row_of_the_nodes_region_goes_before_the_one_of_none() -> None:
    rows = file(f"{WHEN},n,,node,metadata.name,,0.3,", f"{WHEN},n,one,node,metadata.name,,0.1,")
    assert price(rows, node(**{REGION: "one"})) == Decimal("0.1")
    assert price(rows, node(**{REGION: "two"})) == Decimal("0.3")


def test_gpus_are_added_to_the_node() -> None:
    rows = file(f"{WHEN},n,,node,metadata.name,,0.1337,", f"{WHEN},Quadro_RTX_4000,,gpu,nvidia.com/gpu_type,,0.75,")
    assert price(rows, node(gpus=2, **{"nvidia.com/gpu_type": "Quadro_RTX_4000"})) == Decimal("1.6337")
    assert price(rows, node(gpus=2)) == Decimal("0.1337")


def test_volumes_are_priced_by_name_or_storage_class() -> None:
    rows = file(f"{WHEN},fast,,pv,spec.storageClassName,,0.5,", f"{WHEN},pvc-1,,pv,metadata.name,,0.1,")
    prices = read(rows, file="f")
    assert prices.volume_hourly(VolumeFacts(name="pvc-1", gib=Decimal(10)))[0] == Decimal(1)  # type: ignore[index]
    assert prices.volume_hourly(VolumeFacts(name="x", storage_class="fast", gib=Decimal(2)))[0] == 1  # type: ignore[index]
    assert prices.volume_hourly(VolumeFacts(name="x")) is None


def test_rows_that_cannot_be_used_are_told_with_row_and_column_and_the_others_are_read() -> None:
    found = read(file(
        f"{WHEN},a,,node,metadata.name,,0.1,", f"{WHEN},b,,node,metadata.name,,0,",
        f"{WHEN},c,,node,metadata.name,,-1,", f"{WHEN},d,,lamp,metadata.name,,1,",
        f"{WHEN},,,node,metadata.name,,cheap,", "yesterday,e,,node,metadata.name,,1,",
        f"{WHEN},a,,node,metadata.name,,0.2,", "", f"{WHEN},f",
    ), file="prices.csv")  # fmt: skip
    assert [row.value for row in found.rows] == ["a", "e"]
    assert [(one.line, one.column, one.message) for one in found.mistakes] == [
        (3, 7, "a price of 0 is none; the row is left out"),
        (4, 7, 'expected a price above 0; found "-1"'),
        (5, 4, 'expected one of node, gpu, pv; found "lamp"'),
        (6, 2, "is empty; the row is left out"),
        (6, 7, 'expected a price such as 0.1337; found "cheap"'),
        (7, 1, "expected a time such as 2026-10-01 00:00:00 UTC; the price has no date"),
        (8, 7, "row 2 has another price of the same; that one counts"),
        (10, 4, 'expected one of node, gpu, pv; found ""'),
        (10, 5, "is empty; the row is left out"),
        (10, 7, 'expected a price such as 0.1337; found ""'),
    ]


def test_a_file_of_other_columns_is_refused_with_their_names() -> None:
    assert [one.message for one in read(["a,b", "1,2"], file="f").mistakes] == [
        "missing column EndTimestamp, InstanceID, Region, AssetClass, InstanceIDField, InstanceType, MarketPriceHourly"
    ]
    assert read([], file="f").rows == ()
