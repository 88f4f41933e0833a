"""Right-sizing of what a store knows, as the endpoint answers and as the command prints."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.cost_sizing import WorkloadSizing, priced, workload_sizing
from app.cost_sizing_command import Asked, run, write
from app.cost_sizing_money import UnitPrices, Units, monthly_saving, unit_prices
from app.cost_sizing_read import places, resizes_in_place, scalers
from app.queries import Queries
from cost.pricing.things import Confidence
from cost.sizing.observed import Resource
from domain.clock import to_ms
from domain.labels import METRIC_NAME, Labels
from domain.series import Series
from store.metrics import MetricsStore
from tests.app.conftest import Served
from tests.app.test_cost_allocation import CLUSTER, EUROS, allocations
from tests.app.world import NOW
from tests.fakes.clock import ManualClock

MIB = 1024 * 1024
POD = "web-7d4b9c6f5d-x2v4k"
STEPS = 8 * 288
DAILY = 1.0 + np.sin(2 * np.pi * np.arange(STEPS) / 288)
"""Of CPU: between 0 and 2, by five minutes."""


def series(name: str, values: np.ndarray, **labels: str) -> Series:
    times = to_ms(NOW) - 300_000 * np.arange(len(values) - 1, -1, -1, dtype=np.int64)
    return Series(labels=Labels.of({METRIC_NAME: name, **labels}), timestamps_ms=times, values=values.astype(float))


def told(name: str, value: float, **labels: str) -> Series:
    return series(name, np.full(1, value), namespace="shop", **labels)


def cluster(*, hpa: int | None = 80, pod: str = POD, version: str = "v1.34.1") -> list[Series]:
    at = {"namespace": "shop", "pod": pod, "container": "web"}
    own = {"pod": pod, "container": "web"}
    made = [
        told("kube_deployment_spec_replicas", 1, deployment="web"),
        told("kube_node_info", 1, node="n1", kubelet_version=version),
        told("kube_pod_container_resource_requests", 1.0, resource="cpu", **own),
        told("kube_pod_container_resource_requests", 1024.0 * MIB, resource="memory", **own),
        told("kube_pod_container_resource_limits", 2048.0 * MIB, resource="memory", **own),
        told("kube_pod_start_time", to_ms(NOW - timedelta(days=9)) / 1000, pod=pod),
        series("metrics_k8s_io_container_cpu_usage_cores", 0.3 * DAILY, **at),
        series("metrics_k8s_io_container_memory_working_set_bytes", (500 + 100 * DAILY) * MIB, **at),
    ]
    if hpa is not None:
        of = {"horizontalpodautoscaler": "web"}
        made += [
            told("kube_horizontalpodautoscaler_info", 1, scaletargetref_kind="Deployment",
                 scaletargetref_name="web", **of),
            told("kube_horizontalpodautoscaler_spec_min_replicas", 1, **of),
            told("kube_horizontalpodautoscaler_spec_max_replicas", 9, **of),
            told("kube_horizontalpodautoscaler_spec_target_metric", hpa, metric_name="cpu",
                 metric_target_type="utilization", **of),
        ]  # fmt: skip
    return made


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Iterator[MetricsStore]:
    opened = MetricsStore.open(tmp_path / "metrics.db", retention=timedelta(days=15), clock=clock)
    yield opened
    opened.close()


def asked(store: MetricsStore, clock: ManualClock, engine: Any, made: list[Series]) -> WorkloadSizing:
    store.load(made)
    queries = Queries(store, clock=clock)
    (place,) = places(queries, NOW, "shop")
    return workload_sizing(
        queries, place, scalers(queries, NOW, None).get(place.key), engine=engine, now=NOW, window=timedelta(days=8),
        in_place=resizes_in_place(queries, NOW),
    )  # fmt: skip


def requests(found: WorkloadSizing) -> Mapping[str, int | None]:
    return {one.resource.value: one.wanted.request if one.wanted else None for one in found.sizings}


def test_a_forecast_moves_request_and_hpa_together_in_a_safe_order(store: MetricsStore, clock: ManualClock) -> None:
    found = asked(store, clock, "forecast", cluster())

    assert requests(found) == {"cpu": 920, "memory": 806 * MIB}
    assert [one.hpa_target_percent for one in found.sizings] == [87, None]
    assert [one.kind for one in found.patches] == ["template", "pod", "hpa"]
    assert found.patches[1].command == f"kubectl -n shop patch pod {POD} --subresource resize"
    assert found.patches[2].patch[1] == {
        "op": "replace", "path": "/spec/metrics/0/resource/target/averageUtilization", "value": 87
    }  # fmt: skip


def test_without_an_hpa_one_step_takes_three_tenths(store: MetricsStore, clock: ManualClock) -> None:
    found = asked(store, clock, "forecast", cluster(hpa=None, version="v1.30.2"))

    assert requests(found)["cpu"] == 700
    assert [one.kind for one in found.patches] == ["template"]


def test_krr_has_a_question_mark_where_an_hpa_scales_and_vpa_says_what_it_would_do(
    store: MetricsStore, clock: ManualClock
) -> None:
    krr = asked(store, clock, "krr", cluster())
    vpa = asked(store, clock, "vpa", [])

    assert krr.sizings[0].reasons[0] == "HPA detected"
    assert requests(krr) == {"cpu": None, "memory": 805 * MIB}
    assert (vpa.sizings[0].risk, vpa.sizings[1].risk) == ("high", "low")
    assert "moves what each pod carries" in " ".join(vpa.sizings[0].reasons)


def test_an_oom_is_seen_and_holds_what_takes_memory_away(store: MetricsStore, clock: ManualClock) -> None:
    own = {"namespace": "shop", "pod": POD, "container": "web"}
    restarts = np.repeat([0.0, 1.0], [STEPS - 400, 400])
    killed = series("kube_pod_container_status_restarts_total", restarts, **own)
    reason = series("kube_pod_container_status_last_terminated_reason", np.ones(STEPS), reason="OOMKilled", **own)
    found = asked(store, clock, "forecast", [*cluster(), killed, reason])

    memory = found.sizings[1]
    assert memory.ooms == 1
    assert memory.wanted is not None
    assert (memory.wanted.request or 0) > 2048 * MIB  # its limit was what it could not get beyond


def test_names_that_no_object_can_have_are_left_out(store: MetricsStore, clock: ManualClock) -> None:
    found = asked(store, clock, "forecast", cluster(pod="web-$(reboot)-x2v4k"))

    assert found.sizings == []
    assert found.patches == []


def test_the_command_writes_tables_csv_and_lines_to_paste(store: MetricsStore, clock: ManualClock) -> None:
    workloads = [json.loads(asked(store, clock, "forecast", cluster()).model_dump_json())]

    def written(**options: Any) -> list[str]:
        out = io.StringIO()
        write(workloads, Asked(**options), out)
        return out.getvalue().splitlines()

    heading, cpu, memory, _, worth = written()
    assert worth == "no saving is told: no price"
    assert heading.split()[:3] == ["CONTAINER", "REQUEST", "WANTED"]
    assert cpu.split()[:4] == ["shop/Deployment/web:web", "cpu", "1000m", "920m"]
    assert memory.split()[1:6] == ["memory", "1Gi", "806Mi", "2Gi", "1612Mi"]
    assert [row.count("shop/Deployment/web") for row in written(output="csv")] == [0, 1, 1]
    template, pod, hpa = written(patches=True)
    assert template.startswith('kubectl -n shop patch deployment web -p \'{"spec":{"template"')
    assert "--subresource resize" in pod
    assert '"value":87' in hpa


@pytest.mark.parametrize(("options", "code"), [({"engine": "ouija"}, 2), ({"output": "xml"}, 2), ({"days": 40}, 2)])
def test_options_that_cannot_be_meant(served: Served, options: dict[str, Any], code: int) -> None:
    out = io.StringIO()
    assert run(Asked(**options), server=f"http://127.0.0.1:{served.port}", token_file=None, out=out) == code


def test_a_server_without_a_cluster_says_so(served: Served) -> None:
    out = io.StringIO()
    assert run(Asked(), server=f"http://127.0.0.1:{served.port}", token_file=None, out=out) == 0
    assert out.getvalue() == "no workload that kube-state-metrics, or Foretide in a cluster, tells of\n"


def units(cpu: str = "0.031611", gib: str = "0.004237") -> Units:
    return Units(prices=UnitPrices(
        currency="USD", cpu_core_hour=Decimal(cpu), memory_gib_hour=Decimal(gib), nodes=3, source="a sheet",
        as_of=date(2026, 10, 1), confidence=Confidence.STATED,
    ))  # fmt: skip


def test_a_size_is_worth_what_its_requests_cost_on_the_nodes_of_now(store: MetricsStore, clock: ManualClock) -> None:
    found = priced(asked(store, clock, "forecast", cluster()), units())

    # 80m for 730 h at 0.031611, and 218 MiB of 1,024 at 0.004237: exact, then to the cent.
    assert [one.monthly_saving for one in found.sizings] == [Decimal("1.85"), Decimal("0.66")]
    out = io.StringIO()
    write([json.loads(found.model_dump_json())], Asked(), out)
    assert out.getvalue().splitlines()[-1] == (
        "what may be tried now saves 2.51 USD in a month of 730 h, and counts as money when nodes go: a core 0.031611, "
        "a GiB 0.004237 an hour, the mean of 3 nodes by a sheet of 2026-10-01 (stated)"
    )


def test_more_than_before_costs(store: MetricsStore, clock: ManualClock) -> None:
    assert monthly_saving(Resource.CPU, 500, 1000, 4, units().prices) == Decimal("-46.15")
    assert monthly_saving(Resource.CPU, None, 1000, 4, units().prices) is None


def test_patches_of_nothing_are_a_sentence(store: MetricsStore, clock: ManualClock) -> None:
    out = io.StringIO()
    write([], Asked(patches=True), out)
    assert out.getvalue() == (
        "# nothing to paste: no workload that kube-state-metrics, or Foretide in a cluster, tells of\n"
    )
    waiting = json.loads(asked(store, clock, "krr", cluster()).model_dump_json())
    out = io.StringIO()
    write([{**waiting, "patches": []}], Asked(patches=True), out)
    assert out.getvalue().splitlines()[0] == "# nothing to paste: 1 sizes fit as they are, 1 have to wait"


def test_unit_prices_are_the_mean_of_the_nodes_that_are_there(store: MetricsStore, clock: ManualClock) -> None:
    store.load(CLUSTER)
    found = unit_prices(allocations(store, clock, EUROS), NOW).prices

    assert found is not None
    assert (found.currency, found.cpu_core_hour, found.memory_gib_hour) == ("EUR", Decimal("0.5"), 0)
    assert (found.nodes, found.confidence) == (1, Confidence.STATED)


def test_without_nodes_there_is_no_price_and_the_reason(store: MetricsStore, clock: ManualClock) -> None:
    found = unit_prices(allocations(store, clock, EUROS), NOW)

    assert found.prices is None
    assert found.why.startswith("no node with a price is known: ")
