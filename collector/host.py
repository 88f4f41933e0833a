"""Reads the host that Foretide runs on, under node_exporter's names: there is always something real to see.

A virtual target: ``tick`` appends one page, as a scrape of a node_exporter would (job ``node``, instance the host's
name). A part that the system does not tell (disks in a container) is left out.
"""

from __future__ import annotations

import logging
import platform
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import psutil

from collector.staleness import Appender, Shown
from collector.targets import Health, TargetStatus
from domain import names
from domain.clock import Clock, from_ms, to_ms
from domain.errors import ForetideError
from domain.labels import METRIC_NAME, Labels

logger = logging.getLogger(__name__)

INTERVAL: Final = timedelta(seconds=15)
"""How often ``tick`` should be called: the usual interval of a node_exporter job, some 5 ms of work each."""
JOB: Final = "node"

_CPU_MODES: Final = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_Measured = Iterator[tuple[str, dict[str, str], float]]


class HostExporter:
    """Reads this host and appends what it reads."""

    def __init__(self, *, store: Appender, clock: Clock, instance: str = "") -> None:
        """``instance`` is the label of that name; the host's name where it is empty."""
        self._store, self._clock = store, clock
        self._target = {names.JOB: JOB, names.INSTANCE: instance or platform.node() or "localhost"}
        self._labels: dict[tuple[str, ...], Labels] = {}
        self._shown = Shown()
        self._status = self._new_status(Health.UNKNOWN, "", None, 0.0, 0)

    @property
    def status(self) -> TargetStatus:
        """How the last tick went, in the form of a target."""
        return self._status

    def tick(self, now: datetime) -> None:
        """Append the state of the host as of ``now``; what cannot be stored is logged, never raised."""
        started = self._clock.monotonic()
        measured = [sample for read in _READERS for sample in _tolerant(read)]
        measured.append(("node_time_seconds", {}, now.timestamp()))
        count, duration = len(measured), self._clock.monotonic() - started
        measured += [
            (names.UP, {}, 1.0),
            (names.SCRAPE_DURATION_SECONDS, {}, duration),
            (names.SCRAPE_SAMPLES_SCRAPED, {}, count),
        ]
        labels = tuple(self._labels_of(name, own) for name, own, _ in measured)
        if labels == self._shown.labels:
            labels = self._shown.labels  # the same object tells the store that the layout is the same
        error, values = "", np.array([value for *_, value in measured])
        try:
            self._shown.append(self._store, labels, to_ms(now), values)
        except ForetideError as failure:
            error = str(failure)
            logger.warning("host metrics not stored", extra={"error": error})
        self._status = self._new_status(Health.DOWN if error else Health.UP, error, now, duration, count)

    def _labels_of(self, name: str, own: dict[str, str]) -> Labels:
        key = (name, *own.values())
        labels = self._labels.get(key)
        if labels is None:
            labels = self._labels[key] = Labels.of({METRIC_NAME: name, **own, **self._target})
        return labels

    def _new_status(
        self, health: Health, error: str, now: datetime | None, duration_seconds: float, samples: int
    ) -> TargetStatus:
        return TargetStatus(
            job=JOB,
            instance=self._target[names.INSTANCE],
            labels=Labels.of(self._target),
            scrape_url="",
            health=health,
            last_error=error,
            last_scrape=from_ms(to_ms(now)) if now else None,
            last_scrape_duration_seconds=duration_seconds,
            scrape_interval=INTERVAL,
            scrape_timeout=INTERVAL,
            samples_scraped=samples,
        )


def _tolerant(read: Callable[[], _Measured]) -> _Measured:
    """What a reader tells until the system refuses."""
    try:
        yield from read()
    except (OSError, psutil.Error, AttributeError, NotImplementedError) as error:
        logger.debug("part of the host cannot be read", extra={"reader": read.__name__, "error": str(error)})


def _cpu() -> _Measured:
    for number, times in enumerate(psutil.cpu_times(percpu=True)):
        for mode in _CPU_MODES:
            if hasattr(times, mode):
                yield "node_cpu_seconds_total", {"cpu": str(number), "mode": mode}, getattr(times, mode)
    stats = psutil.cpu_stats()
    yield "node_context_switches_total", {}, stats.ctx_switches
    yield "node_intr_total", {}, stats.interrupts


def _load() -> _Measured:
    for name, value in zip(("node_load1", "node_load5", "node_load15"), psutil.getloadavg(), strict=True):
        yield name, {}, value


def _memory() -> _Measured:
    memory = psutil.virtual_memory()
    yield "node_memory_MemTotal_bytes", {}, memory.total
    yield "node_memory_MemAvailable_bytes", {}, memory.available
    yield "node_memory_MemFree_bytes", {}, memory.free
    for attribute, name in (("buffers", "Buffers"), ("cached", "Cached")):
        if hasattr(memory, attribute):
            yield f"node_memory_{name}_bytes", {}, getattr(memory, attribute)
    swap = psutil.swap_memory()
    yield "node_memory_SwapTotal_bytes", {}, swap.total
    yield "node_memory_SwapFree_bytes", {}, swap.free


def _network() -> _Measured:
    for device, counted in psutil.net_io_counters(pernic=True).items():
        label = {"device": device}
        yield "node_network_receive_bytes_total", label, counted.bytes_recv
        yield "node_network_transmit_bytes_total", label, counted.bytes_sent
        yield "node_network_receive_packets_total", label, counted.packets_recv
        yield "node_network_transmit_packets_total", label, counted.packets_sent
        yield "node_network_receive_errs_total", label, counted.errin
        yield "node_network_transmit_errs_total", label, counted.errout
        yield "node_network_receive_drop_total", label, counted.dropin
        yield "node_network_transmit_drop_total", label, counted.dropout


def _filesystems() -> _Measured:
    for partition in psutil.disk_partitions(all=False):
        if not Path(partition.mountpoint).is_dir():  # a single file mounted into a container
            continue
        try:
            usage = psutil.disk_usage(partition.mountpoint)
        except OSError:
            continue
        label = {"device": partition.device, "fstype": partition.fstype, "mountpoint": partition.mountpoint}
        yield "node_filesystem_size_bytes", label, usage.total
        yield "node_filesystem_free_bytes", label, usage.total - usage.used
        yield "node_filesystem_avail_bytes", label, usage.free


def _disks() -> _Measured:
    for device, counted in (psutil.disk_io_counters(perdisk=True) or {}).items():
        label = {"device": device}
        yield "node_disk_read_bytes_total", label, counted.read_bytes
        yield "node_disk_written_bytes_total", label, counted.write_bytes
        yield "node_disk_reads_completed_total", label, counted.read_count
        yield "node_disk_writes_completed_total", label, counted.write_count
        if hasattr(counted, "busy_time"):
            yield "node_disk_io_time_seconds_total", label, counted.busy_time / 1000


def _system() -> _Measured:
    yield "node_boot_time_seconds", {}, psutil.boot_time()
    system = platform.uname()
    label = {
        "nodename": system.node,
        "sysname": system.system,
        "release": system.release,
        "version": system.version,
        "machine": system.machine,
    }
    yield "node_uname_info", label, 1.0


_READERS: Final = (_cpu, _load, _memory, _network, _filesystems, _disks, _system)
