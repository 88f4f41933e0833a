"""Paths, sums and capacity of a forecast, from a running house."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from app.forecast_doors.feed import Feed
from tests.app.conftest import Served
from tests.fakes.clock import ManualClock

SOON = "demo/shop/soon"


def ask(served: Served, path: str) -> Any:
    answer = served.ask(f"/api/v1/forecasts/{path}")
    assert answer.status == 200, answer.body
    return answer.json["data"]


def test_paths_are_the_same_at_every_call(served: Served) -> None:
    found = ask(served, f"{SOON}/paths?samples=30")

    assert (found["signal"], found["lasting"]) == (SOON, None)
    assert (len(found["paths"]), {len(path) for path in found["paths"]}) == (30, {12})
    assert ask(served, f"{SOON}/paths?samples=30") == found


def test_capacity_is_what_the_highest_replica_count_carries(served: Served) -> None:
    (found,) = ask(served, f"{SOON}/capacity")["limits"]

    assert (found["name"], found["limit"], found["already"]) == ("maxReplicas", 80.0, False)
    assert [one["quantile"] for one in found["dates"]] == [0.1, 0.5, 0.9]
    assert 0 <= found["probability"] <= 1


def test_capacity_of_thresholds(served: Served) -> None:
    near, far = ask(served, f"{SOON}/capacity?threshold=20.2&threshold=1e6")["limits"]

    assert near["name"] == "20.2"
    assert near["probability"] > 0.2  # of either forecast that may be the newest: the loop makes one, too
    assert near["dates"][0]["at"] is not None
    assert (far["probability"], [one["at"] for one in far["dates"]]) == (0.0, [None] * 3)


def test_a_sum_tells_what_it_does_not_cover(served: Served) -> None:
    found = ask(served, f"{SOON}/sum?over=month&timezone=Europe/Paris&per=1s&threshold=1e12")

    assert not found["complete"]
    assert found["start"] < found["until"] < found["end"]
    assert found["per_seconds"] == 1.0
    values = [one["value"] for one in found["quantiles"]]
    assert values == sorted(values)
    assert values[0] >= found["measured"] >= 0
    assert found["limits"][0]["probability"] == 0.0


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("demo/none/soon/paths", 404),
        ("demo/none/soon/capacity", 404),
        ("demo/none/soon/sum", 404),
        (f"{SOON}/paths?samples=1", 422),
        (f"{SOON}/paths?samples=201", 422),
        (f"{SOON}/capacity?threshold=much", 422),
        (f"{SOON}/capacity?threshold=nan", 422),
        (f"{SOON}/sum?over=year", 422),
        (f"{SOON}/sum?timezone=Nowhere/City", 422),
        (f"{SOON}/sum?per=0s", 422),
        (f"{SOON}/sum?per=often", 422),
        (f"{SOON}/sum?from=2026-11-01T00:00:00Z", 422),
        (f"{SOON}/sum?from=2026-11-01T00:00:00&to=2026-11-02T00:00:00", 422),
        (quote('demo/x{a="/paths"}') + "/paths", 404),
    ],
)
def test_questions_that_have_no_answer_say_why(served: Served, path: str, status: int) -> None:
    answer = served.ask(f"/api/v1/forecasts/{path}")

    assert answer.status == status, answer.body
    assert answer.json["success"] is False
    assert answer.json["error"]["message"]


def test_the_doors_read_what_this_program_serves(served: Served) -> None:
    def data(path: str) -> Any:
        answer = served.ask(path)
        assert answer.status == 200, answer.body
        return answer.json["data"]

    feed = Feed(data, clock=ManualClock())
    (known,) = feed.of(SOON)
    assert (known.forecast.horizon, known.forecast.quantiles[0], known.forecast.step.seconds) == (12, 0.05, 300)
    feed.look()
    assert set(feed.names) <= {"shop:soon"}
