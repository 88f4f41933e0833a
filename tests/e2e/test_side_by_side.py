"""Two instances on one machine, and the way the second one ends."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.e2e.program import Program, refusal, running, said

pytestmark = [pytest.mark.slow, pytest.mark.program]


def targets(program: Program) -> set[str]:
    """Addresses of the demo's processes that it scrapes with success."""
    found = program.api("status")["targets"]
    return {one["instance"] for one in found if one["job"] in ("shop", "edge") and one["health"] == "up"}


def test_two_instances_run_side_by_side_and_ctrl_c_ends_one(demo: Program, tmp_path: Path) -> None:
    with running(tmp_path) as second:
        second.until("the second one scrapes its own shop", lambda: len(targets(second)) >= 3, seconds=10)
        assert targets(second).isdisjoint(targets(demo))
        assert {one["metric"]["instance"] for one in second.query('up{job="shop"}')} <= targets(second)
        # Ctrl-C reaches every process of the terminal's foreground group; the children are not in it.
        assert second.end(signal.SIGINT) == 0, said(second.log)
        second.wait_gone()
        assert "Traceback" not in second.log.read_text()
    assert demo.get("/readyz").status == 200
    demo.until("the first one goes on", lambda: len(targets(demo)) >= 3, seconds=10)


def test_a_port_in_use_is_a_sentence(demo: Program, tmp_path: Path) -> None:
    code, said_why = refusal(tmp_path, "up", FORETIDE_PORT=str(demo.port), FORETIDE_DATA_DIR=str(tmp_path / "data"))
    assert code == 2
    assert said_why == (
        f"foretide: 127.0.0.1:{demo.port} is in use by another program; set FORETIDE_PORT to another port\n"
    )


def test_a_data_folder_of_another_foretide_is_a_sentence(demo: Program, tmp_path: Path) -> None:
    code, said_why = refusal(tmp_path, "up", FORETIDE_PORT="0", FORETIDE_DATA_DIR=str(demo.data))
    assert code == 2
    assert str(demo.data) in said_why.splitlines()[-1]
    assert "Traceback" not in said_why
    assert demo.get("/readyz").status == 200


def test_an_unwritable_data_folder_is_a_sentence(tmp_path: Path) -> None:
    """Below a regular file: there nobody can make a folder, not even root."""
    (tmp_path / "file").write_text("no folder")
    code, said_why = refusal(tmp_path, "up", FORETIDE_PORT="0", FORETIDE_DATA_DIR=str(tmp_path / "file" / "data"))
    assert code == 2
    assert said_why == (
        f"foretide: data folder {tmp_path}/file/data: Not a directory; "
        "it must be writable (FORETIDE_DATA_DIR names another)\n"
    )


def test_a_configuration_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    code, said_why = refusal(tmp_path, "up", "--config", "nosuch.yaml", FORETIDE_PORT="0")
    assert code == 2
    assert said_why == "foretide: nosuch.yaml: cannot be read: No such file or directory\n"
