from __future__ import annotations

from typing import Any

import httpx
import pytest

from app.server_client import FailedError, Server, ServerError


class Telling:
    """A server that answers every look at an operation with the next of these; 404 after the last."""

    def __init__(self, *states: str) -> None:
        self.states, self.rests = list(states), list[float]()
        self.server = Server(
            "http://a", client=httpx.Client(transport=httpx.MockTransport(self.answer), base_url="http://a"),
            wait=self.rests.append,
        )  # fmt: skip

    def answer(self, request: httpx.Request) -> httpx.Response:
        if not self.states:
            return httpx.Response(404, json={"error": {"message": f"no such operation: {request.url.path}"}})
        state = self.states.pop(0)
        data: dict[str, Any] = {"state": state, "message": f"is {state}", "progress_ratio": 0.5}
        return httpx.Response(200, json={"data": data})

    def waited(self, shown: list[str]) -> dict[str, Any]:
        with self.server as server:
            return server.wait("17", lambda message, share: shown.append(message))


def test_an_operation_is_looked_at_twice_a_second_until_it_has_succeeded() -> None:
    telling, shown = Telling("pending", "running", "succeeded"), list[str]()
    assert telling.waited(shown)["state"] == "succeeded"
    assert shown == ["is pending", "is running", "is succeeded"]
    assert telling.rests == [0.5, 0.5]


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_one_that_comes_to_nothing_is_told_in_its_own_words(end: str) -> None:
    with pytest.raises(FailedError, match=f"is {end}"):
        Telling("running", end).waited([])


def test_one_that_the_server_has_forgotten_ends_the_wait() -> None:
    with pytest.raises(ServerError, match="no such operation: /api/v1/operations/17"):
        Telling("running").waited([])


def test_a_refusal_names_the_fields_that_cannot_be_taken() -> None:
    error = {"message": "no such fields", "details": [{"field": "limit", "message": "expected more than 0"}]}
    told = httpx.MockTransport(lambda request: httpx.Response(422, json={"error": error}))
    with Server("http://a", client=httpx.Client(transport=told, base_url="http://a")) as server:
        with pytest.raises(FailedError, match="^no such fields; limit: expected more than 0$"):
            server.ask("GET", "/")
