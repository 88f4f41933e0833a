"""The conformance runner itself: it must be able to fail, to skip, and to read what it has not seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.hpa import main
from tests.conformance.hpa_literals import Skip, ago, milli

CPU = {"name": "cpu", "requests": ["1.0"] * 3, "levels": [300, 500, 700], "targetUtilization": 30}
CALCULATOR: list[Any] = [
    {"name": "right", "case": {"currentReplicas": 3, "expectedReplicas": 5, "resource": CPU}},
    {"name": "wrong", "case": {"currentReplicas": 3, "expectedReplicas": 6, "resource": CPU}},
    {
        "name": "wrong usage",
        "case": {"currentReplicas": 3, "expectedReplicas": 5, "resource": CPU | {"expectedValue": 1}},
    },
    {
        "name": "a column of later",
        "case": {"currentReplicas": 3, "expectedReplicas": 5, "resource": CPU, "phase_of_moon": 1},
    },
    {"name": "no error came", "case": {"currentReplicas": 3, "expectedError": "missing request", "resource": CPU}},
    {
        "name": "one container of two, its own tolerances",
        "case": {
            "currentReplicas": 3,
            "expectedReplicas": 5,
            "container": "container2",
            "tolerances": {"scaleDown": "0.1", "scaleUp": 0.6},
            "resource": CPU | {"levels": {"call": "levels", "args": [[9, 300], [9, 500], [9, 700]]}},
        },
    },
    {
        "name": "held by a wide tolerance",
        "case": {
            "currentReplicas": 3,
            "expectedReplicas": 3,
            "tolerances": {"scaleUp": 0.7},
            "podReadiness": None,
            "metric": {
                "name": "qps",
                "levels": [20000],
                "targetUsage": 12000,
                "expectedUsage": 20000,
                "singleObject": {},
            },
        },
    },
    "no case at all",
]
RULES = [100, 60, 0, 0, 0]
COLUMNS = ["name", "currentReplicas", "prenormalizedDesiredReplicas", "minReplicas", "maxReplicas", "scaleUpRules",
           "scaleDownRules", "scaleUpEvents", "scaleDownEvents", "expectedReplicas", "expectedCondition"]  # fmt: skip
BEHAVIOR: list[Any] = [
    ["right", 10, 500, 1, 1000, RULES, 0, 0, 0, 110, "ScaleUpLimit"],
    ["wrong reason", 10, 500, 1, 1000, RULES, 0, 0, 0, 110, "TooManyReplicas"],
    dict(zip(COLUMNS, ["as a mapping", 100, 500, 1, 1000, None, 0, [1, 5, 9], None, 170, None], strict=True)),
]
MILLI = {"call": "resource.NewMilliQuantity", "args": [15000, "DecimalSI"]}
SPEC = {
    "type": "PodsMetricSourceType",
    "pods": {
        "metric": {"name": "qps"},
        "target": {
            "type": "AverageValue",
            "averageValue": MILLI,
        },
    },
}
PASS = {
    "minReplicas": 2,
    "maxReplicas": 6,
    "specReplicas": 3,
    "statusReplicas": 3,
    "CPUTarget": 30,
    "verifyCPUCurrent": True,
    "reportedLevels": [300, 500, 700],
    "reportedCPURequests": ["1.0", "1.0", "1.0"],
    "useMetricsAPI": True,
}
QPS = {"minReplicas": 2, "maxReplicas": 6, "specReplicas": 3, "metricsTarget": [SPEC]}
WHOLE: list[Any] = [
    {"name": "up by cpu", "case": PASS | {"expectedDesiredReplicas": 5}},
    {"name": "wrong", "case": PASS | {"expectedDesiredReplicas": 4}},
    {"name": "up by pods", "case": QPS | {"reportedLevels": [20000, 10000, 30000], "expectedDesiredReplicas": 4}},
    {"name": "first seen, so held", "case": QPS | {"reportedLevels": [1, 1, 1], "expectedDesiredReplicas": 3}},
    {"name": "down", "case": QPS | {"reportedLevels": [1, 1, 1], "recommendations": [], "expectedDesiredReplicas": 2}},
    {
        "name": "held by what was recommended four minutes ago",
        "case": QPS
        | {
            "reportedLevels": [1, 1, 1],
            "recommendations": [{"recommendation": 3, "timestamp": "time.Now().Add(-4 * time.Minute)"}],
            "expectedDesiredReplicas": 3,
        },
    },
    {
        "name": "an unknown kind",
        "case": QPS | {"metricsTarget": [{"type": "CheddarCheese"}], "expectedDesiredReplicas": 3},
    },
    {"name": "TestConditionFailedGetMetrics", "case": PASS | {"expectedDesiredReplicas": 3}},
]


def counted(tmp_path: Path, table: Any, capsys: pytest.CaptureFixture[str]) -> tuple[list[str], str]:
    """Names of the failing cases, and the last line."""
    path = tmp_path / "own.json"
    path.write_text(json.dumps(table), encoding="utf-8")
    main([str(path)])
    *failing, last = capsys.readouterr().out.splitlines()
    return [line.split(": ")[1] for line in failing], last


def test_calculator_cases_are_counted_and_unknown_columns_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failing, last = counted(tmp_path, {"kind": "replica_calculator", "cases": CALCULATOR}, capsys)
    assert failing == ["wrong", "wrong usage", "no error came"]
    assert last == "3 passed, 3 failed, 2 skipped"


def test_behaviour_cases_are_rows_or_mappings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failing, last = counted(tmp_path, {"columns": COLUMNS, "cases": BEHAVIOR}, capsys)
    assert failing == ["wrong reason"]
    assert last == "2 passed, 1 failed, 0 skipped"


def test_whole_passes_are_run_and_replaced_clients_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failing, last = counted(tmp_path, {"cases": WHOLE}, capsys)
    assert failing == ["wrong"]
    assert last == "6 passed, 1 failed, 1 skipped"


def test_times_and_quantities_are_read_in_several_spellings() -> None:
    assert ago({"call": "Add", "args": ["-10 * time.Minute"]}) == 600
    assert ago({"call": "time.Now", "args": []}) == 0
    assert ago("time.Now().Add(time.Second * -30)") == 30
    assert milli('resource.MustParse("1.5")', number_is_milli=False) == 1500
    assert milli({"call": "NewQuantity", "args": [7]}, number_is_milli=True) == 7000
    with pytest.raises(Skip, match="time"):
        ago({"year": 2026})
    with pytest.raises(Skip, match="quantity"):
        milli("many", number_is_milli=True)
