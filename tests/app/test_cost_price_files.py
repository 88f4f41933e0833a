"""Files of prices: read, held against the nodes of their time, read again when they change, kept when they break."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from app import cost_model_endpoint
from app.cost_model import CostModel
from app.cost_model_endpoint import asked_model
from app.cost_node_hours import NodeHours
from app.cost_price_files import PriceFiles
from app.cost_prices import Prices
from app.price_settings import PriceSettings
from app.queries import Queries
from app.server_client import Server
from cost.billing.differences import Cause
from cost.billing.read import read_bill
from cost.billing.reconcile import reconcile
from cost.pricing.chain import price_node
from cost.pricing.things import Confidence, NodeFacts
from domain.clock import to_ms
from domain.labels import Labels
from domain.series import Series
from rules.ruleset import RuleSet
from rules.schema import PriceSheet
from store.metrics import MetricsStore
from tests.cost.billing import written
from tests.cost.billing.written import row, used
from tests.fakes.clock import ManualClock

START = datetime(2026, 11, 20, 10, tzinfo=UTC)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
GIB = 2.0**30
TYPE, REGION = "node.kubernetes.io/instance-type", "topology.kubernetes.io/region"
CSV = "EndTimestamp,InstanceID,Region,AssetClass,InstanceIDField,InstanceType,MarketPriceHourly,Version\n"


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Iterator[MetricsStore]:
    opened = MetricsStore.open(tmp_path / "metrics.db", retention=timedelta(days=15), clock=clock)
    yield opened
    opened.close()


def series(name: str, value: float, hours: float, **labels: str) -> Series:
    times = np.arange(to_ms(START), to_ms(START + hours * HOUR) + 1, 60_000, dtype=np.int64)
    found = Labels.of({"__name__": name, "job": "foretide-kubernetes", "instance": "prod", **labels})
    return Series(labels=found, timestamps_ms=times, values=np.full(len(times), value))


def seen(name: str, hours: float, *, kind: str = "m.large") -> list[Series]:
    """A node of two cores since START."""
    return [
        series("kube_node_info", 1.0, hours, node=name, provider_id=f"aws:///eu-1/i-000{name}"),
        series("kube_node_labels", 1.0, hours, node=name, label_node_kubernetes_io_instance_type=kind,
               label_topology_kubernetes_io_region="eu"),
        series("kube_node_status_capacity", 2.0, hours, node=name, resource="cpu"),
        series("kube_node_status_capacity", 8 * GIB, hours, node=name, resource="memory"),
    ]  # fmt: skip


def sheet(**spec: Any) -> PriceSheet:
    document = {"apiVersion": "foretide.dev/v1alpha1", "kind": "PriceSheet", "metadata": {"name": "us"}}
    return PriceSheet.model_validate({**document, "spec": {"currency": "USD", **spec}})


DOLLARS = sheet(asOf="2026-11-01", rules=[{"match": {"instanceType": "m.large"}, "hourly": 0.2}])
MACHINE = NodeFacts(name="n", labels={TYPE: "m.large", REGION: "eu"}, cpu_cores=Decimal(2), memory_gib=Decimal(8))


class Parts:
    """What wiring puts together, over one store."""

    def __init__(self, store: MetricsStore, clock: ManualClock, settings: PriceSettings, *sheets: PriceSheet) -> None:
        queries = Queries(store, clock=clock)
        stated = sheets[0] if sheets else None
        self.files = PriceFiles(
            settings, wanted=lambda: (None if stated is None else stated.spec.currency, False, ""),
            model=lambda start, end: self.model.of(start, end, raw=True).rows,
        )  # fmt: skip
        self.prices = Prices(queries, lambda: RuleSet(price_sheets=sheets), self.files)
        self.model = CostModel(NodeHours(queries, local=False), self.prices.at)

    def price(self, node: NodeFacts = MACHINE) -> tuple[Decimal, str, Confidence]:
        found = price_node(self.prices.at(NOW), node)
        assert found is not None
        return found.price.amount, found.price.source, found.price.confidence


def at(hour: int) -> dict[str, str]:
    start = START + hour * HOUR
    period = {"BillingPeriodStart": "2026-11-20T00:00:00Z", "BillingPeriodEnd": "2026-11-21T00:00:00Z"}
    return {"ChargePeriodStart": start.isoformat(), "ChargePeriodEnd": (start + HOUR).isoformat(), **period}


def test_a_bill_that_names_our_nodes_makes_factors_and_other_machines_their_price(
    store: MetricsStore, clock: ManualClock, tmp_path: Path
) -> None:
    store.load([*seen("a", 12), *seen("b", 12)])
    rows = [row(ResourceId=f"i-000{name}", EffectiveCost="0.1", **at(hour)) for name in "ab" for hour in range(12)]
    rows += [
        row(ResourceId="i-other", SkuPriceDetails='{"InstanceType": "gpu.xl"}', EffectiveCost="3", **at(1)),
        row(ResourceId="i-other", SkuPriceDetails="", EffectiveCost="0.1", BillingCurrency="EUR", **at(1)),
    ]
    bill = written.bill(tmp_path, rows)
    parts = Parts(store, clock, PriceSettings(bills=(str(bill),)), DOLLARS)
    assert parts.price()[2] is Confidence.STATED
    parts.files.tick(NOW)
    # 24 hours at half the price: half of the correction, so three quarters of it are left.
    amount, source, sure = parts.price()
    assert (amount, sure) == (Decimal("0.15"), Confidence.BILLED)
    assert source == "PriceSheet default/us, times 0.75 by the bill"
    other = NodeFacts(name="o", labels={TYPE: "gpu.xl", REGION: "eu"}, cpu_cores=Decimal(1))
    assert parts.price(other) == (Decimal("3"), f"bill {bill}", Confidence.BILLED)
    (state,) = parts.files.states()
    assert state.failure == ""
    assert "2 effective prices" not in state.told[-1]
    assert [line for line in state.lines if "AnotherCurrency" in line] == [
        f"{bill}:27:BillingCurrency: AnotherCurrency: EUR, where the bill is in USD, and no rate is given "
        "(row left out)"
    ]  # fmt: skip


def test_a_bill_is_read_again_when_it_changes_and_a_broken_one_changes_nothing(
    store: MetricsStore, clock: ManualClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "bills"
    folder.mkdir()
    told = {"SkuPriceDetails": '{"InstanceType": "m.large"}', "PricingQuantity": "72"}
    bill = written.bill(folder, [row(ResourceId="x", EffectiveCost="7.2", **told)])
    parts = Parts(store, clock, PriceSettings(bills=(str(folder),)), DOLLARS)
    parts.files.tick(NOW)
    assert parts.price()[0] == Decimal("0.125")  # 72 h at 0.1, a day at 0.2
    (folder / "broken.csv").write_text("nothing")
    parts.files.tick(NOW)
    (state,) = parts.files.states()
    assert (parts.price()[0], state.failure) == (Decimal("0.125"), "")
    assert any(line.startswith(f"{folder / 'broken.csv'}: Unreadable: no header") for line in state.lines)
    bill.write_text("BillingCurrency,EffectiveCost\nUSD,much\n")
    parts.files.tick(NOW)
    (state,) = parts.files.states()
    assert parts.price()[0] == Decimal("0.125")
    assert state.failure.endswith("no row can be used")
    assert any(f"{bill}:2:EffectiveCost: BadNumber: 'much' is no number" in line for line in state.lines)
    assert "the previous prices stay" in caplog.text
    before = len(caplog.records)
    parts.files.tick(NOW)  # the same fault again is no news
    assert len(caplog.records) == before


def test_what_is_committed_counts_with_what_is_on_demand_unless_a_sheet_tells_them_apart(
    store: MetricsStore, clock: ManualClock, tmp_path: Path
) -> None:
    told = {"SkuPriceDetails": '{"InstanceType": "m.large"}'}
    rows = [row(ResourceId="x", EffectiveCost="0.2", **told), used("y", "0.1", **told)]
    parts = Parts(store, clock, PriceSettings(bills=(str(written.bill(tmp_path, rows)),)))
    parts.files.tick(NOW)
    found = parts.files.by_bill("USD").prices
    assert found["m.large", "on-demand", "eu"].hourly == Decimal("0.15")
    assert parts.files.by_bill("EUR").prices == {}  # prices in euros are not moved by dollars


def test_an_open_billing_period_makes_no_price_unless_that_is_asked_for(
    store: MetricsStore, clock: ManualClock, tmp_path: Path
) -> None:
    told = {"SkuPriceDetails": '{"InstanceType": "m.large"}', "BillingPeriodEnd": "2026-12-01T00:00:00Z"}
    bill = str(written.bill(tmp_path, [row(ResourceId="x", **told)]))
    for provisional in (False, True):
        parts = Parts(store, clock, PriceSettings(bills=(bill,), provisional=provisional))
        parts.files.tick(NOW)
        (state,) = parts.files.states()
        assert bool(state.failure) is not provisional
        assert ("prices.provisional" in state.failure) is not provisional


def test_opencosts_file_goes_after_the_sheet_and_its_bad_rows_are_told(
    store: MetricsStore, clock: ManualClock, tmp_path: Path
) -> None:
    path = tmp_path / "prices.csv"
    good = "2026-10-01 00:00:00 UTC,xl,eu,node,metadata.labels.size,,0.7,\n"
    path.write_text(f"{CSV}{good}2026-10-01 00:00:00 UTC,n2,,node,metadata.name,,free,\n")
    parts = Parts(store, clock, PriceSettings(opencost_csv=path), DOLLARS)
    parts.files.tick(NOW)
    sized = NodeFacts(name="s", labels={"size": "xl", REGION: "eu"}, cpu_cores=Decimal(1))
    assert parts.price(sized) == (Decimal("0.7"), f"{path}:2", Confidence.STATED)
    assert parts.price()[1] == "PriceSheet default/us"
    (state,) = parts.files.states()
    assert state.lines == (f'{path}:3:7: MarketPriceHourly: expected a price such as 0.1337; found "free"',)
    path.write_text("a,b\n1,2\n")
    parts.files.tick(NOW)
    (state,) = parts.files.states()
    assert (parts.price(sized)[0], state.read_at) == (Decimal("0.7"), NOW)
    assert state.failure.startswith(f"{path}:1:1: missing column EndTimestamp")


def test_the_model_is_a_row_for_each_stretch_and_commitments_lie_over_it_hour_by_hour(
    store: MetricsStore, clock: ManualClock
) -> None:
    store.load([*seen("a", 2), *seen("b", 3.5)])
    commitments = [{"id": "ri", "match": {"instanceType": "m.large"}, "quantity": 1, "hourly": 0.05,
                    "ends": "2027-01-01"}]  # fmt: skip
    spec = DOLLARS.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    parts = Parts(store, clock, PriceSettings(), sheet(**{**spec, "commitments": commitments}))
    found = parts.model.of(START - 2 * HOUR, START + 6 * HOUR)
    told = [(one.name, one.capacity_type, float(one.cost), round(float(one.hours), 2)) for one in found.rows]
    # Nodes are seen for the lookback of 5 minutes after their last sample here: nothing marks its end.
    assert [(name, kind) for name, kind, _, _ in told] == [("a", "reserved"), ("b", "on-demand"), ("b", "reserved")]
    assert told[1][3] == 3.0  # the hour in which a ended was still a's
    assert found.rows[0].id == "aws:///eu-1/i-000a"
    assert found.notes == (
        "prices of sheets, files and bills are those of now", "no node is known before 2026-11-20 10:00 UTC",
    )  # fmt: skip


def test_a_node_that_lived_for_minutes_is_looked_up_while_it_was_there(store: MetricsStore, clock: ManualClock) -> None:
    store.load([*seen("a", 26), *seen("short", 0.5, kind="m.small")])
    found = NodeHours(Queries(store, clock=clock), local=False).between(START - HOUR, START + 25 * HOUR, {TYPE})
    kinds = {node.facts.name: node.facts.labels[TYPE] for node in found}
    assert kinds == {"a": "m.large", "short": "m.small"}
    assert found[0].stretches == ((START, START + 25 * HOUR),)


def test_a_window_need_not_end_with_a_step(store: MetricsStore, clock: ManualClock) -> None:
    store.load(seen("a", 26))
    hours = NodeHours(Queries(store, clock=clock), local=False)
    for odd in (timedelta(seconds=42), timedelta(hours=6, seconds=1), timedelta(hours=50, seconds=1)):
        (node,) = hours.between(START + 25 * HOUR - odd, START + 25 * HOUR)
        assert node.stretches[-1][1] == START + 25 * HOUR


def test_a_bill_is_held_against_the_model_of_a_running_foretide_page_by_page(
    store: MetricsStore, clock: ManualClock, tmp_path: Path
) -> None:
    nodes = [f"{number:03d}" for number in range(3)]
    store.load([one for name in nodes for one in seen(name, 12)])
    rows = [row(ResourceId=f"i-000{name}", EffectiveCost="0.1", **at(hour)) for name in nodes for hour in range(10)]
    bill = read_bill([written.bill(tmp_path, rows)])
    parts = Parts(store, clock, PriceSettings(), DOLLARS)
    api = FastAPI()
    api.include_router(cost_model_endpoint.router(parts.model, clock), prefix="/api/v1")

    async def asked(path: str) -> httpx.Response:
        transport = httpx.ASGITransport(app=api)
        async with httpx.AsyncClient(transport=transport, base_url="http://foretide") as own:
            return await own.get(path)

    def answer(request: httpx.Request) -> httpx.Response:
        found = asyncio.run(asked(request.url.raw_path.decode()))
        return httpx.Response(found.status_code, content=found.content)

    client = httpx.Client(transport=httpx.MockTransport(answer), base_url="http://foretide")
    with Server("http://foretide", client=client) as server:
        modelled, notes = asked_model(server, bill, now=NOW, raw=False, limit=2)
    found = reconcile(bill, modelled, as_of=NOW)
    assert [one.name for one in modelled] == nodes
    assert notes == ["prices of sheets, files and bills are those of now"]
    assert (found.coverage, found.modelled, found.effective) == (1, 6, 3)
    assert (found.price, found.quantity) == (-3, 0)
    assert {one.causes for one in found.differences} == {(Cause.PRICE_DIFFERS,)}


def test_of_the_same_file_only_a_newer_one_is_read(store: MetricsStore, clock: ManualClock, tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text(f"{CSV}2026-10-01 00:00:00 UTC,n,,node,metadata.name,,0.7,\n")
    parts = Parts(store, clock, PriceSettings(opencost_csv=path))
    parts.files.tick(NOW)
    first = parts.files.opencost
    parts.files.tick(NOW)
    assert parts.files.opencost is first
    os.utime(path, ns=(1, 1))
    parts.files.tick(NOW)
    assert parts.files.opencost is not first
