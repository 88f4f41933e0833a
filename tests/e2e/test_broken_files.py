"""A store whose file is no database any more: it is moved aside, said so, and everything else goes on."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.e2e.program import running, said

pytestmark = [pytest.mark.slow, pytest.mark.program]
GARBAGE = b"this was a database once\n" * 400
STATUS_FIELD = {
    "metrics.db": "metrics_moved_aside", "state.db": "state_moved_aside", "traces.db": "traces_moved_aside",
}  # fmt: skip
LISTS = ("services", "rules", "decisions", "forecasts", "signals", "traces", "budgets")


@pytest.mark.parametrize("name", STATUS_FIELD)
def test_a_broken_store_is_moved_aside_and_the_rest_goes_on(tmp_path: Path, name: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / name).write_bytes(GARBAGE)
    with running(tmp_path, "up") as program:
        stores = program.api("status")["stores"]
        aside = {field: Path(stores[field]).name for field in STATUS_FIELD.values() if stores[field]}
        assert aside == {STATUS_FIELD[name]: f"{name}.broken-1"}
        assert (data / f"{name}.broken-1").read_bytes() == GARBAGE
        for path in LISTS:
            assert program.api(path) == [], path
        program.until("samples come in", lambda: program.query("node_load1"), seconds=10)
        assert program.end(signal.SIGTERM) == 0, said(program.log)
