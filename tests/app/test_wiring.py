"""A house opens, lives and closes, and leaves nothing behind when it cannot."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from pathlib import Path

import pytest

from app import local_processes
from app.settings import read_settings
from app.system_clock import SystemClock
from app.wiring import House
from controller.cluster.observe import ObserveCluster
from domain.errors import SettingsError, StoreError
from domain.scaling import Workload
from store.metrics import MetricsStore
from store.state import AuditTrail
from tests.app.conftest import a_house
from tests.app.world import SHOP, flat, rule_text

NAMESAKES = """
cluster: local
local:
  workloads: [{namespace: a, name: shop, command: [x]}, {namespace: b, name: shop, command: [x]}]
"""
NO_SUCH_WORKLOAD = """
cluster: local
local:
  companions: [{namespace: a, name: edge, command: ["{endpoints:shop}"]}]
"""


@pytest.mark.parametrize(
    ("config", "why"), [(NAMESAKES, "used twice: shop"), (NO_SUCH_WORKLOAD, "{endpoints:shop} names no workload")]
)
def test_a_house_that_cannot_be_built_gives_its_stores_back(tmp_path: Path, config: str, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        a_house(tmp_path, config=config)
    # The file's lock is free again.
    MetricsStore.open(tmp_path / "var" / "metrics.db", retention=timedelta(days=1)).close()


def test_a_second_house_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    first = a_house(tmp_path)
    with pytest.raises(StoreError, match=r"metrics\.db"):
        a_house(tmp_path)
    first.close()
    a_house(tmp_path).close()


def test_a_house_starts_and_stops_and_notes_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    house = a_house(tmp_path)
    assert house.status.readiness()["loops"] == "not running"

    async def live() -> None:
        house.prepare()
        await house.start()
        assert house.status.readiness()["loops"] == "ok"
        await house.stop()

    with caplog.at_level(logging.INFO, logger="app.wiring"):
        asyncio.run(live())
    assert [record.message for record in caplog.records] == ["foretide runs", "foretide has stopped"]
    house.close()  # again is allowed
    reopened = a_house(tmp_path)
    with reopened.state.transaction() as session:
        assert [entry.verb for entry in AuditTrail(session).newest(limit=3)] == ["stop", "load rules", "start"]
    reopened.close()


def test_broken_rules_at_start_run_nothing_and_say_so(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    (tmp_path / "rules" / "bad.yaml").write_text(rule_text("cart").replace("replicas:", "replica:"))
    house.prepare()
    assert house.running_rules().rules == ()
    mistakes = house.status.full().rule_mistakes
    assert {Path(mistake.file).name for mistake in mistakes} == {"bad.yaml"}
    assert house.status.readiness()["state"] == "ok"  # the rest goes on
    house.close()


def test_a_database_that_went_away_is_not_ready(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    house.close()
    checks = house.status.readiness()
    assert checks["loops"] == "not running"


def test_the_observing_cluster_reads_the_houses_metrics(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    now = SystemClock().now()
    house.metrics.load([flat("up", [1.0], end=now, job="shop", instance=f"i{n}") for n in range(3)])
    assert isinstance(house.cluster, ObserveCluster)
    found = house.cluster.workload(SHOP)
    assert isinstance(found, Workload)
    assert found.current_replicas == 3
    house.close()


def test_what_replicas_carry_is_known_again_after_a_restart(tmp_path: Path) -> None:
    def learning_house() -> House:
        house = a_house(tmp_path)
        (tmp_path / "rules" / "shop.yaml").write_text(
            rule_text().replace("perReplica: 10", "perReplica: 10, learn: {max: 50}")
        )
        house.prepare()
        return house

    first = learning_house()
    first.decide(SystemClock().now())
    learned = first.capacities.all()
    asyncio.run(first.stop())
    second = learning_house()
    assert [(one.rule, one.trigger) for one in learned] == [("demo/shop", "rps")]
    assert second.capacities.all() == learned
    second.close()


def test_children_get_the_token_and_none_of_our_settings(tmp_path: Path) -> None:
    token = "a,b=c%d" * 6
    (tmp_path / "foretide.yaml").write_text("cluster: local\nlocal: {workloads: []}")
    settings = read_settings(config=None, environment={"FORETIDE_API_TOKEN": token}, working_dir=tmp_path)
    environment = {"FORETIDE_API_TOKEN": token, "FORETIDE_DATABASE_URL": "postgresql://u:p@h/d", "PATH": "/bin"}
    made = local_processes.cluster(settings, base_url="http://127.0.0.1:1", environment=environment)
    assert made.pids() == []
    assert local_processes.scrape_targets(made, settings.scrape) == []
    assert local_processes.child_environment(settings, environment) == {
        "PATH": "/bin",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20" + "a%2Cb%3Dc%25d" * 6,
    }
