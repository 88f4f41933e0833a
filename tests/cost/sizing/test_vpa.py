from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cost.sizing import vpa
from cost.sizing.buckets import exponential, linear
from cost.sizing.histogram import Histogram
from cost.sizing.observed import Oom, Resource, Risk, Size
from cost.sizing.vpa_memory import memory_peaks
from cost.sizing.vpa_policy import MOST_AMOUNT, Policy
from tests.cost.sizing.containers import DAY, MIB, observed, pod

_SAMPLES = st.lists(
    st.tuples(st.floats(0, 12), st.floats(0, 5), st.integers(0, 400).map(lambda hours: hours * 3600.0)), max_size=30
)


@given(_SAMPLES, st.sampled_from([None, 3600.0]), st.floats(-0.5, 1.5))
def test_samples_all_at_once_count_as_one_by_one(
    samples: list[tuple[float, float, float]], half_life: float | None, level: float
) -> None:
    whole, single = (Histogram(linear(10.0, 1.0, 1e-15), half_life_seconds=half_life) for _ in range(2))
    whole.add(*np.array(samples, dtype=float).reshape(-1, 3).T)
    for value, weight, time in samples:
        single.add(np.array([value]), np.array([weight]), np.array([time]))
    assert whole.percentile(level) == single.percentile(level)
    assert whole.empty == single.empty


def test_a_sample_taken_out_again_leaves_nothing() -> None:
    histogram = Histogram(linear(10.0, 1.0, 1e-6), half_life_seconds=3600.0)
    histogram.add(np.array([2.0, 7.0]), np.ones(2), np.array([3600.0, 3600.0]))
    histogram.subtract(7.0, 1.0, 3600.0)
    assert histogram.percentile(1.0) == 3.0
    histogram.subtract(2.0, 1.0, 3600.0)
    assert histogram.empty


def test_buckets_of_the_recommender_hold_what_is_between_their_starts() -> None:
    buckets = exponential(1000.0, 0.01, 1.05, 1e-4)
    middles = np.array([(buckets.start(one) + buckets.start(one + 1)) / 2 for one in range(buckets.count - 1)])
    assert buckets.find(middles).tolist() == list(range(buckets.count - 1))
    assert buckets.start(buckets.count - 1) >= 1000.0


def test_steady_use_becomes_its_buckets_end_and_the_margin() -> None:
    found = vpa.recommend(observed(pod(cpu=[0.5] * 1441)), Resource.CPU)
    buckets = exponential(1000.0, 0.01, 1.05, 1e-4)
    end = math.floor(1000 * buckets.start(int(buckets.find(np.array([0.5]))[0]) + 1))
    assert found.target == end + math.floor(end * 0.15)
    assert found.confidence == pytest.approx(1.0)
    assert found.upper == 2 * found.target
    assert found.lower == math.floor(found.target * 1.001**-2)


def test_without_history_bounds_are_open_and_the_least_of_a_pod_is_split() -> None:
    found = vpa.recommend(observed(containers=2), Resource.CPU)
    assert (found.target, found.lower, found.upper) == (12, 12, MOST_AMOUNT)
    assert vpa.recommend(observed(containers=2), Resource.MEMORY).target == 125 * MIB
    assert vpa.size(observed(), Resource.CPU).wanted is None


@pytest.mark.parametrize(("history", "factor"), [(0.5, 3.0), (1.0, 2.0), (7.0, 1 + 1 / 7)])
def test_the_upper_bound_is_wide_while_history_is_short(history: float, factor: float) -> None:
    assert vpa.multiplier(history, 1.0, 1.0) == pytest.approx(factor)


def test_whole_cores_are_rounded_up() -> None:
    assert vpa.whole_cores(8100) == 9000
    assert vpa.whole_cores(8000) == 8000
    found = vpa.recommend(observed(pod(cpu=[0.5] * 100)), Resource.CPU, Policy(whole_cores=True))
    assert found.target == 1000


def test_memory_counts_one_peak_of_each_day_stamped_at_its_end() -> None:
    hourly = [100.0, 300.0, 200.0] + [100.0] * 21 + [50.0]
    peaks = memory_peaks(pod(memory=hourly, step=3600.0))
    assert [(one.at, one.used_bytes) for one in peaks] == [(DAY, 300.0), (2 * DAY, 50.0)]


def test_ooms_in_a_row_start_from_use_and_not_from_each_other() -> None:
    ooms = [Oom(at=100.0 + number, requested_bytes=1000.0 * MIB) for number in range(5)]
    peaks = memory_peaks(pod(memory=[500.0 * MIB] * 3, ooms=ooms))
    assert [one.used_bytes for one in peaks] == [1200.0 * MIB]


def test_an_oom_before_the_open_window_is_left_out_and_one_after_it_opens_the_next() -> None:
    late = pod(memory=[500.0 * MIB], ooms=[Oom(at=2 * DAY + 1, requested_bytes=1.0 * MIB)])
    # The bump starts from the usage of the window that was open when it came.
    assert [one.used_bytes for one in memory_peaks(late)] == [500.0 * MIB, 600.0 * MIB]
    assert memory_peaks(late)[-1].at == 3 * DAY


def test_limits_keep_their_ratio_and_the_bounds_are_told() -> None:
    found = vpa.size(observed(pod(cpu=[0.1] * 200), cpu=Size(request=1000, limit=2000)), Resource.CPU)
    assert found.wanted is not None
    assert found.wanted.request is not None
    assert found.wanted.limit == 2 * found.wanted.request
    assert found.risk is Risk.LOW
    assert "bounds" in found.reasons[0]
