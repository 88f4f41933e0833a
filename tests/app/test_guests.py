"""A whole Foretide as the guest of a Prometheus: rules are answered there, at few questions a step."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from app.leads import LoadPast
from app.settings import read_settings
from app.wiring import House
from domain.clock import to_ms
from domain.errors import UnknownSourceError
from domain.labels import Labels
from domain.series import Series
from store.state import DecisionLedger
from tests.app.world import NOW, forecast
from tests.fakes.clock import ManualClock
from tests.fakes.prometheus import Reply, Server, prometheus_with

APPS = 60
RULE = """
apiVersion: foretide.dev/v1alpha1
kind: ScalingRule
metadata: {name: app-N, namespace: shop}
spec:
  target: {kind: Deployment, name: app-N}
  replicas: {min: 1, max: 50}
  triggers:
  - {name: rps, query: 'sum(rate(http_requests_total{app="app-N"}[2m]))', perReplica: 10}
  - {name: queue, query: {expr: 'max(queue_depth{app="app-N"})', source: prometheus}, perReplica: 100}
  - {name: cpu, resource: {name: cpu, utilization: 50}}
  - name: soon
    forecast: {of: rps, season: 1h, horizon: 10m, step: 1m, history: 3h}
"""
CONFIG = """
rules_dir: rules
default_source: prometheus
sources:
- {name: prometheus, url: URL, max_queries_per_second: 1000}
"""


def past(name: str, per_step: float, *, minutes: int = 60, gone: int = 0, **labels: str) -> Series:
    """A sample each 15 s until ``gone`` minutes before now, rising evenly, or of one value where it is a gauge."""
    times = to_ms(NOW) - 15_000 * np.arange(minutes * 4, gone * 4 - 1, -1, dtype=np.int64)
    rising = np.arange(len(times), dtype=np.float64) if name.endswith("_total") else np.ones(len(times))
    return Series(labels=Labels.of({"__name__": name, **labels}), timestamps_ms=times, values=rising * per_step)


def world() -> list[Series]:
    """Each application with 2 pods; of ``app-7`` one cannot be scraped for 6 min, of ``app-8`` one was deleted."""
    found = []
    for number in range(APPS):
        app = f"app-{number}"
        found.append(past("kube_deployment_spec_replicas", 2.0, deployment=app, namespace="shop"))
        for pod in ("0", "1"):
            gone = 6 if number in (7, 8) and pod == "1" else 0
            labels = {"app": app, "job": app, "instance": f"{app}-{pod}", "namespace": "shop"}
            found.append(past("http_requests_total", 150.0 + number, gone=gone, **labels))
            found.append(past("queue_depth", 40.0, gone=gone, **labels))
            up_gone = 6 if number == 8 and pod == "1" else 0
            found.append(past("up", 1.0, gone=up_gone, job=app, instance=f"{app}-{pod}"))
            pod_name = f"{app}-5d9c-abcd{pod}"
            at = {"namespace": "shop", "pod": pod_name}
            found.append(past("kube_pod_container_resource_requests", 0.5, **at, resource="cpu"))
            found.append(past("kube_pod_container_resource_limits", 1.0, **at, resource="cpu"))
            found.append(past("kube_pod_created", NOW.timestamp() - 9_000, **at))
            found.append(past("kube_pod_status_ready_time", NOW.timestamp() - 8_900, **at))
            found.append(past("kube_pod_status_phase", 0.0, **at, phase="Pending"))
            found.append(past("container_cpu_usage_seconds_total", 6.0, **at, container="web"))
    return found


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with prometheus_with(world(), tmp_path_factory.mktemp("prometheus")) as running:
        yield running


@pytest.fixture
def house(tmp_path: Path, url: str) -> Iterator[House]:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "all.yaml").write_text("---".join(RULE.replace("-N", f"-{n}") for n in range(APPS)))
    (tmp_path / "foretide.yaml").write_text(CONFIG.replace("URL", url))
    settings = read_settings(config=None, environment={"FORETIDE_PORT": "0"}, working_dir=tmp_path)
    settings.data_dir.mkdir()
    built = House(settings, clock=ManualClock(NOW), version="9", base_url="http://127.0.0.1:1", environment={})
    built.prepare()
    yield built
    built.close()


def asked(house: House) -> int:
    return house.guests.by_name["prometheus"].client.status().queries


def test_rules_are_decided_from_it_at_few_queries(house: House) -> None:
    house.decide(NOW)
    with house.state.transaction() as session:
        ledger = DecisionLedger(session)
        decisions = [ledger.latest(f"shop/app-{number}") for number in range(APPS)]
    assert all(one is not None and one.current_replicas == 2 for one in decisions)
    three = decisions[3]
    assert three is not None
    rps = next(one for one in three.proposals if one.trigger == "rps")
    assert rps.value == pytest.approx(2 * 153.0 / 15, rel=0.01)
    assert rps.completeness == 1.0
    cpu = next(one for one in three.proposals if one.trigger == "cpu")
    assert cpu.reason == "cpu 80 % of the request on average over 2 of 2 pods ÷ 50 % → 4"
    first = asked(house)
    assert first <= 18  # seven of them about pods (starts, states, requests, limits), once a minute
    house.decide(NOW + timedelta(seconds=15))
    assert asked(house) - first <= 8


def test_a_pod_that_cannot_be_scraped_is_missed_and_a_deleted_one_is_not(house: House) -> None:
    def signal(number: int) -> tuple[float, int | None, int | None]:
        found = house.queries.signal(f'max(queue_depth{{app="app-{number}"}})', NOW)
        return found.completeness_ratio, found.seen, found.expected

    assert signal(1) == (1.0, 2, 2)
    assert signal(7) == (0.5, 1, 2)
    assert signal(8) == (1.0, 1, 1)
    house.decide(NOW)
    with house.state.transaction() as session:
        decision = DecisionLedger(session).latest("shop/app-7")
    assert decision is not None
    queue = next(one for one in decision.proposals if one.trigger == "queue")
    assert queue.completeness == 0.5
    assert queue.reason.endswith("; only 1 of 2 series were seen")


def test_a_signal_is_as_old_as_its_newest_sample(house: House) -> None:
    later = NOW + timedelta(minutes=2)
    assert house.queries.signal('max(queue_depth{app="app-1"})', later).as_of == NOW


def test_histories_come_from_it_a_little_at_a_time(house: House) -> None:
    house.forecasts.tick(NOW)
    assert house.guests.by_name["prometheus"].histories.progress.wanted == 0
    before = asked(house)
    house.guests.backfill(NOW)
    assert asked(house) - before <= 5
    expr = 'sum(rate(http_requests_total{app="app-1"}[2m]))'
    values, generated = house.queries.history(expr, NOW - timedelta(minutes=30), NOW, timedelta(minutes=1), source=None)
    assert not generated
    assert values == pytest.approx(np.full(31, 2 * 151.0 / 15), rel=0.01)


def test_requests_are_found_among_the_pods_of_the_namespace(house: House) -> None:
    workload = house.cluster.workload(next(iter(house.running_rules().rules)).target)
    assert workload.requests == {"cpu": 0.5}
    assert workload.limits == {"cpu": 1.0}


def test_an_unknown_source_is_refused_at_its_place(house: House, tmp_path: Path) -> None:
    bad = RULE.replace("-N", "-bad").replace("source: prometheus", "source: thanos")
    (tmp_path / "rules" / "bad.yaml").write_text(bad)
    house.rules.poll(NOW)
    (mistake,) = house.rules.mistakes
    assert (mistake.line, mistake.field) == (10, "spec.triggers[1].query.source")
    assert mistake.message == '"thanos" is not a source of foretide.yaml; it has local, prometheus'
    with pytest.raises(UnknownSourceError):
        house.queries.signal("up", NOW, "thanos")


def test_what_only_the_server_evaluates_may_be_asked_of_it(house: House) -> None:
    house.guests.check_query("histogram_avg(x)", "prometheus")
    house.guests.check_query("up", "local")


def test_the_status_tells_how_a_source_does(house: House) -> None:
    house.decide(NOW)
    house.guests.backfill(NOW)
    (source,) = house.status.full().sources
    assert (source.name, source.breaker, source.last_error) == ("prometheus", "closed", "")
    assert source.queries == asked(house)
    assert 0 < source.history_chunks <= source.history_chunks_wanted
    assert source.forecast_samples_queued is None


def test_forecasts_are_written_where_that_is_configured(tmp_path: Path) -> None:
    with Server(lambda _: Reply(204)) as server:
        config = f"sources:\n- {{name: mimir, url: '{server.url}', tenant: a, remote_write_url: '{server.url}/push'}}\n"
        (tmp_path / "foretide.yaml").write_text(config)
        settings = read_settings(config=None, environment={"FORETIDE_PORT": "0"}, working_dir=tmp_path)
        settings.data_dir.mkdir()
        clock = ManualClock(NOW)
        built = House(settings, clock=clock, version="9", base_url="http://127.0.0.1:1", environment={})
        built.guests.offer(forecast())
        assert built.status.full().sources[0].forecast_samples_queued == 16
        built.guests.write(NOW)
        assert built.status.full().sources[0].forecast_samples_queued == 0
        built.close()
    (written,) = server.asked
    assert (written.path, written.headers["x-scope-orgid"]) == ("/push", "a")
    assert written.headers["content-encoding"] == "snappy"


def test_the_past_of_a_priced_load_is_read_by_the_minute_and_spread_over_the_ticks(house: House) -> None:
    expr = 'max(queue_depth{app="app-1"})'
    past = LoadPast(house.queries)(expr, NOW - timedelta(minutes=10, seconds=15), NOW + timedelta(seconds=30))

    assert len(past) == 44
    assert past[:42].tolist() == [40.0] * 42
    assert np.isnan(past[42:]).all()
