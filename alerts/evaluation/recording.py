"""A recording rule: what its expression yields, under its own name and labels."""

from __future__ import annotations

from alerts.evaluation.asking import RuleFailedError, Sampled
from alerts.rule_file.model import RecordingRule
from domain.labels import METRIC_NAME, Labels


def recorded(rule: RecordingRule, found: Sampled, *, limit: int) -> Sampled:
    """The samples to write.

    Raises:
        RuleFailedError: Two series have the same labels then, or there are more than ``limit``.
    """
    renamed = [
        (Labels.of({**dict(labels), METRIC_NAME: rule.record, **dict(rule.labels)}), value) for labels, value in found
    ]
    if len({labels for labels, _ in renamed}) < len(renamed):
        raise RuleFailedError("vector contains metrics with the same labelset after applying rule labels")
    if limit and len(renamed) > limit:
        raise RuleFailedError(f"exceeded limit of {limit} with {len(renamed)} series")
    return renamed
