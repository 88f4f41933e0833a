"""What the door for alerts is made of, out of the settings."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry

from app.alerting.alertmanagers import TICK_EVERY, Alertmanager, HandoverMetrics
from app.alerting.notifier import Notifier
from app.schedule import Schedule
from app.settings import Settings
from domain.clock import Clock


class Notifying:
    """The door, and the loops behind it: one for each Alertmanager, so that none waits for another."""

    def __init__(self, alertmanagers: tuple[Alertmanager, ...], *, clock: Clock, leads: Callable[[], bool]) -> None:
        """Nothing is told yet."""
        self.alertmanagers = alertmanagers
        self.notifier = Notifier(clock=clock, alertmanagers=alertmanagers, leads=leads)

    def plan(self, schedule: Schedule) -> None:
        """Start with the others."""
        for number, one in enumerate(self.alertmanagers, start=1):
            schedule.every(TICK_EVERY, f"alertmanager-{number}", one.tick, first_after=TICK_EVERY)

    def close(self) -> None:
        """End the connections."""
        for one in self.alertmanagers:
            one.close()


def wired(settings: Settings, *, registry: CollectorRegistry, clock: Clock, leads: Callable[[], bool]) -> Notifying:
    """The Alertmanagers of foretide.yaml.

    Raises:
        SettingsError: A certificate cannot be read.
    """
    metrics = HandoverMetrics(registry)
    found = tuple(Alertmanager(config, clock=clock, metrics=metrics) for config in settings.alertmanagers)
    return Notifying(found, clock=clock, leads=leads)
