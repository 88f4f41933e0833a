"""What the tests of routing share: a section as text, alerts, and a router that is driven on the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from alerts.notification import Notification
from alerts.routing.read import RoutingReading, read
from alerts.routing.router import Router
from alerts.routing.tree import Routing
from alerts.rule_file import yaml_nodes
from domain.alerts import Alert
from domain.labels import Labels

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""A Monday."""


def second(count: float) -> datetime:
    """So many seconds after ``NOW``."""
    return NOW + timedelta(seconds=count)


def reading(text: str) -> RoutingReading:
    """What the section, as its own file, says."""
    node = yaml_nodes.read(text.encode())
    assert node is not None
    return read(node, file="foretide.yaml")


def routing(text: str) -> Routing:
    """A section that has no mistake."""
    found = reading(text)
    assert found.routing is not None, [str(one) for one in found.mistakes]
    return found.routing


def alert(name: str = "Down", *, at: float = 0, until: float | None = None, **labels: str) -> Alert:
    """It fires from ``at``; where it has an end it is over then."""
    return Alert(
        labels=Labels.of(alertname=name, **labels),
        starts_at=second(at),
        ends_at=None if until is None else second(until),
    )


def tell(router: Router, at: float) -> list[Notification]:
    """Everything due at that second, kept as the outbox would."""
    due = router.due(second(at))
    for one in due:
        router.told(one)
    return due


def names(told: list[Notification]) -> list[tuple[str, str, list[str]]]:
    """Receiver, status and the alerts' instances."""
    return [(one.receiver, one.status, [each.labels.value_of("instance") for each in one.alerts]) for one in told]
