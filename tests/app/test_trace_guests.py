"""Traces and RED of other stores, in a whole Foretide."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.settings import read_settings
from app.system_clock import SystemClock
from app.wiring import House
from domain.clock import to_ms
from domain.errors import SettingsError, UnknownSourceError
from tests.fakes.prometheus import Server
from tests.fakes.trace_stores import FakeJaeger, FakeTempo, span

CONFIG = """
sources:
- {name: jaeger, kind: jaeger, url: "JAEGER", services: [shop]}
- {name: tempo, kind: tempo, url: "TEMPO", services: [shop]}
"""
START_MS = to_ms(SystemClock().now()) - 60_000


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    jaeger = FakeJaeger((span(1, start_ms=START_MS), span(2, "select", parent=1, start_ms=START_MS + 5)),
                        {("shop", "GET /"): (12.0, 1.0, 250.0)})  # fmt: skip
    tempo = FakeTempo((span(3, trace=2, start_ms=START_MS),), {("shop", "GET /"): (3.0, 0.0, 0.5)})
    folder = tmp_path_factory.mktemp("house")
    with Server(jaeger) as one, Server(tempo) as other:
        built = _house(folder, CONFIG.replace("JAEGER", one.url).replace("TEMPO", other.url))
        yield built
        built.close()


def _house(folder: Path, config: str) -> House:
    (folder / "foretide.yaml").write_text(config)
    settings = read_settings(config=None, environment={"FORETIDE_PORT": "0"}, working_dir=folder)
    settings.data_dir.mkdir(exist_ok=True)
    return House(settings, clock=SystemClock(), version="9", base_url="http://127.0.0.1:1", environment={})


def ask(house: House, path: str) -> httpx.Response:
    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app=house.application())
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(f"/api/v1/{path}")

    return asyncio.run(asked())


def test_traces_of_another_store_are_listed_by_its_name(house: House) -> None:
    (found,) = ask(house, "traces?source=jaeger&service=shop").json()["data"]
    assert (found["root_service"], found["span_count"], found["trace_id"]) == ("shop", 2, f"{1:032x}")
    assert len(ask(house, "traces?source=tempo").json()["data"]) == 1
    assert ask(house, "traces").json()["data"] == []


def test_a_trace_is_found_wherever_it_is(house: House) -> None:
    names = [one["name"] for one in ask(house, f"traces/{1:032x}").json()["data"]]
    assert names == ["GET /", "select"]
    assert ask(house, f"traces/{2:032x}").status_code == 200
    assert ask(house, f"traces/{2:032x}?source=jaeger").status_code == 404
    assert ask(house, f"traces/{2:032x}?source=local").status_code == 404


def test_what_cannot_be_read_through_is_told(house: House) -> None:
    unknown = ask(house, "traces?source=zipkin")
    assert (unknown.status_code, "there are local, jaeger, tempo" in unknown.text) == (404, True)
    refused = ask(house, "traces?source=jaeger")
    assert (refused.status_code, "Jaeger searches by service" in refused.text) == (422, True)


def test_a_store_that_is_down_is_503_and_a_gap(tmp_path: Path) -> None:
    down = _house(tmp_path, CONFIG.replace("JAEGER", "http://127.0.0.1:9").replace("TEMPO", "http://127.0.0.1:9"))
    try:
        assert ask(down, "traces?source=tempo").status_code == 503
        assert ask(down, f"traces/{1:032x}").status_code == 404
        down._trace_guests.tick(SystemClock().now())
        assert down.queries.instant("traces_guest_calls_per_second", SystemClock().now()) == {}
        assert {one["last_error"] != "" for one in ask(down, "status").json()["data"]["sources"]} == {True}
    finally:
        down.close()


def test_red_becomes_series_that_queries_read(house: House) -> None:
    now = SystemClock().now()
    house._trace_guests.tick(now)

    def number(expr: str) -> float:
        return house.queries.signal(expr, now).value

    chosen = '{source="jaeger", service_name="shop", span_name="GET /"}'
    assert number(f"traces_guest_calls_per_second{chosen}") == 12
    assert number(f"traces_guest_errors_per_second{chosen}") == 1
    assert number('traces_guest_latency_seconds{source="jaeger", quantile="0.95"}') == 0.25
    assert number('sum(traces_guest_calls_per_second{service_name="shop"})') == 15


def test_a_store_of_traces_answers_no_promql(house: House) -> None:
    with pytest.raises(UnknownSourceError, match='"jaeger" is a store of traces, which answers no PromQL'):
        house.guests.check_query("up", "jaeger")


def test_a_trace_trigger_of_a_store_that_is_not_there_is_refused_at_its_place(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "red.yaml").write_text(
        "apiVersion: foretide.dev/v1alpha1\nkind: ScalingRule\nmetadata: {name: shop, namespace: demo}\nspec:\n"
        "  target: {kind: Deployment, name: shop}\n  replicas: {min: 1, max: 9}\n  triggers:\n"
        "  - {name: red, perReplica: 5, trace: {service: shop, measure: rate, source: zipkin}}\n"
    )
    built = _house(tmp_path, f"rules_dir: rules\n{CONFIG}".replace("JAEGER", "http://j").replace("TEMPO", "http://t"))
    try:
        built.rules.poll(SystemClock().now())
        (mistake,) = built.rules.mistakes
    finally:
        built.close()
    assert (mistake.line, mistake.field) == (8, "spec.triggers[0].trace.source")
    assert mistake.message == '"zipkin" is not a source of traces of foretide.yaml; it has jaeger, tempo'


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("default_source: j\nsources: [{name: j, kind: jaeger, url: 'http://j'}]", "expected one of local"),
        ("sources: [{name: j, kind: jaeger, url: 'http://j', remote_write_url: 'http://j'}]", "takes no forecasts"),
        ("sources: [{name: p, url: 'http://p', services: [shop]}]", "goes with kind jaeger or tempo"),
    ],
)
def test_what_a_kind_cannot_do_is_refused(tmp_path: Path, config: str, said: str) -> None:
    (tmp_path / "foretide.yaml").write_text(config)
    with pytest.raises(SettingsError, match=said):
        read_settings(config=None, environment={}, working_dir=tmp_path)
