"""The order of alerts in a notification: by job and instance, then as Alertmanager orders sets of labels."""

from __future__ import annotations

from functools import cmp_to_key
from typing import Final

from domain.alerts import Alert
from domain.labels import Labels

_FIRST: Final = ("job", "instance")


def _compare(left: Labels, right: Labels) -> int:
    """Alertmanager's ``AlertSlice.Less``: one without the label comes after those that have it."""
    ours, theirs = dict(left), dict(right)
    for name in _FIRST:
        one, other = ours.get(name), theirs.get(name)
        if one != other:
            return 1 if one is None else -1 if other is None or one < other else 1
    if len(left) != len(right):
        return len(left) - len(right)
    for name in sorted({*ours, *theirs}):
        one, other = ours.get(name), theirs.get(name)
        if one != other:
            return -1 if one is None else 1 if other is None or one > other else -1
    return 0


_KEY: Final = cmp_to_key(_compare)


def ordered(alerts: list[Alert]) -> list[Alert]:
    """As a receiver reads them."""
    return sorted(alerts, key=lambda alert: _KEY(alert.labels))
