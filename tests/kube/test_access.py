from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from domain.errors import KubeError, SettingsError
from kube import Access, connect
from tests.fakes.clock import ManualClock
from tests.fakes.kube_api import KubeApi


def test_there_is_no_default_context(clock: ManualClock, fake: KubeApi, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="name a context"):
        connect(Access(kubeconfig=fake.kubeconfig(tmp_path)), clock=clock)


def test_a_context_and_the_pods_own_account_exclude_each_other(clock: ManualClock) -> None:
    with pytest.raises(SettingsError, match="not both"):
        connect(Access(context="prod", in_cluster=True), clock=clock)


def test_an_unknown_context_is_said_with_its_file(clock: ManualClock, fake: KubeApi, tmp_path: Path) -> None:
    file = fake.kubeconfig(tmp_path)

    with pytest.raises(SettingsError, match=r"kubeconfig, context prod: .*Expected object with name prod"):
        connect(Access(kubeconfig=file, context="prod"), clock=clock)


def test_a_missing_kubeconfig_is_said(clock: ManualClock, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no access by"):
        connect(Access(kubeconfig=tmp_path / "none", context="prod"), clock=clock)


def test_outside_a_pod_there_is_no_account(clock: ManualClock) -> None:
    with pytest.raises(SettingsError, match="the pod's ServiceAccount: Service host/port is not set"):
        connect(Access(in_cluster=True), clock=clock)


def test_a_token_that_was_changed_in_its_file_is_read_anew_after_a_401(
    clock: ManualClock, fake: KubeApi, tmp_path: Path
) -> None:
    file = fake.kubeconfig(tmp_path)
    config = json.loads(file.read_text())
    config["users"][0]["user"] = {"tokenFile": str(tmp_path / "token")}
    file.write_text(json.dumps(config))
    (tmp_path / "token").write_text("first")
    fake.tokens = {"first"}
    connection = connect(Access(kubeconfig=file, context="fake"), clock=clock)
    connection.request("GET", "/api/v1/namespaces")

    (tmp_path / "token").write_text("second")
    fake.tokens = {"second"}
    with pytest.raises(KubeError, match="401"):
        connection.request("GET", "/api/v1/namespaces")  # Read less than 30 s ago: not read again yet.
    clock.advance(timedelta(seconds=31))
    connection.request("GET", "/api/v1/namespaces")
    connection.close()
