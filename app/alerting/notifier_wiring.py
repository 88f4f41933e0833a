"""What the door for alerts is made of, out of the settings."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry

from alerts.routing.router import Router
from app.alerting.alertmanagers import TICK_EVERY, Alertmanager, HandoverMetrics
from app.alerting.notifier import TICK_EVERY as ROUTE_EVERY
from app.alerting.notifier import Notifier, Put
from app.schedule import Schedule
from app.settings import Settings
from domain.clock import Clock
from store.state import State


class Notifying:
    """The door, and the loops behind it: one for each Alertmanager, so that none waits for another."""

    def __init__(self, alertmanagers: tuple[Alertmanager, ...], notifier: Notifier, *, has_routes: bool) -> None:
        """Nothing is told yet."""
        self.alertmanagers, self.notifier, self._has_routes = alertmanagers, notifier, has_routes

    def plan(self, schedule: Schedule) -> None:
        """Start with the others."""
        if self._has_routes:
            schedule.every(ROUTE_EVERY, "routes", self.notifier.tick, first_after=ROUTE_EVERY)
        for number, one in enumerate(self.alertmanagers, start=1):
            schedule.every(TICK_EVERY, f"alertmanager-{number}", one.tick, first_after=TICK_EVERY)

    def close(self) -> None:
        """End the connections."""
        for one in self.alertmanagers:
            one.close()


def wired(
    settings: Settings, *, state: State, put: Put, registry: CollectorRegistry, clock: Clock, leads: Callable[[], bool]
) -> Notifying:
    """The Alertmanagers of foretide.yaml, or its routes.

    Raises:
        SettingsError: A certificate cannot be read.
    """
    metrics = HandoverMetrics(registry)
    found = tuple(Alertmanager(config, clock=clock, metrics=metrics) for config in settings.alertmanagers)
    router = None if settings.routes.routing is None else Router(settings.routes.routing)
    notifier = Notifier(clock=clock, alertmanagers=found, router=router, state=state, put=put, leads=leads)
    return Notifying(found, notifier, has_routes=router is not None)
