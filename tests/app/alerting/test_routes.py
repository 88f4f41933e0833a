"""Routes of foretide.yaml, from an alert to a message that waits in the outbox."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from app.settings import read_settings
from app.system_clock import SystemClock
from domain.alerts import Alert
from domain.errors import SettingsError
from domain.labels import Labels
from tests.app.conftest import a_house

ROUTES = """
rules_dir: rules
alerting:
  external_url: https://foretide.example
  route: {receiver: team, group_by: [alertname], group_wait: 0s}
  inhibit_rules: [{source_matchers: [alertname=Dead], target_matchers: [alertname=Down]}]
"""


def test_an_alert_goes_by_the_routes_into_the_outbox(tmp_path: Path) -> None:
    house = a_house(tmp_path, config=ROUTES)
    try:
        at = SystemClock().now()
        house.notifying.notifier.offer([Alert(labels=Labels.of(alertname="Down"), starts_at=at)])
        house.notifying.notifier.tick(at + timedelta(seconds=1))
        kept, total = house.deliveries.page(page=1, limit=10, receiver=None, statuses=())
        assert (total, [one.receiver for one in kept]) == (1, ["default/team"])
    finally:
        house.close()


def test_routes_and_alertmanagers_exclude_each_other(tmp_path: Path) -> None:
    config = tmp_path / "foretide.yaml"
    config.write_text(ROUTES + "alertmanagers: [{url: 'http://am'}]\n")
    with pytest.raises(SettingsError, match="goes without alertmanagers"):
        read_settings(config=config, environment={}, working_dir=tmp_path)


def test_a_mistake_in_a_route_is_told_with_its_place(tmp_path: Path) -> None:
    config = tmp_path / "foretide.yaml"
    config.write_text("alerting:\n  route:\n    receiver: team\n    group_wait: soon\n")
    with pytest.raises(SettingsError, match=r"foretide.yaml:4:17: alerting.route.group_wait: 'soon' is not a duration"):
        read_settings(config=config, environment={}, working_dir=tmp_path)
