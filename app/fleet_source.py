"""A Prometheus that is only looked at, by ``assess`` and ``discover``: gently, and each finished hour only once.

After every answer the server has rest, so that we take no more than a share of its cores; what was read is kept in the
user's cache folder, so that a run that was broken off goes on where it stood.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from prometheus_client import CollectorRegistry

from app.config_file import ConfigFile
from app.settings import read_settings
from app.sources import read_sources
from domain.clock import Clock, to_ms
from domain.errors import ForetideError, QueryLimitError, QuerySourceError, QueryTimeoutError, SettingsError
from domain.labels import Labels
from store.prometheus.client import PrometheusClient
from store.prometheus.config import SourceConfig
from store.prometheus.metrics import SourceMetrics
from store.promql.results import Matrix, QueryLimits, Vector

T = TypeVar("T")
TIMEOUT: Final = timedelta(seconds=60)
SETTLED: Final = timedelta(hours=2)
"""Older data does not change any more: remote write and rule evaluation are late by minutes."""
KEPT: Final = timedelta(days=14)
"""Unused answers are thrown away after it."""
LEAST_SPLIT_MS: Final = 3_600_000
CORES: Final = "max(go_sched_gomaxprocs_threads)"
"""What the server's own Go runtime says; asked for ``job`` prometheus first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How the user says where the server is: an address with its credentials, or a source of foretide.yaml."""

    url: str | None = None
    source: str | None = None
    config: Path | None = None
    token_file: Path | None = None
    username: str | None = None
    password_file: Path | None = None
    tenant: str | None = None
    ca_file: Path | None = None
    insecure: bool = False


def source_of(access: Access, *, working_dir: Path) -> SourceConfig:
    """The source, for one query at a time and with a minute's patience.

    Raises:
        SettingsError: Neither or both are given, an address or a file cannot be used, or no such source is known.
    """
    if (access.url is None) == (access.source is None):
        raise SettingsError("give --prometheus URL, or --source NAME with a foretide.yaml that has it")
    if access.url is not None:
        found = _from_options(access, working_dir)
    else:
        known = read_settings(config=access.config, environment=os.environ, working_dir=working_dir).sources
        named = [one for one in known if one.name == access.source]
        if not named:
            names = ", ".join(one.name for one in known) or "none"
            raise SettingsError(f"--source {access.source}: not a source of foretide.yaml; it has {names}")
        found = named[0]
    return replace(found, timeout=TIMEOUT, max_concurrent=1)


def _from_options(access: Access, folder: Path) -> SourceConfig:
    source: dict[str, object] = {"name": "prometheus", "url": access.url}
    if access.token_file is not None:
        source["authorization"] = {"credentials_file": str(access.token_file)}
    if access.username is not None or access.password_file is not None:
        if access.username is None or access.password_file is None:
            raise SettingsError("--username and --password-file go together")
        source["basic_auth"] = {"username": access.username, "password_file": str(access.password_file)}
    if access.tenant is not None:
        source["tenant"] = access.tenant
    tls: dict[str, object] = {"insecure_skip_verify": access.insecure}
    if access.ca_file is not None:
        tls["ca_file"] = str(access.ca_file)
    source["tls_config"] = tls
    file = ConfigFile.model_validate({"sources": [source]})
    try:
        return read_sources(file, folder=folder, environment={})[0]
    except SettingsError as error:
        raise SettingsError(str(error).replace("sources[0].url", "--prometheus")) from error


def gentle_source(access: Access, *, max_load_percent: float, clock: Clock, keep: bool = True) -> GentleSource:
    """The source, spared: at most so much of its cores; what it answers is kept where ``assess`` finds it again.

    Raises:
        SettingsError: The load is no percentage, or as ``source_of``.
    """
    if not 0 < max_load_percent <= 100:
        raise SettingsError(f"--max-load {max_load_percent:g}: expected percent of the server's cores, above 0 to 100")
    config = source_of(access, working_dir=Path.cwd())
    cache = cache_folder() / "assess" if keep else None
    if cache is not None:
        forget_old(cache, now_seconds=clock.now().timestamp())
    return GentleSource(config, clock=clock, max_load=max_load_percent / 100, cache=cache)


def hint(error: ForetideError, access: Access) -> str:
    """The error, and what can be done: which address it was, or which options give credentials."""
    text = str(error)
    if "403" in text or "401" in text:
        return f"{text}; --token-file, --username with --password-file, --tenant or --source give credentials"
    if isinstance(error, QuerySourceError) and access.url is not None:
        return f"{access.url}: {text.removeprefix('source prometheus: ')}"
    return text


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/foretide``, by default ``~/.cache/foretide``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "foretide"


