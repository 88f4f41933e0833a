"""What is probably not meant in rule files: rules twice, and recording rules that feed on themselves.

Source:
    ``promtool check rules --lint=duplicate-rules``; the second is ours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from alerts.rule_file.model import RecordingRule, Rule, RuleFile
from domain.errors import Mistake
from domain.labels import Labels
from store.promql.parse import parse
from store.promql.selectors import metric_names


def lint(files: Sequence[RuleFile]) -> list[Mistake]:
    """Every finding, in the order of the files."""
    found = [*_cycles(files)]
    for file in files:
        found += _duplicates(file)
    return sorted(found, key=lambda one: (one.file, one.line, one.column))


def _rules(file: RuleFile) -> Iterator[tuple[Rule, Labels]]:
    for group in file.groups:
        for rule in group.rules:
            yield rule, Labels.of({**dict(group.labels), **dict(rule.labels)})


def _duplicates(file: RuleFile) -> Iterator[Mistake]:
    """Of one name and the same labels, as promtool counts them: in one file."""
    seen: dict[tuple[str, Labels], int] = {}
    for rule, labels in _rules(file):
        first = seen.setdefault((rule.name, labels), rule.place.line)
        if first != rule.place.line:
            said = f"duplicate rule: {rule.name} with the same labels stands in line {first}"
            yield _mistake(file.file, rule, said)


def _cycles(files: Iterable[RuleFile]) -> Iterator[Mistake]:
    """Recording rules that read, through others or by themselves, what they write."""
    by_name: dict[str, list[tuple[str, RecordingRule]]] = defaultdict(list)
    for file in files:
        for rule, _ in _rules(file):
            if isinstance(rule, RecordingRule):
                by_name[rule.record].append((file.file, rule))
    reads = {
        name: {read for _, rule in rules for read in metric_names(parse(rule.expr)) if read in by_name}
        for name, rules in by_name.items()
    }
    for name, rules in by_name.items():
        way = _way_back(name, reads)
        if way:
            for file_name, rule in rules:
                yield _mistake(file_name, rule, f"recording rules in a cycle: {' reads '.join([*way, name])}")


def _way_back(start: str, reads: dict[str, set[str]]) -> list[str]:
    """The shortest way from a series to itself, without its end; empty where there is none."""
    ways, seen = [[start]], {start}
    while ways:
        longer = []
        for way in ways:
            for read in sorted(reads[way[-1]]):
                if read == start:
                    return way
                if read not in seen:
                    seen.add(read)
                    longer.append([*way, read])
        ways = longer
    return []


def _mistake(file: str, rule: Rule, message: str) -> Mistake:
    field = "record" if isinstance(rule, RecordingRule) else "alert"
    return Mistake(file=file, line=rule.place.line, column=rule.place.column, field=field, message=message)
