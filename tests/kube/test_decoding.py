from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MANY_FIRST_DECODES = """
import sys, threading
from kube.decoding import decoded
from kube.kinds import HPA
sys.setswitchinterval(1e-6)  # what a busy machine does now and then
raw = b'{"metadata":{"name":"a"},"spec":{"maxReplicas":3,"scaleTargetRef":{"kind":"K","name":"n"}}}'
began, found = threading.Barrier(24), []

def decode():
    began.wait()
    found.append(decoded(raw, HPA.type).spec.max_replicas)

threads = [threading.Thread(target=decode) for _ in range(24)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert found == [3] * 24
"""


def test_many_threads_may_decode_into_a_type_for_the_first_time_at_once() -> None:
    """In a process of its own: it ended with SIGSEGV, six times of ten, before each decoder was made by one thread."""
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", MANY_FIRST_DECODES], cwd=ROOT, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
