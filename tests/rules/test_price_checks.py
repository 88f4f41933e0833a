"""What a PriceSheet allows and probably does not mean."""

from __future__ import annotations

from rules import checks


def test_prices_of_zero_are_warned_about_at_their_place() -> None:
    spec = {
        "currency": "EUR", "cpuCoreHour": 0, "memoryGiBHour": "0.00",
        "rules": [{"hourly": 0.0}, {"perUnit": {"gpuHour": "0", "gibMonth": 1}}, {"hourly": "0.10"}],
    }  # fmt: skip
    found = checks.warnings({"kind": "PriceSheet", "spec": spec})
    assert [".".join(map(str, path)) for path, _ in found] == [
        "spec.cpuCoreHour", "spec.memoryGiBHour", "spec.rules.0.hourly", "spec.rules.1.perUnit.gpuHour",
    ]  # fmt: skip
