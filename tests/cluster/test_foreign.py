"""A cluster named by FORETIDE_TEST_KUBECONFIG, here our own: the same face, a sentence for what it cannot do."""

from __future__ import annotations

import pytest

from tests.cluster.control_plane import Cluster
from tests.cluster.foreign import ForeignCluster
from tests.cluster.objects import hpa


def test_the_tests_work_in_namespaces_that_are_gone_afterwards(cluster: Cluster) -> None:
    with ForeignCluster(cluster.kubeconfig()) as foreign:
        namespace = foreign.namespace()
        foreign.api.create(hpa("shop", namespace))
        account = foreign.as_user(f"system:serviceaccount:{namespace}:default")
        review = {
            "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview",
            "metadata": {"creationTimestamp": None},
        }  # fmt: skip
        told = account.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
        assert told["status"]["userInfo"]["username"] == f"system:serviceaccount:{namespace}:default"
    cluster.api.until("it is gone", lambda: namespace not in _namespaces(cluster), seconds=60)


def test_what_only_a_cluster_of_ours_can_do_is_left_out_with_a_sentence(cluster: Cluster) -> None:
    with ForeignCluster(cluster.kubeconfig()) as foreign:
        with pytest.raises(pytest.skip.Exception, match="`restart_api` needs a cluster started by the tests"):
            foreign.restart_api()
        with pytest.raises(pytest.skip.Exception, match="`metrics` needs"):
            _ = foreign.metrics


def _namespaces(cluster: Cluster) -> set[str]:
    return {one["metadata"]["name"] for one in cluster.api.list("Namespace")}
