"""What a backtest comes to, as plain values: written as JSON, shown as a table, drawn as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal

import numpy as np
from pydantic import TypeAdapter

from app.backtesting.assume import Assumed
from controller.simulate.fidelity import Fidelity
from controller.simulate.figures import Figures
from controller.simulate.verdict import Verdict, Word

Role = Literal["rule", "present", "plain", "oracle"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One controller on the same workload.

    Attributes:
        role: The rule, what runs now, plain HPA at its best, or perfect foresight.
        name: For the reader.
        cost: Of the replicas, by the price sheet; None without one.
    """

    role: Role
    name: str
    figures: Figures
    cost: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One variant of the rule: what is changed, what it costs, what it misses."""

    changes: dict[str, str]
    replica_hours: float
    violated_pct: float
    violated_minutes: float
    events_per_day: float
    best: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainHpa:
    """The best settings of a plain HPA."""

    settings: dict[str, str]
    patch: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Series for pictures; ``low`` and ``high`` hold the extremes of each cell, so that no peak is lost."""

    start: datetime
    seconds: float
    load: tuple[float, ...]
    low: dict[str, tuple[float | None, ...]]
    high: dict[str, tuple[float | None, ...]]
    mean: dict[str, tuple[float | None, ...]]
    missed: dict[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A backtest.

    Attributes:
        rule: ``namespace/name``.
        digest: Of what decides in the rule.
        source: Of the recorded data.
        start, end: Of what is judged; before ``start`` lies the warm-up.
        warm_up_hours: What was only learned from.
        present: What runs now, in words.
        violated_minute: What a missed minute is worth, in minutes of a replica.
        currency: Of the costs; empty without a price sheet.
        advice: What the variants say; empty without them.
    """

    rule: str
    digest: str
    source: str
    start: datetime
    end: datetime
    warm_up_hours: float
    verdict: Verdict
    fidelity: Fidelity
    present: str
    contenders: tuple[Contender, ...]
    plain: PlainHpa | None
    sweep: tuple[Point, ...]
    violated_minute: float
    safe_per_replica: float
    assumed: tuple[Assumed, ...]
    notes: tuple[str, ...]
    whole: Lines
    worst_day: Lines | None
    currency: str = ""
    advice: str = ""
    seconds: float = field(default=0.0, compare=False)

    def contender(self, role: Role) -> Contender | None:
        """The one of that role."""
        return next((one for one in self.contenders if one.role == role), None)

    @property
    def word(self) -> Word:
        """Of the verdict."""
        return self.verdict.word


_REPORT: Final = TypeAdapter(Report)


def to_json(report: Report, *, lines: bool = False) -> dict[str, Any]:
    """The report as JSON has it; ``lines`` with the series of the pictures."""
    left_out = set() if lines else {"whole", "worst_day"}
    made: dict[str, Any] = _REPORT.dump_python(report, mode="json", exclude=left_out)
    made["fidelity"] |= {"credible": report.fidelity.is_credible, "proven": report.fidelity.is_proven}
    return made


def from_json(data: Mapping[str, Any]) -> Report:
    """A report that was written with its lines."""
    return _REPORT.validate_python(dict(data))


def cells(values: Sequence[float] | np.ndarray[Any, Any], most: int) -> tuple[np.ndarray[Any, Any], int]:
    """The values by cells of equal size, at most so many; the rest at the end fills up with the last one."""
    array = np.asarray(values, dtype=np.float64)
    size = max(-(-len(array) // most), 1)
    count = -(-len(array) // size)
    padded = np.concatenate([array, np.repeat(array[-1:], count * size - len(array))])
    return padded.reshape(count, size), size
