import pytest

from controller.simulate.service import Service, slower_share


def test_five_workers_of_60_ms_hold_a_p95_of_300_ms_up_to_84_75_percent() -> None:
    service = Service.queue(workers=5, service_seconds=0.06, slo_seconds=0.3, share_late=0.05)

    assert service.largest_utilization_ratio == 0.8475
    assert service.capacity_rps == pytest.approx(83.333, abs=1e-3)


def test_one_worker_is_the_textbook_m_m_1_queue() -> None:
    late = slower_share(0.5, workers=1, service_seconds=0.1, seconds=0.4)

    assert late == pytest.approx(2.718281828 ** (-(1 - 0.5) * 0.4 / 0.1))


def test_more_load_is_never_faster() -> None:
    shares = [slower_share(k / 100, workers=5, service_seconds=0.06, seconds=0.3) for k in range(101)]

    assert shares == sorted(shares)


def test_a_measured_curve_is_interpolated_at_the_objective() -> None:
    service = Service.measured([(0.2, 0.1), (0.6, 0.2), (0.8, 0.4)], capacity_rps=50.0, slo_seconds=0.3)

    assert service.largest_utilization_ratio == pytest.approx(0.7)


def test_a_curve_within_the_objective_gives_its_last_point() -> None:
    service = Service.measured([(0.2, 0.1), (0.9, 0.2)], capacity_rps=50.0, slo_seconds=0.3)

    assert service.largest_utilization_ratio == 0.9