class GentleSource:
    """Asks a server one query at a time and lets it rest; close it.

    Attributes:
        url: Of the server.
        asked: Queries that the server answered.
        kept: Answers that came from the cache.
        busy_seconds: How long the server took over all, the way included.
    """

    def __init__(
        self,
        config: SourceConfig,
        *,
        clock: Clock,
        max_load: float,
        cache: Path | None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        """Nothing is asked yet.

        Args:
            config: The server.
            clock: Of this machine.
            max_load: Share of the server's cores that we may take, 0 to 1.
            cache: Folder of answers; None keeps none.
            wait: Sleeps.
        """
        self._client = PrometheusClient(
            config, clock=clock, metrics=SourceMetrics(CollectorRegistry()), limits=QueryLimits(max_steps=11_000)
        )
        self.url = config.url
        self._clock, self._wait, self._share = clock, wait, max_load
        self._cache = None if cache is None else cache / _digest(config.url, config.tenant or "")
        self._cores = 1.0
        self.asked, self.kept, self.busy_seconds = 0, 0, 0.0

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    @property
    def cores(self) -> float:
        """Of the server, as far as it says; 1 until ``look`` and where it does not."""
        return self._cores

    def look(self, now_ms: int) -> None:
        """Ask the server how many cores it may use; ``QueryError`` where it cannot be asked at all."""
        for query in (CORES.replace("threads)", 'threads{job=~".*prometheus.*"})'), CORES):
            found = self.instant(query, at_ms=now_ms)
            if len(found.values) and found.values[0] >= 1:
                self._cores = float(found.values[0])
                return

    def instant(self, query: str, *, at_ms: int) -> Vector:
        """An instant vector; errors of the ``QueryError`` branch."""
        result = self._rested(lambda: self._client.instant(query, at_ms=at_ms))
        if isinstance(result, Vector):
            return result
        return Vector(labels=[], timestamp_ms=at_ms, values=np.empty(0))

    def range(self, query: str, *, start_ms: int, end_ms: int, step_ms: int) -> Matrix:
        """From the cache, or asked, in halves where the server finds it too much; errors as above."""
        place = self._place(query, start_ms, end_ms, step_ms)
        if place is not None and (found := _read(place)) is not None:
            self.kept += 1
            return found
        made = self._asked_range(query, start_ms, end_ms, step_ms)
        if place is None:
            return made
        _write(place, made)
        return _read(place) or made

    def _asked_range(self, query: str, start_ms: int, end_ms: int, step_ms: int) -> Matrix:
        try:
            return self._rested(lambda: self._client.range(query, start_ms=start_ms, end_ms=end_ms, step_ms=step_ms))
        except (QueryLimitError, QueryTimeoutError):
            if end_ms - start_ms < 2 * LEAST_SPLIT_MS:
                raise
        steps = (end_ms - start_ms) // step_ms
        middle = start_ms + steps // 2 * step_ms
        left = self._asked_range(query, start_ms, middle, step_ms)
        return joined(left, self._asked_range(query, middle + step_ms, end_ms, step_ms))

    def _rested(self, ask: Callable[[], T]) -> T:
        began = self._clock.monotonic()
        try:
            return ask()
        finally:
            took = self._clock.monotonic() - began
            self.busy_seconds += took
            self.asked += 1
            self._wait(rest_after(took, share=self._share, cores=self._cores))

    def _place(self, query: str, start_ms: int, end_ms: int, step_ms: int) -> Path | None:
        settled = end_ms < to_ms(self._clock.now() - SETTLED)
        if self._cache is None or not settled:
            return None
        return self._cache / f"{_digest(query, str(start_ms), str(end_ms), str(step_ms))}.npz"


def rest_after(took_seconds: float, *, share: float, cores: float) -> float:
    """Pause after an answer: one query keeps one core busy, so that over both we take ``share`` of all ``cores``."""
    return max(took_seconds * (1 / (share * cores) - 1), 0.0)


def joined(left: Matrix, right: Matrix) -> Matrix:
    """Two stretches of one query, one after the other; rows in label order."""
    labels = sorted({*left.labels, *right.labels})
    rows = {own: row for row, own in enumerate(labels)}
    times = np.concatenate([left.timestamps_ms, right.timestamps_ms])
    values = np.full((len(labels), len(times)), np.nan)
    present = np.zeros(values.shape, dtype=np.bool_)
    begin = 0
    for part in (left, right):
        columns = slice(begin, begin + len(part.timestamps_ms))
        into = [rows[own] for own in part.labels]
        values[into, columns], present[into, columns] = part.values, part.present
        begin = columns.stop
    return Matrix(labels=labels, timestamps_ms=times, values=values, present=present)


def forget_old(folder: Path, *, now_seconds: float) -> None:
    """Throw away answers that nobody asked for in two weeks."""
    for file in folder.glob("*/*.npz"):
        if now_seconds - file.stat().st_mtime > KEPT.total_seconds():
            file.unlink(missing_ok=True)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _read(file: Path) -> Matrix | None:
    try:
        with np.load(file) as found:
            labels = [Labels.of(one) for one in json.loads(bytes(found["labels"]).decode())]
            values = found["values"].astype(np.float64)
            times = found["times"]
    except (OSError, ValueError, KeyError, EOFError):
        return None
    os.utime(file)
    return Matrix(labels=labels, timestamps_ms=times, values=values, present=~np.isnan(values))


def _write(file: Path, made: Matrix) -> None:
    """Whole or not at all; single precision (7 figures) is more than a load needs, and half the space."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    labels = np.frombuffer(json.dumps([dict(own) for own in made.labels]).encode(), dtype=np.uint8)
    values = np.where(made.present, made.values, np.nan).astype(np.float32)
    partial = file.with_suffix(f".{os.getpid()}.tmp")
    with partial.open("wb") as out:
        np.savez_compressed(out, labels=labels, values=values, times=made.timestamps_ms)
    partial.replace(file)
