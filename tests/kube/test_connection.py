from __future__ import annotations

import socket
from pathlib import Path

import pytest

from domain.errors import KubeError
from kube import Access, connect
from tests.fakes.clock import ManualClock
from tests.fakes.kube_api import KubeApi
from tests.kube.conftest import Place


def test_a_refusal_says_what_was_asked_and_the_servers_words(place: Place) -> None:
    path = f"/apis/autoscaling/v2/namespaces/{place.namespace}/horizontalpodautoscalers/none"

    with pytest.raises(KubeError, match=f'GET {path}: 404 NotFound: .*"none" not found') as refused:
        place.connection.request("GET", path)

    assert (refused.value.status, refused.value.reason, refused.value.is_passing) == (404, "NotFound", False)


def test_a_server_that_does_not_answer_is_a_timeout(on_fake: Place, fake: KubeApi) -> None:
    fake.freeze()

    with pytest.raises(KubeError) as refused:
        on_fake.connection.request("GET", "/api/v1/namespaces", timeout_seconds=0.05)

    assert (refused.value.status, refused.value.reason, refused.value.is_passing) == (0, "Timeout", True)


def test_a_server_that_is_not_there_is_unreachable(fake: KubeApi, clock: ManualClock, tmp_path: Path) -> None:
    connection = connect(Access(kubeconfig=fake.kubeconfig(tmp_path), context="fake"), clock=clock)
    fake.stop()

    with pytest.raises(KubeError) as refused:
        connection.request("GET", "/api/v1/namespaces")

    assert refused.value.reason == "Unreachable"
    fake.start()


def test_a_read_survives_that_the_server_closed_an_idle_connection(on_fake: Place, fake: KubeApi) -> None:
    on_fake.connection.request("GET", "/api/v1/namespaces")

    fake.restart()

    on_fake.connection.request("GET", "/api/v1/namespaces")


def test_retry_after_is_read_from_the_header(on_fake: Place, fake: KubeApi) -> None:
    fake.fail(1, 429, retry_after=7)

    with pytest.raises(KubeError) as refused:
        on_fake.connection.request("GET", "/api/v1/namespaces")

    assert refused.value.retry_after_seconds == 7.0


def test_an_answer_that_is_cut_off_is_an_error(clock: ManualClock, tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    api = KubeApi()
    api._port = listener.getsockname()[1]
    connection = connect(Access(kubeconfig=api.kubeconfig(tmp_path), context="fake"), clock=clock)
    listener.close()

    with pytest.raises(KubeError):
        connection.request("GET", "/api/v1/namespaces")
