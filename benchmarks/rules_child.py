"""Our side of ``benchmarks.rules``: the live loop over a store of its own; prints its CPU for each cycle as JSON.

``python -m benchmarks.rules_child FOLDER CYCLES``. The first cycles, which make the questions, are not counted.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry

from app.alerting.rule_files import RuleFiles
from app.alerting.rules_loop import RulesConfig, RulesLoop
from benchmarks import rules_world
from domain.alerts import Alert
from domain.clock import to_ms
from store.metrics import MetricsStore
from store.promql import Evaluator, Result

_FILLED: Final = 25
"""Scrapes before the first cycle: more than the rules look back."""
_WARM: Final = 4


def measure(folder: Path, cycles: int) -> dict[str, float]:
    """Seconds of CPU per cycle, of the whole process; rules that failed and alerts that were offered."""
    (folder / "rules.yaml").write_text(rules_world.rule_file())
    store = MetricsStore.open(folder / "metrics.db", retention=timedelta(days=1))
    labels = tuple(rules_world.series())
    evaluator = Evaluator(store.select)
    offered: list[Alert] = []

    def ask(query: str, at_ms: int) -> Result:
        return evaluator.instant(query, at_ms=at_ms)

    loop = RulesLoop(
        RuleFiles([str(folder / "rules.yaml")], folder=None), config=RulesConfig(), ask=ask, metrics=store,
        registry=CollectorRegistry(), offer=offered.extend,
    )  # fmt: skip
    now = datetime(2026, 11, 22, tzinfo=UTC)
    spent = []
    for cycle in range(-_FILLED - _WARM, cycles):
        now += rules_world.INTERVAL
        store.append(labels, to_ms(now), rules_world.values(now.timestamp() - 1_700_000_000))
        if cycle >= -_WARM:
            began = time.process_time()
            loop.tick(now)
            spent.append(time.process_time() - began)
    failed = sum(bool(run.error) or run.evaluated_at is None for group in loop.groups() for run in group.rules)
    rules = sum(len(group.rules) for group in loop.groups())
    active = sum(len(run.alerting.current()) for group in loop.groups() for run in group.alerting() if run.alerting)
    store.close()
    counted = sorted(spent[_WARM:])
    return {
        "cpu_s": sum(counted) / len(counted), "median_s": counted[len(counted) // 2], "failed": failed, "rules": rules,
        "active": active, "offered": len(offered),
    }  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    print(json.dumps(measure(Path(arguments[0]), int(arguments[1]))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
