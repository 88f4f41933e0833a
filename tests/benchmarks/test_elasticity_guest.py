"""The guest benchmark's Prometheus: waited for until it is ready, and told at once when it is not going to be."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import elasticity_guest
from benchmarks.report import NotMeasuredError


def test_a_prometheus_that_ends_is_told_with_its_log(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("no such flag")
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait(30)
        with pytest.raises(NotMeasuredError, match="no such flag"):
            elasticity_guest.until_ready(process, 1, tmp_path / "log")


def test_waiting_ends_when_prometheus_says_that_it_is_ready(tmp_path: Path) -> None:
    server = (
        "import http.server as h\n"
        "class A(h.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        A.asked = getattr(A, 'asked', 0) + 1\n"
        "        self.send_response(200 if A.asked > 2 and self.path == '/-/ready' else 503)\n"
        "        self.end_headers()\n"
        "s = h.HTTPServer(('127.0.0.1', 0), A)\n"
        "print(s.server_address[1], flush=True)\n"
        "s.serve_forever()\n"
    )
    command = [sys.executable, "-c", server]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        elasticity_guest.until_ready(process, int(process.stdout.readline()), tmp_path / "log")
        process.terminate()
