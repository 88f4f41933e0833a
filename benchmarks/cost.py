"""What it costs to say what a day cost: 1,000 nodes, 30,000 pods, usage at every minute.

``python -m benchmarks.cost [-o json]``. The cluster is made, by a fixed seed (``cost_day``), and stands as arrays in a
file that is read as the allocation goes, node by node, as from a store. CPU and peak memory are those of a process of
its own, which reads, allocates and reports by namespace, by owner and by pod, each with idle shared.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.command import options, run
from benchmarks.cost_day import write
from benchmarks.report import NotMeasuredError, Row


def measure() -> Sequence[Row]:
    """The rows."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.cost_day", folder], capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise NotMeasuredError(f"the allocation ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    found = json.loads(done.stdout)
    return [
        Row(metric="allocation_cpu_s", ours=found["cpu_s"], unit="s", direction="<=", must=40, goal=20),
        Row(metric="allocation_rss_mb", ours=found["rss_mb"], unit="MiB", direction="<=", must=1200, goal=800),
        Row(metric="allocation_error", ours=found["error"], unit="relative", direction="<=", must=1e-9),
    ]


def main() -> int:
    """Measure and print."""
    asked = options("cost", __doc__, recordings=False).parse_args()
    return run("cost", measure, output=asked.output)


if __name__ == "__main__":
    sys.exit(main())
