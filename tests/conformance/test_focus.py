"""The checks of bills can fail, and say why they skip."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.focus import main
from tests.cost.billing import written
from tests.cost.billing.written import purchase, row, unused, used


def test_bills_are_counted_check_by_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = written.bill(tmp_path, [row(ResourceId="i-1"), used("i-2", "0.1"), unused("0.2"), purchase("0.3")], "a.csv")
    broken = written.bill(tmp_path, [used("i-2", "0.1"), purchase("0.3"), row(BilledCost="?")], "b.csv")
    half = written.bill(tmp_path, [used("i-2", "0.1")], "c.csv")

    assert main([str(whole), str(half)]) == 0
    assert main([str(broken), str(tmp_path / "absent.csv")]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == "17 passed, 0 failed, 1 skipped"
    assert "b.csv: 1 rows refused" in out
    assert "b.csv: ri-9: usage is -0.2" in out
    assert "its purchase is not in this bill" in err
