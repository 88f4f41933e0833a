"""What a pass over 2,000 rules costs, and that nothing is written where nothing changed.

The program runs in a process of its own (``cluster_pass_child``), its limits raised by settings, so that neither the
ration of changes nor the rate of writes holds a change back; that 200 of them were made is read from the HPAs.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from benchmarks.cluster_fleet import LOW, Fleet, fleet
from benchmarks.program import ROOT
from benchmarks.report import NotMeasuredError, Row
from tests.cluster.control_plane import Cluster

RULES: Final = 2_000
CHANGED: Final = 200
LEASES: Final = "leases"
"""Renewed as long as the program lives, whatever it decides: no write of a pass."""
Told = dict[str, Any]


def pass_rows(cluster: Cluster) -> list[Row]:
    """One pass with 200 changed bounds, and the writes of passes without."""
    with fleet(cluster, size=RULES) as made, tempfile.TemporaryDirectory(prefix="foretide-pass-") as folder:
        made.config(Path(folder) / "home", documents=False)
        told = {one["what"]: one for one in run("cluster_pass_child", Path(folder) / "home", made)}
        raised = sum(low > LOW for low, _ in made.bounds().values())
        writes = {what: writes_of(made, one) for what, one in told.items()}
    print(f"benchmarks.cluster: writes {writes}, raised {raised}", file=sys.stderr)
    if raised != CHANGED or writes["pass"].get("horizontalpodautoscalers") != CHANGED:
        raise NotMeasuredError(f"{raised} of {CHANGED} floors were raised, by {writes['pass']}")
    done = told["pass"]
    idle = sum(writes["second"].values()) + sum(writes["quiet"].values())
    return [
        Row(metric="pass_2000_s", ours=round(done["seconds"], 2), unit="s", direction="<=", must=20, goal=12),
        Row(metric="pass_2000_cpu_s", ours=round(done["cpu_seconds"], 2), unit="s", direction="<=", must=8, goal=4),
        Row(metric="idle_writes", ours=idle, unit="writes", direction="<=", must=0, goal=0),
    ]


def run(program: str, home: Path, made: Fleet) -> list[Told]:
    """What a program of ours told, line by line."""
    admin = str(made.cluster.kubeconfig())
    given = json.dumps({"names": made.names, "namespace": made.namespace, "admin": admin})
    command = [sys.executable, "-X", "faulthandler", "-m", f"benchmarks.{program}", str(home), given]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise NotMeasuredError(f"{program}: {done.stderr[-2000:]}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def writes_of(made: Fleet, one: Told) -> dict[str, int]:
    """By resource, without the Lease."""
    found = made.writes(datetime.fromisoformat(one["since"]), datetime.fromisoformat(one["until"]))
    return {resource: count for resource, count in found.items() if resource != LEASES}
