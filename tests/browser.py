"""A real headless Chromium: patient and still, and what a page complains about fails the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.provide import chromium

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
)  # fmt: skip
PATIENCE_MS = 60_000
"""Of waits and of ``expect``, whose own 5 s are too few: on a busy machine Chromium began a reload after 12 s."""
expect.set_options(timeout=PATIENCE_MS)


@contextmanager
def launched() -> Iterator[Browser]:
    program = chromium()
    assert program, "Chromium is missing: run `make test`, which installs it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Browser, base: str, *, width: int, height: int, color_scheme: Literal["dark", "light"] = "light"
) -> Iterator[Page]:
    """A page of a fresh profile; whatever it complains about, or fetches from elsewhere, fails the test.

    It asks for no motion: a transition goes on with the frames, and a starved headless Chromium makes none for seconds.
    """
    context = browser.new_context(
        viewport={"width": width, "height": height}, base_url=base, color_scheme=color_scheme, reduced_motion="reduce"
    )
    context.set_default_timeout(PATIENCE_MS)
    page, complaints = context.new_page(), list[str]()
    page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("response", lambda r: complaints.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    page.on("request", lambda r: None if r.url.startswith((base, "data:", "blob:")) else complaints.append(r.url))
    try:
        yield page
    finally:
        context.close()
    assert complaints == []
