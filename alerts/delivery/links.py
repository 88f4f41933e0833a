"""Where a person looks at what an alert is about: the chart of that time, the same tomorrow.

The addresses are the dashboard's (``dashboard.parts.service_path``; a test holds the two together).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote

from domain.alerts import Alert
from domain.clock import to_ms

_BEFORE: Final = timedelta(minutes=30)
_AFTER: Final = timedelta(minutes=10)
_LONGEST: Final = timedelta(days=7)
_WORKLOAD: Final = ("deployment", "statefulset", "workload", "service", "rule")
"""Labels that name a service beside ``namespace``, the surest first (a guess for labels of other programs)."""


def chart(alert: Alert, *, at: datetime, external_url: str) -> str:
    """From half an hour before it began to ten minutes after it ended, or after ``at`` where it fires."""
    end = (alert.ends_at or at) + _AFTER
    start = max(alert.starts_at - _BEFORE, end - _LONGEST)
    return f"{external_url}{_page(alert)}?from={to_ms(start)}&to={to_ms(end)}"


def _page(alert: Alert) -> str:
    labels = dict(alert.labels)
    namespace = labels.get("namespace", "")
    name = next((labels[one] for one in _WORKLOAD if labels.get(one)), "").rpartition("/")[2]
    if not namespace or not name:
        return "/ui/"
    return f"/ui/services/{quote(namespace, safe='')}/{quote(name, safe='')}"
