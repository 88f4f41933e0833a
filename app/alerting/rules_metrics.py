"""``foretide_rule_*``: how the evaluation of alerting and recording rules goes, as Prometheus tells it of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from alerts.evaluation.group import GroupRun


@dataclass(slots=True, kw_only=True)
class Counts:
    """By group, since the start; ``asking`` is the time spent on questions for all of them."""

    iterations: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    missed: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    evaluations: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    failures: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    asking: float = 0.0

    def evaluated(self, group: GroupRun) -> None:
        """One more evaluation of a group."""
        key = key_of(group)
        self.iterations[key] += 1
        self.evaluations[key] += len(group.rules)
        self.failures[key] += sum(bool(run.error) for run in group.rules)
        self.seconds[key] += sum(run.seconds for run in group.rules)


def key_of(group: GroupRun) -> str:
    """As Prometheus names it in ``rule_group``."""
    return f"{group.file};{group.group.name}"


class RuleMetrics(Collector):
    """Asks the loop when it is scraped."""

    def __init__(self, counts: Counts, groups: Callable[[], Sequence[GroupRun]], mistakes: Callable[[], int]) -> None:
        """What is told, and of which groups."""
        self._counts, self._groups, self._mistakes = counts, groups, mistakes

    def collect(self) -> Iterator[Metric]:
        """Every group with what it did."""
        groups = self._groups()
        counted = (
            ("evaluations", "Rule evaluations.", self._counts.evaluations),
            ("evaluation_failures", "Rule evaluations that failed.", self._counts.failures),
            ("evaluation_seconds", "Time spent on the rules of a group.", self._counts.seconds),
            ("group_iterations", "Evaluations of a group.", self._counts.iterations),
            ("group_iterations_missed", "Evaluations left out: the one before took too long.", self._counts.missed),
        )
        for name, told, counter in counted:
            family = CounterMetricFamily(f"foretide_rule_{name}", told, labels=["rule_group"])
            for group in groups:
                family.add_metric([key_of(group)], counter[key_of(group)])
            yield family
        last = GaugeMetricFamily(
            "foretide_rule_group_last_evaluation_timestamp_seconds", "Time of the last one.", labels=["rule_group"]
        )
        seconds = GaugeMetricFamily(
            "foretide_rule_group_last_duration_seconds", "How long it took.", labels=["rule_group"]
        )
        rules = GaugeMetricFamily("foretide_rule_group_rules", "Rules of a group.", labels=["rule_group"])
        for group in groups:
            rules.add_metric([key_of(group)], len(group.rules))
            if group.evaluated_at is not None:
                last.add_metric([key_of(group)], group.evaluated_at.timestamp())
                seconds.add_metric([key_of(group)], group.seconds)
        yield from (rules, last, seconds)
        yield CounterMetricFamily(
            "foretide_rule_asking_seconds", "Time spent asking for rules at once.", self._counts.asking
        )
        yield GaugeMetricFamily("foretide_rule_file_mistakes", "Mistakes in rule files.", self._mistakes())
