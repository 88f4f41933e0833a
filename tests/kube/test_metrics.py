from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from domain.errors import KubeError
from kube import Access, ClientMetrics, Elector, Reflector, connect
from kube.kinds import HPA
from tests.fakes.clock import ManualClock
from tests.fakes.kube_api import KubeApi


def test_requests_lists_ages_and_leadership_are_counted(
    fake: KubeApi, clock: ManualClock, registry: CollectorRegistry, tmp_path: Path
) -> None:
    access = Access(kubeconfig=fake.kubeconfig(tmp_path), context="fake")
    connection = connect(access, clock=clock, metrics=ClientMetrics(registry))
    reflector = Reflector(connection, HPA)
    elector = Elector(connection, namespace="shop", identity="one")

    fake.fail(1, 503, method="DELETE")
    with pytest.raises(KubeError):
        connection.request("DELETE", "/api/v1/namespaces/x")
    reflector.start()
    assert reflector.wait_synced(20.0)
    elector.start()
    elector.stop()
    reflector.stop()

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"foretide_kubernetes_{name}", labels)

    assert value("requests_total", method="DELETE", status="503") == 1.0
    assert value("lists_total", kind="HorizontalPodAutoscaler") == 1.0
    assert value("cache_age_seconds", kind="HorizontalPodAutoscaler") == 0.0
    assert value("leading") == 0.0
    connection.close()
