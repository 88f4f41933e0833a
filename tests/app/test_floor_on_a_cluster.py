"""The whole way on a real cluster: a sample, the forecast of it, a floor, and the word of the real HPA controller."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from app.settings import read_settings
from app.system_clock import SystemClock
from app.wiring import House
from tests.app.world import forecast, rising
from tests.cluster.control_plane import Cluster
from tests.cluster.objects import deployment, hpa, replicas

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
CONFIG = """
cluster: kubernetes
kubernetes: {context: foretide-test, kubeconfig: KUBECONFIG, namespace: OWN, collect: false}
rules_dir: rules
"""
RULE = """
apiVersion: foretide.dev/v1alpha1
kind: ScalingRule
metadata: {name: web, namespace: NAMESPACE}
spec:
  target: {kind: Deployment, name: web}
  replicas: {min: 2, max: 20}
  mode: enforce
  backtestOverride: {reason: a test}
  actuate: {with: bounds, hpa: web}
  triggers:
  - {name: rps, query: 'sum(rate(requests_total[2m]))', perReplica: 10}
  - name: soon
    forecast: {of: rps, season: 1d, horizon: 1h, step: 5m, lead: 10m, quantile: 0.5}
"""


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A Deployment of two pods that are content, under an HPA 2..20."""
    if not isinstance(cluster, Cluster):
        pytest.skip("kwok's pods and their usage are those of the tests' own cluster")
    name = cluster.namespace("floor")
    cluster.metrics.set_load(name, "web", cpu_millicores=90)
    cluster.api.create(deployment("web", name, replicas=2))
    cluster.api.create(hpa("web", name, low=2))
    cluster.api.until("two are ready", lambda: replicas(cluster.api, "web", name) == (2, 2))
    yield name
    cluster.metrics.forget(name)
    cluster.api.delete("Namespace", name)


def test_a_sample_and_its_forecast_become_a_floor_that_the_real_hpa_keeps(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    config = CONFIG.replace("KUBECONFIG", str(cluster.kubeconfig())).replace("OWN", cluster.namespace("foretide"))
    (tmp_path / "foretide.yaml").write_text(config)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "web.yaml").write_text(RULE.replace("NAMESPACE", namespace))
    settings = read_settings(config=None, environment={"FORETIDE_PORT": "0"}, working_dir=tmp_path)
    settings.data_dir.mkdir()
    house = House(settings, clock=SystemClock(), version="9", base_url="http://127.0.0.1:1", environment={})
    try:
        now = SystemClock().now()
        house.metrics.load([rising("requests_total", per_second=15.0, end=now + timedelta(seconds=15))])
        house._save_forecast(forecast(made_at=now, signal=f"{namespace}/web/soon"))
        house.prepare()
        assert house._kubernetes is not None
        cluster.api.until("it leads", house._kubernetes.elector.leading)
        house.decide(now)  # the loops are not started: the pass is ours

        def shown() -> bool:
            found = cluster.api.get("HorizontalPodAutoscaler", "web", namespace)
            status = found["status"]
            told = (status.get("desiredReplicas"), status.get("currentReplicas"))  # the controller leaves out a zero
            return (found["spec"]["minReplicas"], *told) == (3, 3, 3)

        cluster.api.until("the HPA's status shows the forecast's floor", shown)  # 2 are enough for what is measured
        assert replicas(cluster.api, "web", namespace)[0] == 3
    finally:
        house.close()
