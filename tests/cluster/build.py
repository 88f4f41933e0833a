"""`python -m tests.cluster.build`: Kubernetes' API server and controllers, etcd, kwok, Prometheus 3: pinned Go modules.

Each module of ``tools/`` is built once into ``~/.cache/foretide/cluster/NAME-HASH``; the hash covers its files and the
build's flags. It is built aside and renamed, below a lock: two callers get one build, and a killed one leaves none.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

TOOLS: Final = Path(__file__).parent / "tools"
VERSION: Final = "v1.36.2"
"""An unstamped API server calls itself v0.0.0-master, which clients that read /version refuse."""
_STAMP: Final = "k8s.io/component-base/version"
_FLAGS: Final = ("-mod=readonly", "-trimpath", "-buildvcs=false", "-p=2")
_LEFT_OUT: Final = "the tests on a real Kubernetes API server (mark `cluster`) are left out"


class NoClusterError(Exception):
    """There is no Kubernetes to test with; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One Go module, the packages built from it, and under which names."""

    module: str
    programs: tuple[tuple[str, str], ...]
    linked: str = "-s -w"
    tags: tuple[str, ...] = ()

    def folder(self) -> Path:
        """Where its programs stand once they are built."""
        return _cache() / f"{self.module}-{self._hash()}"

    def flags(self) -> tuple[str, ...]:
        """What only this module is built with."""
        return ("-tags", ",".join(self.tags)) if self.tags else ()

    def _hash(self) -> str:
        flags = (*_FLAGS, *self.flags())
        told = hashlib.sha256(repr((self.programs, self.linked, flags, os.uname().machine, sys.platform)).encode())
        for path in sorted((TOOLS / self.module).iterdir()):
            told.update(path.name.encode() + path.read_bytes())
        return told.hexdigest()[:16]


BUILT: Final = (
    Tool(module="certificates", programs=((".", "certificates"),)),
    Tool(module="etcd", programs=(("go.etcd.io/etcd/server/v3", "etcd"),)),
    Tool(module="kwok", programs=(("sigs.k8s.io/kwok/cmd/kwok", "kwok"),)),
    Tool(  # Debian's 2.42 closes its ranges on the left; without the clouds' discovery it is a third smaller
        module="prometheus",
        programs=(
            ("github.com/prometheus/prometheus/cmd/prometheus", "prometheus"),
            ("github.com/prometheus/prometheus/cmd/promtool", "promtool"),
        ),
        linked="-s -w -X github.com/prometheus/common/version.Version=3.14.0",
        tags=("remove_all_sd",),
    ),
    Tool(
        module="kubernetes",
        programs=(
            ("k8s.io/kubernetes/cmd/kube-apiserver", "kube-apiserver"),
            ("k8s.io/kubernetes/cmd/kube-controller-manager", "kube-controller-manager"),
        ),
        linked=f"-s -w -X {_STAMP}.gitVersion={VERSION} -X {_STAMP}.gitMajor=1 -X {_STAMP}.gitMinor=36"
        f" -X {_STAMP}.gitTreeState=clean",
    ),
)


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "foretide" / "cluster"


@cache
def programs() -> dict[str, Path]:
    """Every program of the cluster by its name, built where it is missing.

    Raises:
        NoClusterError: There is no Go to build them with, or a build failed.
    """
    for tool in BUILT:
        _provide(tool)
    return {name: tool.folder() / name for tool in BUILT for _, name in tool.programs}


def _provide(tool: Tool) -> None:
    if tool.folder().is_dir():
        return
    _require_go()
    with _locked():
        if not tool.folder().is_dir():  # another caller may have built it while we waited
            _build(tool)


def _build(tool: Tool) -> None:
    print(f"make: building the test cluster's {tool.module}; the first time takes minutes", flush=True)
    with tempfile.TemporaryDirectory(dir=_cache()) as aside:
        made = Path(aside) / "made"
        made.mkdir()
        for package, name in tool.programs:
            _go_build(tool, package, made / name)
        made.rename(tool.folder())


def _go_build(tool: Tool, package: str, to: Path) -> None:
    command = ["go", "build", *_FLAGS, *tool.flags(), "-ldflags", tool.linked, "-o", str(to), package]
    done = subprocess.run(command, cwd=TOOLS / tool.module, env=_environment(), capture_output=True, text=True)
    if done.returncode:
        raise NoClusterError(f"'{' '.join(command)}' failed in {tool.module}:\n{done.stderr[-4000:]}")


def _require_go() -> None:
    wanted = re.search(r"^go (1\.(\d+)\S*)$", (TOOLS / "kubernetes/go.mod").read_text(), re.MULTILINE)
    assert wanted, "tools/kubernetes/go.mod names the Go that it needs"
    if not shutil.which("go"):
        raise NoClusterError(f"Go {wanted[1]} or newer is needed to build Kubernetes' API server, and there is no Go")
    told = subprocess.run(["go", "env", "GOVERSION"], env=_environment(), capture_output=True, text=True).stdout.strip()
    found = re.match(r"go1\.(\d+)", told)
    if not found or int(found[1]) < int(wanted[2]):
        raise NoClusterError(f"Go {wanted[1]} or newer is needed to build Kubernetes' API server; here is {told}")


def _environment() -> dict[str, str]:
    """Go's, without what a machine's own settings would change in the build."""
    return {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off"}


@contextmanager
def _locked() -> Iterator[None]:
    _cache().mkdir(parents=True, exist_ok=True)
    with (_cache() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # ends with the process that holds it
        yield


def main() -> None:
    """Build what is missing; in CI a cluster that cannot be built is an error."""
    if os.environ.get("FORETIDE_TEST_KUBECONFIG"):
        print("make: the tests use the cluster of FORETIDE_TEST_KUBECONFIG; none is built")
        return
    try:
        programs()
    except NoClusterError as error:
        if os.environ.get("CI") == "true":
            sys.exit(f"make: {error}")
        print(f"make: {error}; {_LEFT_OUT}", flush=True)


if __name__ == "__main__":
    main()
