"""What of a rule a replay leaves out, each with its reason: told in the notes, counted in the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from app.backtesting.burning import COLUMNS
from app.backtesting.recorded import Recorded
from app.backtesting.signals import Read
from rules.schema import ScalingRule, Trigger


def left_out(rule: ScalingRule, recorded: Recorded, read: Read) -> dict[str, str]:
    """By name, in the order of the document."""
    found = dict(read.left_out)
    for trigger in rule.spec.triggers:
        found |= dict(_of_trigger(trigger, recorded, read))
    spec = rule.spec
    found |= {
        f"ceiling {one.name}": f"its query was not recorded; a column ceiling.{one.name} would give the limit"
        for one in spec.ceiling
        if one.limit is None and f"ceiling.{one.name}" not in recorded.columns
    }
    if spec.guard is not None and read.signals.slo is None:
        columns = ", ".join(COLUMNS.values())
        found["guard"] = f"its SLO and error ratios are not there (columns {columns}); it can only hold or raise"
    if spec.pause is not None:
        found["pause"] = "it is of its day: the rule is replayed as it would be without it"
    if spec.budget is not None:
        found["budget"] = "what it left room for then is not known; it can only lower"
    return found


def left_out_words(found: Mapping[str, str]) -> list[str]:
    """One note for each."""
    return [f"left out: {name}: {why}" for name, why in found.items()]


def _of_trigger(trigger: Trigger, recorded: Recorded, read: Read) -> Iterator[tuple[str, str]]:
    wanted, name = trigger.forecast, trigger.name
    if wanted is not None and wanted.document is not None and name not in read.ahead:
        yield name, f"the series of {wanted.document} was not recorded; a column {name} would give it"
    if wanted is not None and wanted.gate is not None:
        yield f"gate of {name}", "the stand-in for its forecast has other errors; the forecast is used throughout"
    if trigger.learn is not None:
        yield f"learning of {name}", "no pods are there to learn from; perReplica counts from begin to end"
    if trigger.queue is None:
        return
    if trigger.queue.arrivals is not None and f"{name}.arrivals" not in recorded.columns:
        yield f"arrivals of {name}", f"they were not recorded and count as 0; a column {name}.arrivals would give them"
    partitions = trigger.queue.partitions
    if partitions is not None and not isinstance(partitions, int) and f"{name}.partitions" not in recorded.columns:
        yield f"partitions of {name}", f"they were not recorded; a column {name}.partitions would give them"
