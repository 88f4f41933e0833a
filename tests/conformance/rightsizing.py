"""Runs the vertical-pod-autoscaler's tables: ``python -m tests.conformance.rightsizing FILE…``.

One line for each failing value and, last, ``N passed, M failed, K skipped``; one count is one asserted value. Numbers
are held against as many digits as the table writes; sections and options that nobody knows are skipped, with the
reason.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cost.sizing import vpa
from cost.sizing.buckets import Buckets, exponential, linear
from cost.sizing.histogram import Histogram
from cost.sizing.observed import Resource
from cost.sizing.vpa_memory import after_oom
from cost.sizing.vpa_policy import MIB, Policy, amount

Verdict = tuple[str, str]
_BUCKETS = {"linear": linear, "exp": exponential, "exponential": exponential}
_TELLING = {"name", "note", "comment", "SOURCE"}


class Skip(Exception):
    """A case asks for what the runner does not know."""


def run(path: Path) -> Iterator[Verdict]:
    """Verdict (``passed``, ``failed``, ``skipped``) and message of every asserted value of a file."""
    table = json.loads(path.read_text(encoding="utf-8"))
    for section, cases in table.items():
        if section in _TELLING:
            continue
        check = _SECTIONS.get(section)
        for case in cases if isinstance(cases, list) else [cases]:
            name = case.get("name", section) if isinstance(case, dict) else section
            for verdict, message in _checked(section, check, case):
                yield verdict, f"{path.name}: {name}: {message}"


def _checked(section: str, check: Callable[..., Iterable[Verdict]] | None, case: Any) -> Iterator[Verdict]:
    if check is None:
        yield "skipped", f"unknown section {section}"
        return
    try:
        yield from check(case)
    except Skip as reason:
        yield "skipped", str(reason)
    except Exception as error:  # noqa: BLE001 - one case that breaks must not hide the others
        yield "failed", f"{type(error).__name__}: {error}"


def _histogram(case: dict[str, Any]) -> Iterator[Verdict]:
    _known(case, {*_BUCKETS, "samples", "halfLifeSec", "percentiles", "subtract", "empty"})
    histogram = Histogram(_buckets_of(case), half_life_seconds=case.get("halfLifeSec"))
    # One by one, as upstream's tests do it; that all at once gives the same is a test of its own.
    for sample in case["samples"]:
        histogram.add(*(np.array([float(number)]) for number in sample))
    for value, weight, time in case.get("subtract", ()):
        histogram.subtract(value, weight, time)
    if "empty" in case:
        yield _same("empty", case["empty"], histogram.empty)
    for level, wanted in case.get("percentiles", ()):
        yield _same(f"percentile {level}", wanted, histogram.percentile(level))


def _buckets_of(case: dict[str, Any]) -> Buckets:
    kind = next((kind for kind in _BUCKETS if kind in case), None)
    if kind is None:
        raise Skip("no buckets that we know")
    return _BUCKETS[kind](*case[kind])


def _buckets(case: dict[str, Any]) -> Iterator[Verdict]:
    _known(case, {"kind", "args", "numBuckets", "starts", "find"})
    if case["kind"] not in _BUCKETS:
        raise Skip(f"unknown buckets {case['kind']}")
    buckets = _BUCKETS[case["kind"]](*case["args"])
    if "numBuckets" in case:
        yield _same("number of buckets", case["numBuckets"], buckets.count)
    for bucket, wanted in case.get("starts", ()):
        yield _same(f"start {bucket}", wanted, buckets.start(bucket))
    for value, wanted in case.get("find", ()):
        yield _same(f"find {value}", wanted, int(buckets.find(np.array([float(value)]))[0]))


def _confidence(case: dict[str, Any]) -> Iterator[Verdict]:
    _known(case, {"intervalMin", "lifespanMin", "samples", "confidence", "mult", "exp", "baseCpu", "cpu",
                  "baseMem", "mem"})  # fmt: skip
    interval = case.get("intervalMin", 1440) * 60.0
    sure = vpa.confidence(case["lifespanMin"] * 60.0, case["samples"], interval_seconds=interval)
    if "confidence" in case:
        yield _same("confidence", case["confidence"], sure)
    for base, asserted, unit in (("baseCpu", "cpu", 1000.0), ("baseMem", "mem", 1.0)):
        if asserted in case:
            factor = vpa.multiplier(sure, case["mult"], case["exp"])
            found = amount(amount(case[base] * unit) * factor)
            yield _same(asserted, case[asserted], found / unit)


def _oom(case: dict[str, Any]) -> Iterator[Verdict]:
    _known(case, {"requestMb", "peakMb", "expectMb", "bumpUpRatio", "minBumpUpMb"})
    policy = Policy(oom_ratio=case.get("bumpUpRatio", 1.2), oom_least_bytes=case.get("minBumpUpMb", 100) * MIB)
    found = after_oom(case["requestMb"] * MIB, case.get("peakMb", 0) * MIB, policy)
    yield _same("MiB", case["expectMb"], found / MIB)


def _least(case: dict[str, Any]) -> Iterator[Verdict]:
    _known(case, {"podMinCpuMilli", "podMinMemMiB", "containers", "perContainerCpuMilli", "perContainerMemMiB"})
    policy = Policy(
        pod_least_millicores=case.get("podMinCpuMilli", 25), pod_least_bytes=case.get("podMinMemMiB", 250) * MIB
    )
    found = vpa.pod_least(policy, case["containers"])
    if "perContainerCpuMilli" in case:
        yield _same("CPU", case["perContainerCpuMilli"], found[Resource.CPU])
    if "perContainerMemMiB" in case:
        yield _same("memory", case["perContainerMemMiB"], found[Resource.MEMORY] / MIB)


_SECTIONS: dict[str, Callable[[dict[str, Any]], Iterator[Verdict]]] = {
    "histogram": _histogram,
    "buckets": _buckets,
    "confidence": _confidence,
    "oom": _oom,
    "minResources": _least,
}


def _known(case: dict[str, Any], known: set[str]) -> None:
    if unknown := set(case) - known - _TELLING:
        raise Skip(f"unknown option {', '.join(sorted(unknown))}")


def _same(what: str, wanted: float, found: float) -> Verdict:
    near = bool(np.isclose(found, wanted, rtol=1e-9, atol=0.5001 * _last_digit(wanted)))
    return "passed" if near else "failed", f"{what}: expected {wanted}, found {found}"


def _last_digit(wanted: float) -> float:
    """Of a table's number: 1e-12 where it writes one that is exact anyway, else its last digit."""
    digits = len(repr(wanted).partition(".")[2]) if isinstance(wanted, float) else 0
    return 1e-12 if digits <= 1 or "e" in repr(wanted) else 10.0**-digits


def main(paths: list[str]) -> int:
    """Run the files; 1 where a value fails, 2 without files."""
    if not paths:
        print("usage: python -m tests.conformance.rightsizing FILE…", file=sys.stderr)
        return 2
    counts: Counter[str] = Counter()
    for path in paths:
        for verdict, message in run(Path(path)):
            counts[verdict] += 1
            if verdict == "failed":
                print(message)
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
