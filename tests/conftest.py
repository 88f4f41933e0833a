"""What tests of several packages share: the time, a registry, real servers."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from prometheus_client import CollectorRegistry

from tests.cluster import control_plane
from tests.cluster.build import NoClusterError
from tests.cluster.control_plane import Cluster
from tests.fakes.clock import ManualClock
from tests.provide import postgresql

# How long an example takes depends on who else uses the machine; slowness is a benchmark's matter, not a test's.
settings.register_profile("foretide", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("foretide")


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.fixture
def clock(now: datetime) -> ManualClock:
    return ManualClock(now)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server of our own on loopback, gone after the tests."""
    binaries = postgresql()
    assert binaries, "PostgreSQL is missing: run `make test`, which installs it"
    # PostgreSQL refuses to run as root: the cluster then belongs to the package's own user.
    as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="foretide-postgres-"))
    if as_user:
        os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
    data = folder / "data"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories= -c fsync=off"
    environment = {**os.environ, "LC_ALL": "C"}

    def run(*command: str) -> None:
        subprocess.run([*as_user, *command], check=True, env=environment, cwd=folder, stdout=subprocess.DEVNULL)

    run(f"{binaries}/initdb", "-D", str(data), "-U", "foretide", "--auth=trust", "-E", "UTF8", "--no-sync")
    run(f"{binaries}/pg_ctl", "-D", str(data), "-o", options, "-l", str(folder / "log"), "-w", "start")
    try:
        yield f"postgresql+psycopg://foretide@127.0.0.1:{port}/postgres"
    finally:
        run(f"{binaries}/pg_ctl", "-D", str(data), "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Marks what asks for the cluster before `-m` chooses; sorts what was chosen for the workers of pytest-xdist."""
    for item in items:
        if "cluster" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.slow)
    yield
    if workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):
        items[:] = shares(items, workers=workers)


def shares(items: list[pytest.Item], *, workers: int) -> list[pytest.Item]:
    """One run of items per worker, its share of the slow ones first: what is quick fills the gaps at the end.

    `--dist worksteal` deals out runs of equal length, and whoever is done takes half of another's rest. With the slow
    ones together one worker stood idle for the last 3 of 11 minutes.
    """
    slow = [item for item in items if item.get_closest_marker("slow")]
    quick = [item for item in items if not item.get_closest_marker("slow")]
    cuts = [len(items) * worker // workers for worker in range(workers + 1)]
    shared = list[pytest.Item]()
    for worker in range(workers):
        own = slow[worker::workers]
        wanted = max(0, cuts[worker + 1] - cuts[worker] - len(own))
        shared += own + quick[:wanted]
        del quick[:wanted]
    return shared + quick


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """One real Kubernetes for all tests of a run, each in namespaces of its own; see tests/cluster."""
    if own := os.environ.get("FORETIDE_TEST_KUBECONFIG"):
        from tests.cluster.foreign import ForeignCluster  # loads the package kubernetes: 0.6 s and 70 MB

        with ForeignCluster(Path(own)) as foreign:
            yield foreign  # type: ignore[misc]  # the same face, as far as it goes
        return
    try:
        with control_plane.started() as cluster:
            yield cluster
    except NoClusterError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
