from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from domain.errors import StoreError
from domain.labels import Labels
from store.metrics import MetricsStore
from store.metrics.database import Database

RETENTION = timedelta(days=15)
ALWAYS = (0, 10**15)
_OPEN = """
import sys
from datetime import timedelta
from pathlib import Path
from store.metrics import MetricsStore
MetricsStore.open(Path(sys.argv[1]), retention=timedelta(days=1))
"""


def write_some(path: Path) -> None:
    store = MetricsStore.open(path, retention=RETENTION)
    labels = tuple(Labels.of(job="a", n=str(n)) for n in range(100))
    for step in range(200):
        store.append(labels, step * 1000, np.arange(100.0))
    store.close()


def test_a_second_opener_is_told_who_has_the_store(tmp_path: Path) -> None:
    path = tmp_path / "metrics.db"
    store = MetricsStore.open(path, retention=RETENTION)
    with pytest.raises(StoreError, match=rf"in use by another process \(pid {os.getpid()}\)"):
        MetricsStore.open(path, retention=RETENTION)
    program = (
        "import sys; from datetime import timedelta; from pathlib import Path; from store.metrics import MetricsStore;"
        "MetricsStore.open(Path(sys.argv[1]), retention=timedelta(days=1))"
    )
    root = Path(__file__).parents[3]
    other = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, cwd=root)
    assert "StoreError: the metrics store" in other.stderr
    store.append([Labels.of(job="a")], 1000, np.array([1.0]))
    store.close()
    MetricsStore.open(path, retention=RETENTION).close()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=f"data folder {tmp_path}/file/data: .*choose another data folder"):
        MetricsStore.open(tmp_path / "file" / "data" / "metrics.db", retention=RETENTION)


def test_a_read_only_folder_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    # Root may write everywhere by a capability, so as root the store is opened by a child that has none.
    powerless = ["setpriv", "--bounding-set=-all"] if os.geteuid() == 0 else []
    command = [*powerless, sys.executable, "-c", _OPEN, str(tmp_path / "metrics.db")]
    child = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, timeout=60)
    assert child.returncode == 1
    assert f"StoreError: cannot write in the data folder {tmp_path}: Permission denied" in child.stderr


def test_garbage_is_moved_aside_and_the_rest_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "metrics.db"
    for n in (1, 2):
        path.write_bytes(b"no database " * 1000)
        store = MetricsStore.open(path, retention=RETENTION)
        assert store.stats().quarantined == str(tmp_path / f"metrics.db.broken-{n}")
        assert (tmp_path / f"metrics.db.broken-{n}").read_bytes().startswith(b"no database")
        store.append([Labels.of(job="a")], 1000, np.array([1.0]))
        store.close()
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    store = MetricsStore.open(path, retention=RETENTION)
    assert store.stats().quarantined == ""
    assert len(store.select([], *ALWAYS)) == 1
    store.close()


def test_a_damaged_page_is_found_after_an_unclean_stop(tmp_path: Path) -> None:
    path, copy = tmp_path / "metrics.db", tmp_path / "copy" / "metrics.db"
    copy.parent.mkdir()
    write_some(path)
    store = MetricsStore.open(path, retention=RETENTION)
    store.append_durably([([Labels.of(job="a")], 10**6, np.array([1.0]))]).result(5)
    for side in ("", "-wal"):  # what a crash leaves: the log is still there
        shutil.copy(f"{path}{side}", f"{copy}{side}")
    store.close()
    with copy.open("r+b") as file:
        file.seek(4096 * 10)
        file.write(b"\xff" * 4096 * 3)
    store = MetricsStore.open(copy, retention=RETENTION)
    assert store.stats().quarantined == f"{copy}.broken-1"
    assert store.select([], *ALWAYS) == []
    store.close()


@pytest.mark.parametrize(
    "damage",
    [
        "update layout set series_ids = x'010203'",
        "update journal set vals = x'00'",
        "update series set labels_json = 'no json'",
        "update layout set series_ids = x'ffffff7f'",
    ],
)
def test_contents_that_contradict_themselves_are_moved_aside(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "metrics.db"
    write_some(path)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(damage)
    connection.close()
    store = MetricsStore.open(path, retention=RETENTION)
    assert store.stats().quarantined.endswith(".broken-1")
    store.close()


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "metrics.db"
    write_some(path)
    connection = sqlite3.connect(path)
    connection.execute("pragma user_version = 7")
    connection.close()
    with pytest.raises(StoreError, match="schema version 7, written by a newer Foretide"):
        MetricsStore.open(path, retention=RETENTION)
    assert path.exists()


def test_a_database_of_somebody_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "metrics.db"
    connection = sqlite3.connect(path)
    connection.execute("create table theirs (x)")
    connection.close()
    with pytest.raises(StoreError, match="no metrics store"):
        MetricsStore.open(path, retention=RETENTION)
    assert path.exists()


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "metrics.db")
    with pytest.raises(ZeroDivisionError), database.transaction() as connection:
        connection.execute("insert into series values (1, '[]', x'00')")
        _ = 1 / 0
    with database.reading() as connection:
        assert connection.execute("select count(*) from series").fetchone() == (0,)
    database.close()
    database.close()
    with pytest.raises(StoreError, match="closed"), database.reading():
        pass
