from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from dashboard.contract import ServicePage
from dashboard.figures import blank, figures, moved
from dashboard.theme import DARK, LIGHT
from dashboard.view import View, read
from domain.clock import to_ms
from tests.fakes.clock import ManualClock
from tests.fakes.dashboard_data import MAX_REPLICAS, FakeDashboardData


def page_of(data: FakeDashboardData, view: View, name: str = "checkout") -> ServicePage:
    page = asyncio.run(data.service("shop", name, view.window(data.now()), max_points=view.max_points))
    assert page is not None
    return page


def values(array: dict[str, str]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(array["bdata"]), "<f8")


def trace(figure: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in figure["data"] if one["name"] == name)


def test_all_charts_span_the_same_time(clock: ManualClock) -> None:
    view = read({"range": "1h"})
    charts = figures(page_of(FakeDashboardData(clock), view), view=view, now=clock.now())
    spans = {tuple(chart["layout"]["xaxis"]["range"]) for chart in charts.values()}
    now = to_ms(clock.now())
    assert spans == {(now - 3_600_000, now + 24 * 60_000)}


def test_no_trace_is_longer_than_what_can_be_seen(clock: ManualClock) -> None:
    view = read({"range": "7d", "width": 600})
    charts = figures(page_of(FakeDashboardData(clock), view), view=view, now=clock.now())
    assert max(len(values(t["x"])) for chart in charts.values() for t in chart["data"]) <= view.max_points + 1


def test_bands_enclose_the_median_and_fill_the_one_before(clock: ManualClock) -> None:
    view = read({})
    chart = figures(page_of(FakeDashboardData(clock), view), view=view, now=clock.now())["load"]
    names = [one["name"] for one in chart["data"]]
    assert names == ["p95", "p5", "p75", "p25", "capacity", "Holt-Winters", "forecast", "load"]
    paths = [values(trace(chart, name)["y"]) for name in ("p5", "p25", "forecast", "p75", "p95")]
    assert all((low <= high).all() for low, high in zip(paths, paths[1:], strict=False))
    assert [one.get("fill") for one in chart["data"][:4]] == [None, "tonexty", None, "tonexty"]
    assert all(one["hoverinfo"] == "skip" for one in chart["data"][:4])


def test_generated_history_is_shaded_up_to_its_end_and_named(clock: ManualClock) -> None:
    data, view = FakeDashboardData(clock), read({})
    layout = figures(page_of(data, view), view=view, now=clock.now())["load"]["layout"]
    shaded = next(shape for shape in layout["shapes"] if shape["type"] == "rect")
    assert shaded["x1"] == to_ms(data.generated_until)
    assert "generated" in {note["text"] for note in layout["annotations"]}
    later = clock.advance(timedelta(hours=3))
    layout = figures(page_of(data, view), view=view, now=later)["load"]["layout"]
    assert not [shape for shape in layout["shapes"] if shape["type"] == "rect"]


def test_the_maximum_is_drawn_where_it_does_not_flatten_the_line(clock: ManualClock) -> None:
    view = read({})
    page = page_of(FakeDashboardData(clock), view)
    near = figures(page, view=view, now=clock.now())["replicas"]["layout"]
    assert f"max {MAX_REPLICAS}" in {note["text"] for note in near["annotations"]}
    far = replace(page, row=replace(page.row, max_replicas=400))
    layout = figures(far, view=view, now=clock.now())["replicas"]["layout"]
    assert layout["yaxis"]["range"][1] < 20


def test_triangles_stand_at_the_decisions_until_they_would_cover_each_other(clock: ManualClock) -> None:
    data = FakeDashboardData(clock)
    hour, week = read({"range": "1h"}), read({"range": "7d"})
    page = page_of(data, hour)
    chart = figures(page, view=hour, now=clock.now())["replicas"]
    ups, downs = (len(values(trace(chart, name)["x"])) for name in ("scale up", "scale down"))
    assert ups > 0
    assert ups + downs == page.decisions_total
    crowded = figures(page_of(data, week), view=week, now=clock.now())["replicas"]
    assert len(values(trace(crowded, "scale up")["x"])) == 0


def test_units_are_milliseconds_and_percent(clock: ManualClock) -> None:
    view = read({})
    page = page_of(FakeDashboardData(clock), view)
    chart = figures(page, view=view, now=clock.now())["latency"]
    assert values(trace(chart, "p95 latency")["y"]).max() == pytest.approx(page.latency_p95.v.max() * 1000)
    assert values(trace(chart, "CPU")["y"]).max() == pytest.approx(page.cpu_utilization.v.max() * 100)


def test_a_unit_cannot_bring_markup_into_the_chart(clock: ManualClock) -> None:
    view = read({})
    page = page_of(FakeDashboardData(clock), view)
    bad = replace(page, row=replace(page.row, load_unit="<a href='x'>req</a>"))
    assert "<a" not in json.dumps(figures(bad, view=view, now=clock.now()))


@pytest.mark.parametrize("name", ["checkout", "mailer"])
def test_without_data_every_trace_is_there_and_empty(clock: ManualClock, name: str) -> None:
    view = read({})
    full = figures(page_of(FakeDashboardData(clock), view), view=view, now=clock.now())
    empty = figures(page_of(FakeDashboardData(clock, silent=True), view, name), view=view, now=clock.now())
    for chart in full:
        assert [t["name"] for t in empty[chart]["data"]] == [t["name"] for t in full[chart]["data"]]
        assert all(len(values(t["x"])) == 0 for t in empty[chart]["data"])
        assert empty[chart]["layout"]["yaxis"]["range"][1] > 0


def test_a_tick_assigns_every_axis_of_every_trace(clock: ManualClock) -> None:
    view = read({})
    chart = figures(page_of(FakeDashboardData(clock), view), view=view, now=clock.now())["load"]
    operations = moved(chart).to_plotly_json()["operations"]
    places = [tuple(operation["location"]) for operation in operations]
    assert {o["operation"] for o in operations} == {"Assign"}
    assert {("data", i, axis) for i in range(8) for axis in ("x", "y")} <= set(places)
    assert ("layout", "uirevision") not in places


def test_both_themes_colour_the_panel() -> None:
    assert blank(read({"theme": "light"}))["layout"]["plot_bgcolor"] == LIGHT.panel
    assert blank(read({"theme": "dark"}))["layout"]["plot_bgcolor"] == DARK.panel
