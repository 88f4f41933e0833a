"""A Dask cluster in foretide.yaml: what is taken, what is refused, and that a house goes on without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.settings import Settings, read_settings
from domain.errors import SettingsError
from forecaster.dask_pool import DaskConfig
from tests.app.conftest import a_house

CLUSTER = "forecaster: {dask: {scheduler: 'tcp://127.0.0.1:9'}}\n"


def settings(folder: Path, text: str) -> Settings:
    (folder / "foretide.yaml").write_text(text)
    return read_settings(config=folder / "foretide.yaml", environment={"FORETIDE_PORT": "0"}, working_dir=folder)


def test_without_a_word_fits_run_on_this_machine(tmp_path: Path) -> None:
    assert settings(tmp_path, "port: 8080\n").dask is None


def test_an_address_is_enough(tmp_path: Path) -> None:
    assert settings(tmp_path, CLUSTER).dask == DaskConfig(scheduler="tcp://127.0.0.1:9")


def test_certificates_lie_beside_the_file(tmp_path: Path) -> None:
    given = "forecaster: {dask: {scheduler: 'tls://a:1', tls_ca: ca.pem, tls_cert: c.pem, tls_key: k.pem}}\n"
    found = settings(tmp_path, given).dask
    assert found is not None
    assert found.tls_ca == str(tmp_path / "ca.pem")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("{scheduler: 'tls://a:1', tls_ca: ca.pem}", "tls_cert, tls_key are needed by a tls:// scheduler"),
        ("{scheduler: 'tcp://a:1', tls_key: k.pem}", "tls_key belong to a tls:// scheduler"),
        ("{scheduler: 'a:1'}", "expected tcp://host:port or tls://host:port"),
        ("{}", "scheduler"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path: Path, given: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        settings(tmp_path, f"forecaster: {{dask: {given}}}\n")


def test_a_house_whose_cluster_is_away_fits_here_and_closes(tmp_path: Path) -> None:
    house = a_house(tmp_path, config=f"rules_dir: rules\n{CLUSTER}")
    try:
        assert house.cluster_fits is not None
        assert house.cluster_fits.submit(divmod, 7, 2).result(60) == (3, 1)
        assert house.registry.get_sample_value("foretide_forecaster_cluster_fallbacks_total") == 1.0
    finally:
        house.close()


def test_challengers_and_their_file(tmp_path: Path) -> None:
    found = settings(tmp_path, "forecaster: {challengers: [statsforecast, onnx], onnx_model: a.onnx}\n")
    assert (found.challengers, found.onnx_model) == (("statsforecast", "onnx"), tmp_path / "a.onnx")
    for given in ("{challengers: [onnx]}", "{onnx_model: a.onnx}"):
        with pytest.raises(SettingsError, match="belong together"):
            settings(tmp_path, f"forecaster: {given}\n")


def test_a_house_looks_for_challenges_only_where_there_are_some(tmp_path: Path) -> None:
    for config, expected in (("", False), ("forecaster: {challengers: [statsforecast]}\n", True)):
        house = a_house(tmp_path, config=f"rules_dir: rules\n{config}")
        try:
            failures = house.registry.get_sample_value("foretide_loop_failures_total", {"loop": "challenge"})
            assert (failures == 0.0) == expected
        finally:
            house.close()
