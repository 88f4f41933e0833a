"""What nobody uses in one cluster that is read once, by a kubeconfig: for ``foretide cost unused --context``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.check import check_query
from app.cost_unused import Surveyed, prices_of, view
from app.cost_unused_activity import unmeasured
from app.cost_unused_read import ClusterReader
from app.server_client import ServerError
from app.system_clock import SystemClock
from cost.pricing import defaults
from cost.pricing.chain import Sources
from cost.unused.finding import Kind
from cost.unused.survey import survey
from domain.errors import SettingsError
from kube.access import Access, connect
from rules import load_paths


def of_cluster(
    access: Access, *, namespace: str, kind: Kind | None, prices: Path | None, limit: int
) -> dict[str, Any]:  # fmt: skip
    """As the endpoint answers.

    Raises:
        ForetideError: The access or the prices cannot be used, or the API server does not answer.
    """
    now, sources = SystemClock().now(), _sources(prices)
    connection = connect(access, clock=SystemClock())
    try:
        reader = ClusterReader(connection, namespace=namespace)
        snapshot = reader.snapshot(now)
    finally:
        connection.close()
    if reader.unanswered:
        raise ServerError(reader.unanswered)
    made = Surveyed(at=now, survey=survey(snapshot, unmeasured(), prices_of(snapshot, sources)))
    return view(made, namespace=namespace, kind=kind, limit=limit).model_dump(mode="json")


def _sources(prices: Path | None) -> Sources:
    if prices is None:
        return Sources(currency=defaults.SHEET.currency)
    sheet = load_paths([prices], check_query=check_query).price_sheet
    if sheet is None:
        raise SettingsError(f"--prices {prices}: there is no PriceSheet in it")
    return Sources(currency=sheet.spec.currency, sheet=sheet)
