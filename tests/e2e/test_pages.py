"""The dashboard of the running demo, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import opened
from tests.e2e.program import Program

pytestmark = [pytest.mark.slow, pytest.mark.program]
BAND = """() => {
  const drawn = document.querySelector('#chart-load .js-plotly-plot')._fullData;
  return Object.fromEntries(drawn.map(trace => [trace.name, Array.from(trace.y || []).filter(Number.isFinite).length]));
}"""

NEWEST = """() => {
  const drawn = document.querySelector('#chart-load .js-plotly-plot')._fullData;
  return Math.max(...Array.from(drawn.find(trace => trace.name == 'load').x).map(x => +new Date(x)));
}"""


@pytest.fixture(params=[(1440, 900), (390, 844)], ids=["desktop", "phone"])
def page(request: pytest.FixtureRequest, browser: Browser, demo: Program) -> Iterator[Page]:
    width, height = request.param
    with opened(browser, demo.url, width=width, height=height) as page:
        yield page


def fits(page: Page) -> None:
    """No scrolling sideways."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_from_the_fleet_to_the_why_of_a_decision(page: Page, demo: Program) -> None:
    demo.until("a decision", lambda: demo.api("decisions"), seconds=20)
    page.goto("/ui/")
    row = page.locator("tr.row", has_text="shop")
    expect(row).to_have_count(1)
    fits(page)
    row.get_by_role("link", name="shop").first.click()
    expect(page).to_have_url(re.compile("/ui/services/demo/shop"))
    expect(page.locator("#title")).to_contain_text("generated history")

    for name in ("load", "replicas", "latency"):
        expect(page.locator(f"#panel-{name}")).to_have_attribute("data-state", "ready")
    points: dict[str, Any] = page.evaluate(BAND)
    assert points["load"] > 10
    # The horizon is 48 steps, of which the first may lie in the past by now.
    assert all(points[name] >= 40 for name in ("p5", "p25", "p75", "p95"))

    decision = page.locator("details[data-decision]").first
    expect(decision.locator(".reason")).to_have_text(re.compile(r"^[A-Z]\w+$"))
    decision.locator("summary").click()
    expect(decision.get_by_text("From triggers to replicas")).to_be_visible()
    expect(decision.get_by_text("stabilization")).to_be_visible()
    fits(page)


def test_the_page_moves_by_itself(browser: Browser, demo: Program) -> None:
    with opened(browser, demo.url, width=1440, height=900) as page:
        page.goto("/ui/services/demo/shop")
        expect(page.locator("#panel-load")).to_have_attribute("data-state", "ready")
        before = page.evaluate(NEWEST)
        page.wait_for_function(f"before => ({NEWEST})() > before", arg=before, timeout=15_000)
