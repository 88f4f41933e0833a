"""Silences by the API: made, listed, changed as Alertmanager changes them, and ended."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from store.state import AuditTrail
from tests.app.conftest import Served


def _post(served: Served, **body: Any) -> Any:
    now = datetime.now(UTC)
    whole = {"matchers": ['alertname="Down"'], "ends_at": (now + timedelta(hours=1)).isoformat(), "comment": "moving"}
    return served.ask(
        "/api/v1/silences", method="POST", body=json.dumps(whole | body).encode(),
        headers={"Content-Type": "application/json"},
    )  # fmt: skip


def test_a_silence_is_made_read_changed_and_ended(served: Served) -> None:
    made = _post(served, created_by="ann").json["data"]
    assert (made["state"], made["created_by"], made["matchers"]) == ("active", "ann", ['alertname="Down"'])
    assert served.ask(f"/api/v1/silences/{made['id']}").json["data"] == made
    longer = _post(
        served, id=made["id"], created_by="ann", ends_at=(datetime.now(UTC) + timedelta(hours=2)).isoformat()
    ).json["data"]
    assert (longer["id"], longer["starts_at"]) == (made["id"], made["starts_at"])
    other = _post(served, id=made["id"], matchers=["alertname=~Down|Slow", "job!=web"]).json["data"]
    assert other["id"] != made["id"]
    listed = served.ask("/api/v1/silences?state=active").json["data"]
    assert [one["id"] for one in listed] == [other["id"]]
    assert served.ask(f"/api/v1/silences/{other['id']}", method="DELETE").json["data"]["state"] == "expired"
    again = served.ask(f"/api/v1/silences/{other['id']}", method="DELETE")
    assert (again.status, again.json["error"]["message"]) == (409, f"silence {other['id']} has expired already")
    with served.house.state.transaction() as session:
        verbs = [line.verb for line in AuditTrail(session).newest(limit=10) if line.object == f"silence/{other['id']}"]
    assert sorted(verbs) == ["silence", "silence expired"]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"matchers": ["a=~'('"]}, "is no RE2 regular expression"),
        ({"matchers": ['a=~".*"']}, "would silence every alert"),
        ({"ends_at": "2020-01-01T00:00:00Z"}, "must end after it starts"),
        ({"comment": " "}, "needs createdBy and comment"),
        ({"matchers": []}, "matchers"),
    ],
)
def test_a_silence_that_makes_no_sense_is_refused_with_a_sentence(
    served: Served, wrong: dict[str, Any], why: str
) -> None:
    answer = _post(served, **wrong)
    assert answer.status == 422
    assert why in answer.body.decode()


def test_an_unknown_silence_is_not_found(served: Served) -> None:
    unknown = "00000000-0000-0000-0000-000000000000"
    assert served.ask(f"/api/v1/silences/{unknown}").status == 404
    assert served.ask(f"/api/v1/silences/{unknown}", method="DELETE").status == 404
    assert _post(served, id=unknown).status == 404
