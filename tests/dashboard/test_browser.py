"""The pages as a person sees them: a real headless Chromium against a real server over made-up data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from domain.errors import Mistake
from tests.browser import launched, opened
from tests.dashboard.serve_fake import WallClock, served
from tests.fakes.dashboard_data import FakeDashboardData

pytestmark = [pytest.mark.slow, pytest.mark.program]
SERVICE = "/ui/services/shop/checkout"
SIX_HOURS_SHOWN = """() => {
  const [start, end] = document.querySelector("#chart-load .js-plotly-plot")._fullLayout.xaxis.range;
  return new Date(end) - new Date(start) >= 6 * 3.6e6;
}"""
MISTAKE = Mistake(file="rules/shop.yaml", line=14, column=5, field="spec.replicas.max", message="must be at least 2")


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with served(FakeDashboardData(WallClock(), mistakes=(MISTAKE,))) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture
def wide(browser: Browser, base: str) -> Iterator[Page]:
    with opened(browser, base, width=1440, height=900, color_scheme="dark") as page:
        yield page


@pytest.fixture
def narrow(browser: Browser, base: str) -> Iterator[Page]:
    with opened(browser, base, width=390, height=844, color_scheme="dark") as page:
        yield page


def drawn(page: Page) -> None:
    """All three charts have their lines."""
    for name in ("load", "replicas", "latency"):
        expect(page.locator(f"#chart-{name} .scatterlayer .trace").first).to_be_attached()
        expect(page.locator(f"#panel-{name}")).to_have_attribute("data-state", "ready")


def x_range(page: Page, name: str) -> list[float]:
    """What a chart spans, in milliseconds."""
    script = "n => document.querySelector(`#chart-${n} .js-plotly-plot`)._fullLayout.xaxis.range.map(v => +new Date(v))"
    return [float(end) for end in page.evaluate(script, name)]


def no_sideways_scroll(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_from_the_fleet_to_a_service_and_back(wide: Page) -> None:
    wide.goto("/ui/")
    expect(wide.locator("tr.row")).to_have_count(3)
    expect(wide.locator("#banner")).to_contain_text("rules/shop.yaml:14:5")
    expect(wide.locator("[data-nav=fleet]")).to_have_attribute("aria-current", "page")
    wide.get_by_role("link", name="checkout").last.click()
    expect(wide).to_have_url(re.compile(f"{SERVICE}$"))
    drawn(wide)
    expect(wide.locator("#title")).to_contain_text("generated history")
    expect(wide).to_have_title("checkout · Foretide")
    expect(wide.locator(".tile")).to_have_count(6)
    wide.go_back()
    expect(wide.locator("tr.row")).to_have_count(3)


def test_range_and_theme_survive_a_reload(wide: Page) -> None:
    wide.goto(SERVICE)
    drawn(wide)
    wide.get_by_role("button", name="6h").click()
    expect(wide).to_have_url(re.compile("range=6h"))
    wide.wait_for_function(SIX_HOURS_SHOWN)
    expect(wide.locator("html")).to_have_attribute("data-theme", "dark")  # the system's, until something is chosen
    wide.locator("#theme").click()
    expect(wide.locator("html")).to_have_attribute("data-theme", "light")
    wide.reload()
    drawn(wide)
    expect(wide.locator("html")).to_have_attribute("data-theme", "light")
    expect(wide.get_by_role("button", name="6h")).to_have_attribute("aria-pressed", "true")
    start, end = x_range(wide, "load")
    assert 6 * 3.6e6 <= end - start <= 8.5 * 3.6e6
    panel = wide.locator("#chart-load .main-svg").first
    assert "255, 255, 255" in str(panel.evaluate("e => getComputedStyle(e).backgroundColor"))


def test_a_zoom_moves_every_chart_and_survives_a_reload(wide: Page) -> None:
    wide.goto(SERVICE)
    drawn(wide)
    box = wide.locator("#chart-load .nsewdrag").first.bounding_box()
    assert box
    wide.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 60)
    wide.mouse.down()
    wide.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 64, steps=6)
    wide.mouse.up()
    expect(wide).to_have_url(re.compile(r"from=\d+&to=\d+"))
    expect(wide.locator("#live")).to_have_attribute("aria-pressed", "false")
    asked = [float(ms) for ms in re.findall(r"(?:from|to)=(\d+)", wide.url)]
    wide.reload()
    drawn(wide)
    for name in ("load", "replicas", "latency"):
        assert x_range(wide, name) == pytest.approx(asked, abs=2)
    wide.keyboard.press("Escape")
    expect(wide).not_to_have_url(re.compile("from="))
    expect(wide.locator("#live")).to_have_attribute("aria-pressed", "true")


def test_a_decision_opens_with_its_whole_trace_and_stays_open(wide: Page) -> None:
    wide.goto(SERVICE)
    drawn(wide)
    first = wide.locator("details[data-decision]").first
    first.locator("summary").click()
    expect(first.get_by_text("From triggers to replicas")).to_be_visible()
    expect(first.get_by_text("as of").first).to_be_visible()
    wide.reload()
    expect(wide.locator("details[data-decision][open]")).to_have_count(1)


def test_the_live_tail_moves_and_can_be_paused(wide: Page) -> None:
    wide.goto(SERVICE)
    drawn(wide)
    before = x_range(wide, "load")
    with wide.expect_response(re.compile("_dash-update-component")) as tick:
        pass
    assert tick.value.ok
    wide.wait_for_function(
        "end => +new Date(document.querySelector('#chart-load .js-plotly-plot')._fullLayout.xaxis.range[1]) > end",
        arg=before[1],
    )
    wide.locator("#live").click()
    expect(wide).to_have_url(re.compile("refresh=off"))
    expect(wide.locator("#live-text")).to_have_text("Paused")


def test_the_crosshair_is_on_all_charts(wide: Page) -> None:
    wide.goto(SERVICE)
    drawn(wide)
    wide.locator("#chart-replicas .nsewdrag").first.hover()
    expect(wide.locator(".crosshair:not([hidden])")).to_have_count(3)


@pytest.mark.parametrize("path", ["/ui/", SERVICE])
def test_a_phone_shows_one_column(narrow: Page, path: str, tmp_path: Path) -> None:
    narrow.goto(path)
    expect(narrow.locator(".tile-value").first).to_be_visible()
    if path == SERVICE:
        drawn(narrow)
        narrow.locator("details[data-decision] > summary").first.click()
    no_sideways_scroll(narrow)
    expect(narrow.locator("#sidebar")).to_be_hidden()
    narrow.get_by_role("button", name="Menu").click()
    narrow.locator("#sidebar").get_by_role("link", name="search").click()
    expect(narrow).to_have_url(re.compile("/ui/services/shop/search$"))
    expect(narrow.locator("#sidebar")).to_be_hidden()
    drawn(narrow)
    no_sideways_scroll(narrow)


def test_addresses_that_lead_nowhere_say_so(wide: Page) -> None:
    wide.goto("/ui/services/shop/nosuch")
    expect(wide.locator("#note-load")).to_have_text(re.compile("Nobody knows shop/nosuch"))
    wide.goto("/ui/what/ever")
    expect(wide.locator("#page")).to_contain_text("There is no such page")


@pytest.mark.parametrize(
    ("state", "sentence"), [("broken", "disk I/O error"), ("silent", "No samples"), ("bare", "Nobody knows")]
)
def test_every_state_is_a_sentence(browser: Browser, state: str, sentence: str) -> None:
    data = FakeDashboardData(WallClock(), broken=state == "broken", silent=state == "silent", bare=state == "bare")
    with served(data) as address, opened(browser, address, width=1440, height=900, color_scheme="dark") as page:
        page.goto(SERVICE)
        expect(page.locator("#note-load")).to_contain_text(sentence)
        page.goto("/ui/")
        expect(page.locator("#fleet-table")).to_contain_text(re.compile("service|Service"))
