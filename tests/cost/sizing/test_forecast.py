from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cost.sizing import forecast, vpa_memory
from cost.sizing.forecast import Outlook
from cost.sizing.observed import Oom, Resource, Risk, Size
from cost.sizing.patches import pod_patch, quantity, template_patch
from tests.cost.sizing.containers import MIB, observed, pod


def _flat(value: float, *, paths: int = 20) -> Outlook:
    return Outlook(paths=np.full((paths, 12), value))


def test_the_request_is_the_quantile_of_each_paths_highest_step() -> None:
    paths = np.zeros((101, 4))
    paths[:, 2] = np.arange(101) / 100
    found = forecast.size(observed(pod(cpu=[0.5] * 10)), Resource.CPU, Outlook(paths=paths))
    assert found.wanted is not None
    assert found.wanted.request == 950


def test_quantiles_do_where_there_are_no_paths_and_unknown_steps_are_left_out() -> None:
    quantiles = np.array([[0.1, 0.2, np.nan], [0.3, 0.5, np.nan]])
    outlook = Outlook(levels=(0.5, 0.95), quantiles=quantiles)
    assert outlook.peak(0.95) == pytest.approx(0.5)
    assert Outlook(paths=np.full((3, 2), np.nan)).peak(0.9) is None
    assert Outlook().peak(0.9) is None


def test_without_a_forecast_nothing_is_wanted() -> None:
    found = forecast.size(observed(pod(cpu=[0.1] * 10)), Resource.CPU, Outlook())
    assert found.wanted is None
    assert found.risk is Risk.UNKNOWN


def test_start_up_is_left_out_of_cpu_and_kept_for_memory() -> None:
    one = pod(cpu=[4.0] * 5 + [0.1] * 20, memory=[900.0 * MIB] * 5 + [100.0 * MIB] * 20, started=0.0)
    cpu = forecast.size(observed(one), Resource.CPU, _flat(0.1))
    memory = forecast.size(observed(one), Resource.MEMORY, _flat(100.0 * MIB))
    assert cpu.evidence.peak == 100
    assert memory.wanted is not None
    assert memory.wanted.request == 1035 * MIB


def test_an_oom_raises_memory_above_the_forecast() -> None:
    killed = pod(memory=[900.0 * MIB] * 5, ooms=[Oom(at=200.0, requested_bytes=1000.0 * MIB)])
    found = forecast.size(observed(killed), Resource.MEMORY, _flat(100.0 * MIB))
    assert found.wanted is not None
    assert found.wanted.request == 1200 * MIB
    assert "raised after an OOM" in found.reasons


def test_an_oom_had_all_of_its_limit() -> None:
    ooms = [Oom(at=200.0, requested_bytes=500.0 * MIB, limit_bytes=2000.0 * MIB)]
    killed = observed(pod(memory=[900.0 * MIB] * 5, ooms=ooms))
    found = forecast.size(killed, Resource.MEMORY, _flat(100.0 * MIB))
    assert found.wanted is not None
    assert found.wanted.request == 2400 * MIB
    # The VPA starts from the request, or from what was used.
    assert vpa_memory.memory_peaks(killed.pods[0])[-1].used_bytes == 1080.0 * MIB


@given(st.integers(10, 64_000), st.floats(0.0, 200.0))
def test_one_step_takes_away_at_most_three_tenths_and_raises_at_once(current: int, peak: float) -> None:
    found = forecast.size(observed(pod(cpu=[0.1]), cpu=Size(request=current)), Resource.CPU, _flat(peak))
    assert found.wanted is not None
    assert found.wanted.request is not None
    assert found.wanted.request >= 0.7 * current - 1e-6
    assert found.wanted.request >= peak * 1000 - 1e-6


def test_a_pod_of_unknown_start_keeps_all_its_samples() -> None:
    kept = forecast.without_startup(observed(pod(cpu=[1.0] * 3)), timedelta(minutes=5))
    assert len(kept.pods[0].cpu.times) == 3


def test_patches_name_what_changes_in_kubernetes_words() -> None:
    seen = observed(pod(cpu=[0.1], memory=[1.0]), cpu=Size(request=1000, limit=2000))
    sizings = [forecast.size(seen, Resource.CPU, _flat(0.8)),
               forecast.size(seen, Resource.MEMORY, _flat(700.0 * MIB))]  # fmt: skip
    containers = [{"name": "web", "resources": {"requests": {"cpu": "800m", "memory": "805Mi"},
                                                "limits": {"cpu": "1600m"}}}]  # fmt: skip
    assert pod_patch(sizings) == {"spec": {"containers": containers}}
    assert template_patch(sizings)["spec"]["template"]["spec"]["containers"] == containers
    assert [quantity(one, Resource.MEMORY) for one in (2 * 1024 * MIB, 1024, 1000)] == ["2Gi", "1Ki", "1000"]
