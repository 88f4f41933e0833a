"""What it costs to say what a day cost: 1,000 nodes, 30,000 pods, usage at every minute.

``python -m benchmarks.cost [-o json]``. The cluster is made, by a fixed seed (``cost_day``), and stands as arrays in a
file that is read as the allocation goes, node by node, as from a store. CPU and peak memory are those of a process of
its own, which reads, allocates and reports by namespace, by owner and by pod, each with idle shared.

``--only outlook --data DIR`` measures how often what a week or a month came to lay in its band (``cost_outlook``).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.command import data_folder, options, run
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
    parser = options("cost", __doc__)
    parser.add_argument("--only", choices=("allocation", "outlook"), default="allocation", help="which rows")
    asked = parser.parse_args()
    if asked.only == "allocation":
        return run("cost", measure, output=asked.output)
    from benchmarks import cost_outlook  # loads the forecaster, which no allocation needs

    data = data_folder(parser, asked, holds="m4/ and traces/")
    return run("cost", lambda: cost_outlook.rows(data), output=asked.output)


if __name__ == "__main__":
    sys.exit(main())
