"""The command line."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from tests.app.world import rule_text

FORETIDE = [sys.executable, "-c", "from app.cli import main; main()"]
ROOT = Path(__file__).parents[2]


def run(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FORETIDE_")}
    return subprocess.run(
        [*FORETIDE, *arguments], capture_output=True, text=True, timeout=60, cwd=cwd,
        env={**clean, "PYTHONPATH": str(ROOT), "COLUMNS": "80", **environment},
    )  # fmt: skip


def test_help_is_short_and_whole() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "..." not in done.stdout.replace("[ARGS]...", "")
    for command in ("up", "check", "test", "explain", "forecast", "backtest", "reap", "restore", "freeze"):
        assert f"\n  {command} " in done.stdout


@pytest.mark.parametrize(
    "command", ["up", "check", "test", "explain", "forecast", "backtest", "reap", "restore", "freeze"]
)
def test_help_of_a_command(command: str) -> None:
    done = run(command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Show this message" in done.stdout


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, json, app.cli; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    heavy = {"numpy", "fastapi", "pydantic", "sqlalchemy", "dash", "plotly", "uvicorn", "aiohttp", "rich", "yaml"}
    assert heavy.isdisjoint(json.loads(done.stdout))


def test_version() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"foretide {metadata.version('foretide')}\n")


def test_no_command_shows_the_help() -> None:
    done = run()
    assert done.returncode == 2
    assert "Commands:" in done.stdout + done.stderr


def test_check_says_what_it_found(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(f"{rule_text()}---{rule_text('cart')}")
    done = run("check", str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok: 2 rules\n", "")


def test_check_of_an_empty_folder_finds_nothing(tmp_path: Path) -> None:
    assert run("check", str(tmp_path)).stdout == "ok: no documents\n"


def test_check_tells_every_mistake_with_its_place(tmp_path: Path) -> None:
    wrong = rule_text().replace("replicas:", "replica:").replace("perReplica: 10", "perReplica: -1")
    (tmp_path / "rules.yaml").write_text(wrong)
    done = run("check", "rules.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "rules.yaml:7:3" in done.stderr
    assert "rules.yaml:9:" in done.stderr
    assert "mistakes" in done.stderr


def test_check_of_a_bad_query_names_it(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(rule_text().replace("sum(rate(", "summe(rate("))
    done = run("check", str(tmp_path))
    assert done.returncode == 1
    assert "summe" in done.stderr


def test_check_of_a_path_that_is_not_there(tmp_path: Path) -> None:
    done = run("check", str(tmp_path), str(tmp_path / "none.yaml"))
    assert done.returncode == 2
    assert done.stderr == f"foretide: {tmp_path / 'none.yaml'}: no such file or folder\n"


def test_up_refuses_two_configurations() -> None:
    done = run("up", "--demo", "--config", "x.yaml")
    assert done.returncode == 2
    assert "leave out" in done.stderr


def taken_port() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def test_up_ends_with_a_sentence_and_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with taken_port() as taken:
        port = str(taken.getsockname()[1])
        cases = {
            "is in use by another program; set FORETIDE_PORT": run("up", cwd=tmp_path, FORETIDE_PORT=port),
            "it must be writable": run("up", cwd=tmp_path, FORETIDE_PORT="0", FORETIDE_DATA_DIR="file"),
        }
    for sentence, done in cases.items():
        assert done.returncode == 2, done.stderr
        assert sentence in done.stderr
        assert done.stderr.startswith("foretide: ")
        assert "Traceback" not in done.stderr


def test_up_runs_until_ctrl_c(tmp_path: Path) -> None:
    environment = {**os.environ, "FORETIDE_PORT": "0", "FORETIDE_LOG_FORMAT": "text", "PYTHONPATH": str(ROOT)}
    command = [*FORETIDE, "up", "--end-with-parent"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as program:
        assert program.stderr is not None
        lines = []
        for line in program.stderr:
            lines.append(line)
            if "foretide runs" in line:
                program.send_signal(signal.SIGINT)
        assert program.wait(10) == 0
    assert "foretide has stopped" in lines[-1]
    assert not any("Traceback" in line for line in lines)
    assert any(line.startswith("Foretide: http://127.0.0.1:") for line in lines)


def test_check_reads_prometheus_rule_files_and_its_warnings_can_be_fatal(tmp_path: Path) -> None:
    rules = tmp_path / "web.yml"
    rules.write_text("groups:\n- {name: g, rules: [{record: a, expr: up}, {alert: Down, expr: up == 0}]}\n")
    assert run("check", str(tmp_path)).stdout == "ok: 2 alerting or recording rules in 1 group\n"
    rules.write_text("groups:\n- {name: g, rules: [{record: a, expr: max(a)}]}\n")
    assert run("check", str(rules)).returncode == 0
    fatal = run("check", str(rules), "--lint-fatal")
    assert (fatal.returncode, "recording rules in a cycle: a reads a" in fatal.stderr) == (3, True)
    rules.write_text("groups:\n- {name: g, rules: [{alert: Down, expr: 'sum('}]}\n")
    broken = run("check", str(rules))
    assert (broken.returncode, "web.yml:2:41: groups[0].rules[0].expr: parse error" in broken.stderr) == (1, True)
