"""A ``trace`` trigger whose RED another store keeps."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from rules.asked import main_query
from rules.schema import Trigger


def trigger(**signal: str) -> Trigger:
    body = {"name": "red", "perReplica": 40, "trace": {"service": "shop", "source": "jaeger", **signal}}
    return Trigger.model_validate(body)


@pytest.mark.parametrize(
    ("signal", "expr"),
    [
        ({"measure": "rate"}, 'sum(traces_guest_calls_per_second{service_name="shop", source="jaeger"})'),
        (
            {"measure": "p95", "operation": "/"},
            'max(traces_guest_latency_seconds{quantile="0.95", service_name="shop", source="jaeger", span_name="/"})',
        ),
    ],
)
def test_it_asks_the_embedded_store_for_what_was_read(signal: dict[str, str], expr: str) -> None:
    query = main_query(trigger(**signal))
    assert query is not None
    assert (query.expr, query.source) == (expr, "local")


def test_in_flight_is_not_known_there() -> None:
    with pytest.raises(ValidationError, match="keeps no inFlight"):
        trigger(measure="inFlight")
