"""The other documents of a cluster: followed by list and watch, and doubted when nothing was heard."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from app.admission_others import OLDEST_SECONDS, InCluster
from app.cluster_documents import DOCUMENT_KINDS, ClusterObjects
from kube import Access, Writer, connect
from tests.controller.cluster.world import eventually
from tests.fakes.clock import ManualClock
from tests.fakes.kube_api import KubeApi


def test_others_are_followed_and_doubted_before_they_were_read_and_after_two_minutes_of_silence(tmp_path: Path) -> None:
    clock = ManualClock()
    with KubeApi() as api:
        connection = connect(Access(kubeconfig=api.kubeconfig(tmp_path), context="fake"), clock=clock)
        objects = ClusterObjects(connection)
        others = InCluster(objects)
        assert others.read() is None
        others.start()
        eventually(lambda: others.read() == (), "all kinds are read")
        Writer(connection, "helm").create(
            DOCUMENT_KINDS["SLO"], "shop", {"metadata": {"name": "errors"}, "spec": {"objective": "99.9%"}}
        )
        eventually(lambda: [one.file for one in others.read() or ()] == ["SLO shop/errors"], "the SLO is seen")
        clock.advance(timedelta(seconds=OLDEST_SECONDS + 1))
        assert others.read() is None
        objects.stop()
        connection.close()
