"""One Foretide with its demo that all reading tests share: starting one costs seconds and a third of a core."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser import launched
from tests.e2e.program import Program, running, said


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """`make up`, ended by SIGTERM as a supervisor ends it."""
    with running(tmp_path_factory.mktemp("demo")) as program:
        yield program
        assert program.end(signal.SIGTERM) == 0, said(program.log)
        program.wait_gone()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser
