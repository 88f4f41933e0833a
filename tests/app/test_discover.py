"""Policies come from the load that a real Prometheus knows; `foretide check` takes them, and they tell what is left."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import yaml

from app.check import check_paths
from app.discover_command import Asked, document, run
from app.discover_propose import ANNOTATION, propose
from app.discover_survey import Carried, Survey
from app.fleet import Hpa, MetricTarget
from app.fleet_source import Access
from app.offered_load import FAMILIES, Family, Offered, offered, queries
from domain.labels import Labels
from domain.series import Series
from tests.fakes.fleet import write
from tests.fakes.prometheus import Server, as_json, prometheus_with

MINUTES = 12 * 60
FAMILY = {one.key: one for one in FAMILIES}


def named(family: Family, *labels: dict[str, str], wanted: set[tuple[str, str]]) -> Offered | None:
    return offered(family, [Labels.of(one) for one in labels], frozenset(wanted))


@pytest.mark.parametrize(
    ("key", "labels"),
    [
        ("istio", {"destination_workload_namespace": "shop", "destination_workload": "web"}),
        ("linkerd", {"namespace": "shop", "deployment": "web"}),
        ("opentelemetry", {"k8s_namespace_name": "shop", "k8s_deployment_name": "web"}),
        ("http-requests", {"namespace": "shop", "pod": "web-5d9c7f6b8-x2v4k"}),
        ("ingress-nginx", {"exported_namespace": "shop", "exported_service": "web"}),
        ("contour", {"envoy_cluster_name": "shop_web_8080"}),
        ("envoy-gateway", {"envoy_cluster_name": "httproute/shop/web/rule/0"}),
        ("traefik", {"service": "shop-web-80@kubernetes"}),
        ("spans", {"service_namespace": "shop", "service_name": "web"}),
        ("kafka-lag", {"namespace": "shop", "consumergroup": "web"}),
    ],
)
def test_each_family_names_its_workload(key: str, labels: dict[str, str]) -> None:
    found = named(FAMILY[key], labels, wanted={("shop", "web")})

    assert found is not None
    assert found.workloads == {("shop", "web")}


def test_every_family_is_documented() -> None:
    page = Path(__file__).parents[2] / "docs" / "discover.md"

    assert [one.metric for one in FAMILIES if f"`{one.metric}`" not in page.read_text(encoding="utf-8")] == []


def test_every_family_has_one_query() -> None:
    assert set(queries()) == {one.key for one in FAMILIES}


def surveyed(per_replica: dict[tuple[str, str], float], **more: object) -> Survey:
    load = named(
        FAMILY["istio"],
        *({"destination_workload_namespace": space, "destination_workload": name} for space, name in per_replica),
        wanted=set(per_replica),
    )
    assert load is not None
    carried = {
        ("istio", place): Carried(per_replica=value, cpu_known=True, least_replicas=1, most_replicas=4)
        for place, value in per_replica.items()
    }
    given = {"workloads": dict.fromkeys(per_replica, "Deployment"), "hpas": {}, **more}
    return Survey(told_by_kubernetes=True, loads=(load,), carried=carried, requests={}, **given)  # type: ignore[arg-type]


def test_namespaces_that_carry_alike_share_one_policy() -> None:
    made = propose(surveyed({(f"team-{k}", f"web-{k}"): 50.0 for k in range(40)}))

    assert len(made.chosen) == 1
    assert made.covered == 40
    assert made.chosen[0].per_replica == 50.0


def test_workloads_that_carry_far_apart_say_it_themselves() -> None:
    made = propose(surveyed({("shop", "web"): 100.0, ("shop", "slow"): 3.0}))

    assert made.chosen[0].per_replica is None
    text = document(made, surveyed({("shop", "web"): 100.0}), url="http://a", days=7, trigger_source=None)
    assert f"kubectl -n shop annotate deployment slow {ANNOTATION}=3" in text


def test_a_hundred_namespaces_of_all_sizes_fit_ten_policies() -> None:
    made = propose(surveyed({(f"team-{k}", "web"): math.exp(0.1 * k) for k in range(100)}))

    assert len(made.chosen) == 10
    assert made.covered + len(made.left_out) == 100
    assert {reason for _, reason in made.left_out} == {"its group is smaller than the ten that were proposed"}


def test_an_hpa_without_offered_load_is_taken_as_it_is() -> None:
    hpa = Hpa(
        namespace="batch", name="work", kind="Deployment", workload="work", min_replicas=2, max_replicas=9,
        targets=(MetricTarget(name="cpu", kind="utilization", number=65.0),),
    )  # fmt: skip
    made = propose(
        surveyed(
            {("shop", "web"): 10.0},
            workloads={
                ("shop", "web"): "Deployment",
                ("batch", "work"): "Deployment",
                ("batch", "other"): "Deployment",
            },
            hpas={("batch", "work"): hpa},
        )
    )
    cpu = next(one for one in made.chosen if one.load is None)

    assert (cpu.cpu_target, cpu.bounds, cpu.silent) == (65, (2, 9), frozenset({("batch", "other")}))


def flat(name: str, value: float, **labels: str) -> Series:
    return varying(name, np.full(MINUTES, value), **labels)


def varying(name: str, values: np.ndarray, **labels: str) -> Series:
    end = int(datetime.now(tz=UTC).timestamp()) // 60 * 60_000
    times = end - 60_000 * np.arange(MINUTES, dtype=np.int64)[::-1]
    return Series(labels=Labels.of({"__name__": name, **labels}), timestamps_ms=times, values=values.astype(np.float64))


def workload(namespace: str, name: str, *, rps: float, replicas: int, metric: str = "") -> list[Series]:
    """A Deployment that carries ``rps`` with CPU at half of its request."""
    rising = 60 * np.arange(1, MINUTES + 1)
    here = {"namespace": namespace, "deployment": name}
    made = [
        flat("kube_deployment_spec_replicas", replicas, **here),
        flat("kube_deployment_status_replicas_ready", replicas, **here),
    ]
    for k in range(replicas):
        pod = {"namespace": namespace, "pod": f"{name}-5d9c7f6b8-{'bcdfg'[k]}2v4k", "container": "app"}
        made.append(flat("kube_pod_container_resource_requests", 0.5, resource="cpu", **pod))
        made.append(varying("container_cpu_usage_seconds_total", 0.25 * rising, **pod))
        if metric == "http_requests_total":
            made.append(varying(metric, rps / replicas * rising, namespace=namespace, pod=pod["pod"]))
    if metric == "istio_requests_total":
        made.append(
            varying(metric, rps * rising, reporter="destination", destination_workload=name,
                    destination_workload_namespace=namespace)
        )  # fmt: skip
    return made


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    found = [
        *workload("shop", "web", rps=120, replicas=3, metric="istio_requests_total"),
        *workload("shop", "cart", rps=100, replicas=2, metric="istio_requests_total"),
        *workload("api", "users", rps=30, replicas=3, metric="http_requests_total"),
        *workload("lost", "nobody-knows", rps=0, replicas=1),
        *workload("kube-system", "coredns", rps=1, replicas=1, metric="http_requests_total"),
    ]
    with prometheus_with([], tmp_path_factory.mktemp("prometheus"), "--web.enable-remote-write-receiver") as made:
        write(made, found)
        yield made


@pytest.fixture
def printed(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    out = io.StringIO()
    assert run(Asked(access=Access(url=url), days=0.5, max_load=100.0), out) == 0
    return out.getvalue()


def test_the_policies_are_accepted_by_check(printed: str, tmp_path: Path) -> None:
    (tmp_path / "policies.yaml").write_text(printed, encoding="utf-8")

    assert check_paths([tmp_path / "policies.yaml"]) == 0


def test_what_a_replica_carried_is_proposed(printed: str) -> None:
    policies = {one["metadata"]["name"]: one["spec"] for one in yaml.safe_load_all(printed) if one}

    assert set(policies) == {"istio", "http-requests"}
    # Rates of whole minutes: a percent above or below.
    assert policies["istio"]["template"]["triggers"][0]["perReplica"] == pytest.approx(40, rel=0.03)
    assert policies["http-requests"]["template"]["triggers"][0]["perReplica"] == pytest.approx(10, rel=0.03)
    assert policies["istio"]["template"]["mode"] == "observe"
    assert policies["istio"]["selector"]["namespaces"]["names"] == ["shop"]


def test_what_is_left_out_says_why(printed: str) -> None:
    assert "3 of 4 workloads" in printed
    assert "no known metric of offered load names it, and no HPA scales it: lost/nobody-knows" in printed
    assert "coredns" not in printed


def test_the_source_is_written_where_it_is_asked_for(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    out = io.StringIO()
    run(Asked(access=Access(url=url), days=0.5, max_load=100.0, trigger_source="thanos"), out)

    first = next(one for one in yaml.safe_load_all(out.getvalue()) if one)
    assert first["spec"]["template"]["triggers"][0]["query"]["source"] == "thanos"


def test_a_server_that_knows_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    empty = {"status": "success", "data": {"resultType": "vector", "result": []}}
    with Server(lambda _: as_json(empty)) as server:
        assert run(Asked(access=Access(url=server.url), max_load=100.0), io.StringIO()) == 2
    assert "neither kube-state-metrics' workloads" in capsys.readouterr().err


def test_a_server_that_does_not_answer_is_named_by_its_address(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Asked(access=Access(url="http://127.0.0.1:9/prometheus")), io.StringIO()) == 2
    assert capsys.readouterr().err.startswith("foretide: http://127.0.0.1:9/prometheus: ")


def test_days_out_of_range_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Asked(access=Access(url="http://127.0.0.1:9"), days=timedelta(days=99).days), io.StringIO()) == 2
    assert "--days 99" in capsys.readouterr().err
