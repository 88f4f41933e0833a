"""Hours of one Foretide, pass by pass, with replicas that follow load and bounds as an HPA would have them.

``python -m benchmarks.cluster_day_child FOLDER FLEET``, like ``cluster_pass_child``. The real HPA goes by real seconds,
of which these hours have few: in its place an administrator sets each Deployment to what load and bounds ask for,
within its tolerance and its five minutes of stabilisation.
"""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice
from math import ceil
from pathlib import Path
from typing import Any, Final

import numpy as np

from app.system_clock import SystemClock
from benchmarks.cluster_day import BEFORE, PASSES, day
from benchmarks.cluster_fleet import LOW, PER_REPLICA, settled
from benchmarks.cluster_pass_child import Program, Told, rest
from domain.series import FloatArray
from kube import Access, Writer, connect
from kube.kinds import DEPLOYMENT, HPA
from tests.cluster.credentials import CONTEXT

_CALM_LOAD: Final = 15.0
_TOLERANCE: Final = 0.1
_STABLE_PASSES: Final = 20


class Autoscalers:
    """Moves Deployments where it has to."""

    def __init__(self, program: Program, *, admin: Path, namespace: str, names: Sequence[str]) -> None:
        connection = connect(Access(kubeconfig=admin, context=CONTEXT), clock=SystemClock())
        self._writer = Writer(connection, "hpa", qps=1000.0, burst=1000)
        self._program, self._namespace, self._names = program, namespace, names
        self._replicas = dict.fromkeys(names, LOW)
        self._wanted = {name: deque[int](maxlen=_STABLE_PASSES) for name in names}

    def follow(self, loads: FloatArray) -> None:
        """One sync of all."""
        for name, load in zip(self._names, loads.tolist(), strict=True):
            replicas = self._replicas[name]
            near = abs(load / (PER_REPLICA * replicas) - 1.0) <= _TOLERANCE
            self._wanted[name].append(replicas if near else ceil(load / PER_REPLICA))
            found = self._program.parts._view.autoscaler(HPA.kind, self._namespace, name)
            if found is None:
                raise SystemExit(f"the HPA {name} is not seen")
            highest = max(self._wanted[name]) if self._wanted[name][-1] < replicas else self._wanted[name][-1]
            wanted = min(max(min(highest, max(replicas, self._wanted[name][-1])), found.limits.low), found.limits.high)
            if wanted != replicas:
                self._set(name, wanted)

    def _set(self, name: str, replicas: int) -> None:
        self._replicas[name] = replicas
        self._writer.patch_merge(DEPLOYMENT, self._namespace, name, {"spec": {"replicas": replicas}})
        status = {"status": settled(replicas)}
        self._writer.patch_merge(DEPLOYMENT, self._namespace, name, status, subresource="status")


def main(arguments: Sequence[str]) -> int:
    """Run it; the exit code."""
    folder, told = arguments
    given: Mapping[str, Any] = json.loads(told)
    names = given["names"]
    program = Program(Path(folder), names)
    rest(program, np.full(len(names), _CALM_LOAD))
    following = Autoscalers(program, admin=Path(given["admin"]), namespace=given["namespace"], names=names)
    loads = day(len(names))
    for what, passes in (("before", BEFORE), ("day", PASSES)):
        with Told(what):
            for one in islice(loads, passes):
                following.follow(one)
                program.tick(one)
            program.settle()
    program.house.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
