"""What the tests of alerts share: the real promtool."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cluster.build import NoClusterError, programs


@pytest.fixture(scope="session")
def promtool() -> Path:
    """Prometheus 3.14's, built with the test cluster; where it cannot be built, CI fails and others skip."""
    try:
        return programs()["promtool"]
    except NoClusterError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
