"""A database and a receiver for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from store.state import State
from tests.alerts.delivery.things import opened
from tests.fakes.webhook_receiver import WebhookReceiver


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database; migrating it takes longer than most of the tests."""
    folder = tmp_path_factory.mktemp("state")
    with opened(folder):
        return folder / "state.db"


@pytest.fixture
def state(tmp_path: Path, migrated: Path) -> Iterator[State]:
    shutil.copy(migrated, tmp_path)
    with opened(tmp_path) as state:
        yield state


@pytest.fixture
def hook() -> Iterator[WebhookReceiver]:
    hook = WebhookReceiver()
    yield hook
    hook.close()
