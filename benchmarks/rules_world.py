"""The world of ``benchmarks.rules``: 10,000 series of 250 services, and 1,000 alerting rules over them.

A service has 24 counters of requests (4 pods, 6 codes), 8 gauges of a queue and 8 of memory. Its four rules are those
that every service gets from a template: how much it is asked, how many of its answers are errors while it is asked at
all, a queue that stays long, a series that is gone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import numpy as np

from domain.labels import Labels
from domain.series import FloatArray

SERVICES: Final = 250
INTERVAL: Final = timedelta(seconds=15)
"""Between two scrapes, and between two evaluations."""
_CODES: Final = ("200", "201", "302", "404", "429", "500")
_SHARES: Final = (0.7, 0.1, 0.08, 0.05, 0.03, 0.04)
_GROUPS: Final = 10


def series() -> list[Labels]:
    """All of them, in the order of ``values``."""
    found = []
    for job in _jobs():
        for at in range(4):
            found += [Labels.of(__name__="bench_requests_total", job=job, pod=f"{job}-{at}", code=c) for c in _CODES]
        for name in ("bench_queue_length", "bench_memory_bytes"):
            found += [Labels.of(__name__=name, job=job, pod=f"{job}-{at}") for at in range(8)]
    return found


def values(at_seconds: float) -> FloatArray:
    """Every series at a time: counters grow with a rate of the service's own, gauges swing."""
    job = np.arange(SERVICES, dtype=np.float64)
    rate = 5.0 + job % 40
    requests = np.floor(rate[:, None, None] * np.array(_SHARES) * at_seconds * np.linspace(0.8, 1.2, 4)[:, None])
    swing = np.sin(at_seconds / 300.0 + job)[:, None] * np.linspace(0.9, 1.1, 8)
    queue, memory = np.round(50.0 + 50.0 * swing), np.round(5e8 + 1e8 * swing)
    return np.concatenate([requests.reshape(SERVICES, -1), queue, memory], axis=1).ravel()


def rule_file() -> str:
    """The rules as Prometheus reads them, in ten groups."""
    rules = [rule for number, job in enumerate(_jobs()) for rule in _rules(number, job)]
    lines = ["groups:"]
    size = math.ceil(len(rules) / _GROUPS)
    for number in range(_GROUPS):
        lines += [f"- name: bench-{number}", f"  interval: {int(INTERVAL.total_seconds())}s", "  rules:"]
        lines += rules[number * size : (number + 1) * size]
    return "\n".join(lines) + "\n"


def exposition(at_seconds: float, names: list[str]) -> str:
    """Prometheus' text format."""
    return "".join(f"{name} {value:.0f}\n" for name, value in zip(names, values(at_seconds).tolist(), strict=True))


def _jobs() -> list[str]:
    return [f"service-{number:03d}" for number in range(SERVICES)]


def _rules(number: int, job: str) -> Iterator[str]:
    asked = f'sum by (job) (rate(bench_requests_total{{job="{job}"}}[5m]))'
    wrong = f'sum by (job) (rate(bench_requests_total{{job="{job}", code="500"}}[5m]))'
    for name, expr, more in (
        ("Busy", f"{asked} > {100 + number % 50}", ""),
        ("Errors", f"{wrong} / {asked} > 0.0{3 + number % 3} and on (job) {asked} > 1", "    for: 5m\n"),
        ("Queue", f'bench_queue_length{{job="{job}"}} > {95 + number % 10}', "    for: 2m\n"),
        ("Gone", f'absent(bench_memory_bytes{{job="{job}"}})', ""),
    ):
        said = '    annotations: {said: "{{ $labels.job }}: {{ $value | humanize }}"}'
        yield f"  - alert: {name}\n    expr: '{expr}'\n{more}    labels: {{severity: page}}\n{said}"
