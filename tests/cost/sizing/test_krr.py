"""The sums of docs/right-sizing.md by hand: KRR has no test of its numbers."""

from __future__ import annotations

import numpy as np
import pytest

from cost.sizing import krr
from cost.sizing.observed import Oom, Resource
from tests.cost.sizing.containers import MIB, observed, pod

_STEP = 75.0
"""KRR's 1.25 minutes."""
_RAMP = [number / 1000 for number in range(200)]


def test_simple_takes_each_pods_95th_percentile_and_the_highest_pod() -> None:
    busy, idle = pod("a", cpu=[2 * one for one in _RAMP], step=_STEP), pod("b", cpu=_RAMP, step=_STEP)
    found = krr.size(observed(busy, idle), Resource.CPU)
    assert found.wanted is not None
    # 0.95 of 199 gaps is 189.05; twice that in millicores is 378.1, rounded up.
    assert (found.wanted.request, found.wanted.limit) == (379, None)


def test_simple_limit_pools_all_samples() -> None:
    pods = pod("a", cpu=[0.1] * 150, step=_STEP), pod("b", cpu=[0.5] * 50, step=_STEP)
    found = krr.size(observed(*pods), Resource.CPU, policy=krr.Policy(strategy="simple_limit"))
    assert found.wanted is not None
    assert (found.wanted.request, found.wanted.limit) == (100, 500)


@pytest.mark.parametrize(("use", "wanted_mib"), [(False, 460), (True, 1000)])
def test_memory_is_the_peak_and_15_percent_or_what_was_killed_and_25(use: bool, wanted_mib: int) -> None:
    killed = [Oom(at=10.0, requested_bytes=800.0 * MIB)]
    seen = observed(pod(memory=[100.0 * MIB] * 199 + [399.5 * MIB], step=_STEP, ooms=killed))
    found = krr.size(seen, Resource.MEMORY, policy=krr.Policy(use_oomkill_data=use))
    assert found.wanted is not None
    assert found.wanted.request == found.wanted.limit == wanted_mib * MIB
    assert found.reasons == (("OOMKill detected",) if use else ())


def test_nothing_is_below_krrs_minimum() -> None:
    seen = observed(pod(cpu=[0.0001] * 200, memory=[1.0] * 200, step=_STEP))
    wanted = [krr.size(seen, resource).wanted for resource in Resource]
    assert [one.request for one in wanted if one] == [10, 100 * MIB]


@pytest.mark.parametrize(
    ("samples", "step", "hpa", "why"),
    [(0, _STEP, False, "No data"), (99, 600.0, False, "Not enough data"), (200, 10.0, False, "Not enough data"),
     (200, _STEP, True, "HPA detected")],
)  # fmt: skip
def test_a_question_mark_says_why(samples: int, step: float, hpa: bool, why: str) -> None:
    found = krr.size(observed(pod(cpu=[0.1] * samples, step=step)), Resource.CPU, hpa=hpa)
    assert (found.wanted, found.reasons) == (None, (why,))


def test_points_are_counted_over_all_pods_and_an_hpa_can_be_allowed() -> None:
    pods = [pod(name, cpu=[0.1] * 50, step=600.0) for name in "ab"]
    assert krr.size(observed(*pods), Resource.CPU, hpa=True, policy=krr.Policy(allow_hpa=True)).wanted is not None


@pytest.mark.parametrize(
    ("now", "wanted", "resource", "severity"),
    [(1000, 901, Resource.CPU, "good"), (1000, 900, Resource.CPU, "ok"), (1000, 1250, Resource.CPU, "warning"),
     (1000, 500, Resource.CPU, "critical"), (500 * MIB, MIB, Resource.MEMORY, "warning"),
     (501 * MIB, MIB, Resource.MEMORY, "critical"), (None, None, Resource.CPU, "good"),
     (None, 1, Resource.CPU, "warning")],
)  # fmt: skip
def test_severity_is_the_difference(now: int | None, wanted: int | None, resource: Resource, severity: str) -> None:
    assert krr.severity(now, wanted, resource) == severity


def test_percentiles_are_prometheus_interpolation() -> None:
    assert np.percentile(np.array([0.0, 1.0]), 95) == pytest.approx(0.95)
