from __future__ import annotations

import asyncio
import inspect
import json
import logging
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from dash import no_update
from fastapi import FastAPI
from fastapi.routing import APIWebSocketRoute
from starlette.routing import WebSocketRoute

from dashboard import build
from dashboard.callbacks import fleet_answer, route_to, service_answer, surroundings, why_answer
from dashboard.contract import Window
from dashboard.service import notes, title
from dashboard.theme import DARK, LIGHT
from dashboard.view import read
from domain.errors import Mistake
from tests.dashboard.serve_fake import served
from tests.fakes.clock import ManualClock
from tests.fakes.dashboard_data import FakeDashboardData

PLACE = {"page": "service", "namespace": "shop", "name": "checkout"}
MISTAKE = Mistake(file="rules/shop.yaml", line=14, column=5, field="spec.replicas.max", message="must be at least 2")


def texts(component: Any) -> str:
    """Everything a reader sees, in order."""
    if isinstance(component, list | tuple):
        return " ".join(texts(one) for one in component)
    if hasattr(component, "to_plotly_json"):
        return texts(component.to_plotly_json()["props"].get("children"))
    return "" if component is None else str(component)


class Failing(FakeDashboardData):
    async def service(self, *_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("secret detail")


def test_every_callback_is_a_coroutine_function(clock: ManualClock) -> None:
    app = build.mount(FastAPI(), FakeDashboardData(clock), version="0.1.0")
    on_the_server = {name: entry["callback"] for name, entry in app.callback_map.items() if "callback" in entry}
    assert len(on_the_server) == 5
    assert all(inspect.iscoroutinefunction(callback) for callback in on_the_server.values())


def test_two_dashboards_in_one_process_do_not_share_anything(clock: ManualClock) -> None:
    first = build.mount(FastAPI(), FakeDashboardData(clock), version="0.1.0")
    second = build.mount(FastAPI(), FakeDashboardData(clock), version="0.1.0")
    assert first.callback_map is not second.callback_map
    assert first.callback_map.keys() == second.callback_map.keys()


def test_no_page_holds_a_websocket(clock: ManualClock) -> None:
    api = FastAPI()
    app = build.mount(api, FakeDashboardData(clock), version="0.1.0")
    assert not [route for route in api.routes if isinstance(route, WebSocketRoute | APIWebSocketRoute)]
    assert "websocket" not in app._config()


def fetch(address: str) -> tuple[int, str, str]:
    """Status, Cache-Control and text."""
    try:
        with urlopen(address, timeout=20) as answer:
            return answer.status, answer.headers.get("Cache-Control", ""), answer.read().decode("utf-8", "replace")
    except HTTPError as error:
        with error:
            return error.code, "", error.read().decode()


def test_pages_assets_and_the_api_live_on_one_application(clock: ManualClock) -> None:
    with served(FakeDashboardData(clock)) as base:
        for path in ("/ui/", "/ui/services/shop/checkout"):
            status, _, page = fetch(base + path)
            assert status == 200
            assert "plotly-foretide" in page
        assert fetch(f"{base}/api/v1/nope")[0] == 404
        addresses = re.findall(r'(?:src|href)="(/ui/assets/[^"]+)"', page)
        assert len(addresses) == 6
        for address in addresses:
            assert fetch(base + address)[:2] == (200, "public, max-age=31536000, immutable")
        assert fetch(f"{base}/ui/assets/foretide.css")[1] == "no-cache"


def test_nothing_is_fetched_from_elsewhere() -> None:
    own = [file for file in build.ASSETS.iterdir() if file.suffix in {".css", ".js"} and "plotly" not in file.name]
    assert len(own) == 3
    for file in own:
        outside = set(re.findall(r"https?://[^\s'\"]+", file.read_text())) - {"http://www.w3.org/2000/svg"}
        assert not outside, file


def test_the_tokens_of_stylesheet_and_charts_agree() -> None:
    css = Path(build.ASSETS / "foretide.css").read_text()
    dark, light = css.split(':root[data-theme="light"]')[:2]
    for palette, block in ((DARK, dark), (LIGHT, light)):
        for name in ("load", "forecast", "decided", "actual", "latency", "cpu", "muted"):
            assert f"--{name}: {getattr(palette, name)}" in block, name


def test_addresses_lead_to_their_pages() -> None:
    page, crumbs = route_to(PLACE)
    assert texts(crumbs) == "Fleet / shop / checkout"
    assert "Load and forecast" in texts(page)
    assert "no such page" in texts(route_to({"page": "unknown"})[0])
    assert "no such page" in texts(route_to(None)[0])


def test_the_fleet_lists_every_service_with_its_numbers(clock: ManualClock) -> None:
    tiles, table = asyncio.run(fleet_answer(FakeDashboardData(clock)))
    told = texts(table)
    assert all(name in told for name in ("checkout", "search", "mailer", "67.4 req/s", "4.1 %", "no rule", "holding"))
    assert "2 with a rule" in texts(tiles)


def test_an_empty_fleet_says_what_will_fill_it(clock: ManualClock) -> None:
    _, table = asyncio.run(fleet_answer(FakeDashboardData(clock, bare=True)))
    assert "No service seen yet" in texts(table)


def test_a_fleet_that_cannot_be_read_says_why(clock: ManualClock) -> None:
    _, table = asyncio.run(fleet_answer(FakeDashboardData(clock, broken=True)))
    assert "disk I/O error" in texts(table)


def test_mistakes_stand_in_the_banner_with_their_place(clock: ManualClock) -> None:
    _, about, banner = asyncio.run(surroundings(FakeDashboardData(clock, mistakes=(MISTAKE,))))
    assert "rules/shop.yaml:14:5" in texts(banner)
    assert "must be at least 2" in texts(banner)
    assert "4 of 5 targets up" in texts(about)
    assert asyncio.run(surroundings(FakeDashboardData(clock)))[2] is None


def test_the_service_page_is_complete(clock: ManualClock) -> None:
    answer = asyncio.run(service_answer(FakeDashboardData(clock), PLACE, {"range": "1h"}, None))
    assert {answer[f"state_{name}"] for name in ("load", "replicas", "latency", "decisions")} == {"ready"}
    title = texts(answer["title"])
    assert all(word in title for word in ("checkout", "enforce", "shop / local", "fourier_ar", "generated history"))
    tiles = texts(answer["tiles"])
    assert all(word in tiles for word in ("Load", "Ready / decided", "131 ms", "67.4", "6.8", "per hour"))
    decisions = texts(answer["decisions"])
    assert "The forecast expects" in decisions
    assert "q90 of the next 2 min" in decisions
    assert "moved it" in decisions


def test_the_window_and_the_width_reach_the_data(clock: ManualClock) -> None:
    data = FakeDashboardData(clock)
    asyncio.run(service_answer(data, PLACE, {"range": "6h", "width": 500}, None))
    name, window, points = data.calls[0]
    assert (name, window.length, points) == ("checkout", timedelta(hours=6), 650)


def test_a_tick_sends_the_decisions_only_when_they_changed(clock: ManualClock) -> None:
    data = FakeDashboardData(clock)
    first = asyncio.run(service_answer(data, PLACE, {}, None))
    tick = asyncio.run(service_answer(data, PLACE, {}, first["version"]))
    assert tick["decisions"] is no_update
    assert tick["version"] is no_update
    assert len(json.dumps(tick["figure_load"].to_plotly_json())) < len(json.dumps(first["figure_load"]))
    clock.advance(timedelta(minutes=5))
    later = asyncio.run(service_answer(data, PLACE, {}, first["version"]))
    assert later["decisions"] is not no_update


def test_a_failed_read_is_a_sentence_in_every_panel_and_a_tick_keeps_the_rest(clock: ManualClock) -> None:
    data = FakeDashboardData(clock, broken=True)
    first = asyncio.run(service_answer(data, PLACE, {}, None))
    assert {first[f"state_{name}"] for name in ("load", "replicas", "latency", "decisions")} == {"error"}
    assert "disk I/O error" in first["note_load"]
    tick = asyncio.run(service_answer(data, PLACE, {}, "some version"))
    assert tick["figure_load"] is no_update
    assert tick["version"] is None


def test_an_unexpected_failure_keeps_its_details_in_the_log(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = asyncio.run(service_answer(Failing(clock), PLACE, {}, None))
    reference = re.search(r"reference (\w+)", answer["note_load"])
    assert reference is not None
    assert "secret" not in answer["note_load"]
    assert caplog.records[0].__dict__["reference"] == reference[1]
    assert "secret detail" in caplog.text


def test_an_unknown_service_is_named_as_such(clock: ManualClock) -> None:
    answer = asyncio.run(service_answer(FakeDashboardData(clock), {**PLACE, "name": "nosuch"}, {}, None))
    assert "Nobody knows shop/nosuch" in answer["note_load"]
    assert answer["state_load"] == "empty"


def test_no_samples_is_said_in_words(clock: ManualClock) -> None:
    answer = asyncio.run(service_answer(FakeDashboardData(clock, silent=True), PLACE, {}, None))
    assert answer["state_load"] == "empty"
    assert answer["note_load"] == "No samples in this range."
    assert "No decision" in answer["note_decisions"]


def test_a_service_without_rule_explains_why_nothing_is_decided(clock: ManualClock) -> None:
    answer = asyncio.run(service_answer(FakeDashboardData(clock), {**PLACE, "name": "mailer"}, {}, None))
    assert "No ScalingRule" in answer["note_decisions"]
    assert answer["state_load"] == "ready"


def test_old_samples_are_called_stale(clock: ManualClock) -> None:
    page = asyncio.run(
        FakeDashboardData(clock).service("shop", "checkout", read({}).window(clock.now()), max_points=500)
    )
    assert page is not None
    seven_minutes_on = notes(page, read({}), clock.now() + timedelta(minutes=7))
    assert (seven_minutes_on["load"].state, seven_minutes_on["load"].sentence) == ("stale", "newest sample 7 min ago")
    assert notes(page, read({}), clock.now())["load"].state == "ready"


def test_a_name_cannot_bring_markup_into_the_page(clock: ManualClock) -> None:
    name = "<img src=x onerror=alert(1)>"
    data = FakeDashboardData(clock, name=name)
    _, table = asyncio.run(fleet_answer(data))
    link = json.dumps(table, default=lambda one: one.to_plotly_json())
    # React escapes text children; what must never appear is the name inside an address or raw HTML.
    assert f"/ui/services/shop/{name}" not in link
    assert "/ui/services/shop/%3Cimg" in link
    assert "dangerously" not in link


def test_why_says_what_the_forecast_is_made_of(clock: ManualClock) -> None:
    said = texts(asyncio.run(why_answer(FakeDashboardData(clock), PLACE)))
    assert "84 % of the variation is the season of 24m" in said
    assert "Season of 24m 84 %" in said
    assert "Holt-Winters: α 0.11" in said


def test_why_says_why_it_cannot_say(clock: ManualClock) -> None:
    broken = texts(asyncio.run(why_answer(FakeDashboardData(clock, broken=True), PLACE)))
    assert broken == "This forecast cannot be taken apart now: metrics.db cannot be read: disk I/O error."
    nothing = texts(asyncio.run(why_answer(FakeDashboardData(clock, bare=True), PLACE)))
    assert nothing.startswith("Nothing is forecast for this service")


def test_a_rule_in_shadow_says_so_below_its_name(clock: ManualClock) -> None:
    data = FakeDashboardData(clock)
    now = clock.now()
    window = Window(start=now - timedelta(hours=1), end=now)
    page = asyncio.run(data.service("shop", "checkout", window, max_points=400))
    assert page is not None
    status = asyncio.run(data.status())
    sentence = "in shadow since 2026-11-21 12:00:00 UTC: −14 % replica-hours"
    shown = title(replace(page, shadow=sentence), status, read({}), now)
    assert sentence in texts(shown)
    assert "in shadow" not in texts(title(page, status, read({}), now))
