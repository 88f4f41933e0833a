"""Why a rule decided as it did: the words, the API's answer, and ``foretide explain`` against a running server."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.explain import Known, told
from app.explain_command import explain
from app.system_clock import SystemClock
from domain.scaling import Action, ActionResult, Mode, Proposal, Reason, TraceLine
from tests.app.conftest import Served
from tests.app.world import NOW, SHOP, decision, hold

CHAIN = (
    TraceLine(stage="triggers", replicas=4, message="rps asks for 4"),
    TraceLine(stage="combine", replicas=4, message="the largest"),
    TraceLine(stage="forecast", replicas=9, message="forecast p90 → 9"),
    TraceLine(stage="ceilings", replicas=9, message="no ceiling"),
    TraceLine(stage="bounds", replicas=8, message="limited to max 8"),
)


def known(**changes: Any) -> Known:
    values: dict[str, Any] = {"at": NOW, "decision": decision(1), "until": None, "changed": None, "action": None}
    return Known(**(values | changes))


@pytest.fixture
def client(served: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{served.port}") as made:
        yield made


def run(
    client: httpx.Client, name: str = "demo/shop", *, at: str | None = None, output: str = "table"
) -> tuple[int, str]:
    out = io.StringIO()
    return explain(name, at=at, output=output, client=client, now=SystemClock().now(), out=out), out.getvalue()


# ---- words


def test_stages_that_did_something_are_told_the_others_named() -> None:
    words = told(known(decision=decision(1, trace=CHAIN, limited_by=("forecast", "bounds.max"))))
    assert [(one.stage, one.replicas, one.moved) for one in words.stages] == [
        ("triggers", 4, False), ("combine", 4, False), ("forecast", 9, True), ("bounds", 8, True)
    ]  # fmt: skip
    assert words.quiet == ("ceilings",)


def test_what_else_it_could_have_been_is_told_with_the_difference() -> None:
    hpa, ahead = told(known(decision=decision(1, hpa_only_replicas=2, with_forecast_replicas=3))).otherwise
    assert hpa.endswith("would set 2 (-1) from here")
    assert ahead.endswith("would set 3, the same")
    assert told(known()).otherwise == ()


def test_a_signal_without_a_say_is_told_with_its_reason() -> None:
    silent = Proposal(
        trigger="soon", kind="forecast", replicas=None, value=None, target=None, unit="", reason="no forecast yet",
        as_of=None, missing=True,
    )  # fmt: skip
    assert told(known(decision=decision(1, proposals=(silent,)))).signals == (
        "soon (forecast) has no say: no forecast yet",
    )


def test_a_price_says_what_its_error_budget_counts() -> None:
    priced = Proposal(
        trigger="soon", kind="forecast", replicas=9, value=900.0, target=120.0, unit="/s", reason="9 kept", as_of=None,
        caution=2.3124,
    )  # fmt: skip
    assert told(known(decision=decision(1, proposals=(priced,)))).signals == (
        "soon (forecast) asks for 9: 9 kept; caution 2.312: its budget counts time with over 120/s per ready replica,"
        " not an SLO's errors",
    )


def test_the_price_and_its_change() -> None:
    assert told(known()).price == "$0.300 per hour, +$0.100 to what ran"
    assert told(known(decision=hold(1, cost_per_hour=None))).price.startswith("no price: it takes a PriceSheet")


def test_what_was_done_and_what_was_not() -> None:
    action = Action(
        id="a", decision_id="1", at=NOW, actor="controller", cluster="local", target=SHOP, from_replicas=2,
        to_replicas=3, result=ActionResult.FAILED, error="429",
    )  # fmt: skip
    assert told(known(action=action)).done == ("2 → 3 on local: failed: 429",)
    assert told(known()).done == ("nothing was done: mode observe only tells",)
    stuck = told(known(decision=decision(1, mode=Mode.ENFORCE))).done
    assert stuck[0].startswith("nothing was done: the rule actuates nothing")


def test_a_hold_tells_when_the_number_last_moved() -> None:
    (_, moved) = told(known(decision=hold(2), changed=decision(1, at=NOW - timedelta(minutes=12)))).done
    assert (
        moved
        == "the number last moved 12 min earlier: 2 → 3 replicas, DesiredWithinRange: rps 22/s ÷ 10/s per replica → 3"
    )


def test_a_time_long_after_the_newest_decision_says_so() -> None:
    words = told(known(at=NOW + timedelta(hours=2)))
    assert words.done[-1] == "nothing was decided in the 2 h since then: Foretide was down, or still is"


def test_no_number_is_told_as_such() -> None:
    nobody = decision(1, current_replicas=None, desired_replicas=None, reason=Reason.NO_REPLICA_COUNT, message="nobody")
    assert told(known(decision=nobody)).headline == "no number, NoReplicaCount: nobody"


# ---- the API


def test_the_decision_in_force_at_a_time(served: Served) -> None:
    with_mode_observe = served.ask("/api/v1/rules/demo/shop/explanation").json["data"]
    assert with_mode_observe["decision"]["outcome"] in {"hold", "scale_up", "scale_down"}
    then = SystemClock().now() - timedelta(minutes=4)
    early = served.ask(f"/api/v1/rules/demo/shop/explanation?at={then:%Y-%m-%dT%H:%M:%SZ}").json["data"]
    assert early["decision"]["id"] == decision(1).id
    assert early["headline"].startswith("2 → 3 replicas, DesiredWithinRange: rps 22/s")
    assert datetime.fromisoformat(early["in_force_until"]) > datetime.fromisoformat(early["decided_at"])
    assert f"&decision={decision(1).id}" in early["page"]


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("demo/shpo/explanation", 404, 'no rule "demo/shpo"; did you mean "demo/shop"?'),
        ("other/shop/explanation", 404, 'did you mean "demo/shop"?'),
        ("demo/shop/explanation?at=2001-01-01T00:00:00Z", 404, "is kept from before 2001-01-01"),
        ("demo/shop/explanation?at=2001-01-01T00:00:00", 422, "has no offset; write for example"),
        ("demo/shop/explanation?at=soon", 422, "should be a valid datetime"),
    ],
)
def test_what_is_not_there_is_told(served: Served, path: str, status: int, said: str) -> None:
    answer = served.ask(f"/api/v1/rules/{path}")
    assert answer.status == status
    assert said in json.dumps(answer.json["error"], ensure_ascii=False).replace('\\"', '"')


# ---- the command


def test_the_command_prints_the_chain(client: httpx.Client) -> None:
    code, out = run(client, at="4m")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("demo/shop at 20")
    assert lines[1].startswith("  2 → 3 replicas, DesiredWithinRange")
    assert "  rps (query) asks for 3: 22 ÷ 10 (as of " in out
    assert "    triggers    3  rps asks for 3" in lines
    assert lines[-1].startswith(f"  http://127.0.0.1:{client.base_url.port}/ui/services/demo/shop?from=")


def test_a_name_without_namespace_finds_its_rule(client: httpx.Client) -> None:
    code, out = run(client, "shop", output="json")
    assert (code, json.loads(out)["rule"]) == (0, "demo/shop")


@pytest.mark.parametrize(
    ("name", "at", "output", "code", "said"),
    [
        ("demo/shpo", None, "table", 5, 'did you mean "demo/shop"?'),
        ("shpo", None, "table", 5, 'no rule "default/shpo"'),
        ("demo/shop", "soon", "table", 2, "--at soon: expected a time such as"),
        ("demo/shop", "2026-11-21T12:00:00", "table", 2, "--at 2026-11-21T12:00:00: expected"),
        ("demo/shop", None, "xml", 2, "-o xml: expected one of table, json"),
    ],
)
def test_what_cannot_be_explained_has_its_exit_code(
    client: httpx.Client,
    capsys: pytest.CaptureFixture[str],
    name: str,
    at: str | None,
    output: str,
    code: int,
    said: str,
) -> None:
    assert run(client, name, at=at, output=output)[0] == code
    assert said in capsys.readouterr().err


def test_a_server_that_is_not_there_or_refuses_is_exit_4(capsys: pytest.CaptureFixture[str]) -> None:
    with httpx.Client(base_url="http://127.0.0.1:9") as nobody:
        assert run(nobody)[0] == 4
    assert "http://127.0.0.1:9 does not answer" in capsys.readouterr().err

    def refuse(request: httpx.Request) -> httpx.Response:
        return httpx.Response(401, json={"error": {"message": "a bearer token is needed"}})

    with httpx.Client(base_url="http://there", transport=httpx.MockTransport(refuse)) as closed:
        assert run(closed)[0] == 4
    assert "refuses: 401 a bearer token is needed" in capsys.readouterr().err


def test_at_may_be_an_instant(client: httpx.Client) -> None:
    then = datetime.now(tz=UTC) - timedelta(minutes=4)
    assert run(client, at=then.isoformat())[0] == 0
