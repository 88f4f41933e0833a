"""``foretide import hpa --context`` of a real API server, which says more of an HPA than its author did."""

from __future__ import annotations

import io

import pytest
import yaml

from app.import_command import Asked, run
from tests.cluster.control_plane import Cluster

TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}


@pytest.mark.slow
def test_an_hpa_comes_out_whole_by_whatever_version_it_went_in(cluster: Cluster) -> None:
    namespace = cluster.namespace("import")
    for version, spec in (
        ("autoscaling/v1", {"maxReplicas": 5, "targetCPUUtilizationPercentage": 65}),
        ("autoscaling/v2", {"maxReplicas": 9, "behavior": {"scaleDown": {"selectPolicy": "Min"}}}),
    ):
        name = version.replace("/", "-")
        cluster.api.create(
            {
                "apiVersion": version,
                "kind": "HorizontalPodAutoscaler",
                "metadata": {"name": name, "namespace": namespace},
                "spec": {"scaleTargetRef": {**TARGET, "name": name}, **spec},
            }
        )
    out, told = io.StringIO(), io.StringIO()
    asked = Asked(kind="hpa", context="foretide-test", kubeconfig=cluster.kubeconfig(), namespace=namespace)
    code = run(asked, out, told)

    first, second = (one["spec"] for one in yaml.safe_load_all(out.getvalue()))
    assert (code, told.getvalue()) == (0, "")
    assert first["triggers"] == [{"name": "cpu", "resource": {"name": "cpu", "utilization": 65}}]
    assert second["triggers"] == [{"name": "cpu", "resource": {"name": "cpu", "utilization": 80}}]
    assert second["replicas"] == {"min": 1, "max": 9}
    assert second["behavior"]["scaleDown"]["selectPolicy"] == "Min"
