"""A file of unit tests, read strictly; every mistake with its place.

Source:
    Prometheus 3.14, ``cmd/promtool/unittest.go``; docs "Unit testing for rules".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from alerts.rule_file import yaml_nodes
from alerts.rule_file.fields import Fields, Mistakes
from alerts.rule_file.yaml_nodes import Mapping, Node, Sequence, YamlError
from domain.errors import Mistake
from domain.labels import METRIC_NAME, Labels
from rules.wording import quote
from rules.yaml_tree import Place
from store.promql.notation import Point, read_labels, read_points

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FILE: Final = ("rule_files", "evaluation_interval", "group_eval_order", "tests", "fuzzy_compare")
_TEST: Final = (
    "interval", "input_series", "alert_rule_test", "promql_expr_test", "external_labels", "external_url", "name",
    "start_timestamp",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSeries:
    """A series and its values, ``interval`` apart from the start."""

    labels: Labels
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedAlert:
    """Labels (``alertname`` among them) and annotations of an alert that fires."""

    labels: Labels
    annotations: Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertTest:
    """Which alerts of a name fire at a time."""

    place: Place
    eval_time: timedelta
    alertname: str
    expected: tuple[ExpectedAlert, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpressionTest:
    """What an expression yields at a time."""

    place: Place
    eval_time: timedelta
    expr: str
    expected: tuple[tuple[Labels, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitTest:
    """One story with its questions."""

    name: str
    place: Place
    interval: timedelta
    start: datetime
    series: tuple[InputSeries, ...]
    alerts: tuple[AlertTest, ...]
    expressions: tuple[ExpressionTest, ...]
    external_labels: Labels
    external_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitTestFile:
    """One file; ``rule_files`` as they are written, with their places."""

    file: str
    rule_files: tuple[tuple[Place, str], ...]
    evaluation_interval: timedelta
    group_eval_order: tuple[str, ...]
    fuzzy_compare: bool
    tests: tuple[UnitTest, ...]


def is_unit_test(node: Node | None) -> bool:
    """Whether it holds tests of promtool's."""
    return has_test(node, "alert_rule_test") or has_test(node, "promql_expr_test")


def has_test(node: Node | None, kind: str) -> bool:
    """Whether one of its tests has the field ``kind``."""
    tests = node.entries["tests"][1] if isinstance(node, Mapping) and "tests" in node.entries else None
    items = tests.items if isinstance(tests, Sequence) else []
    return any(isinstance(item, Mapping) and kind in item.entries for item in items)


def read(raw: bytes, *, file: str) -> tuple[UnitTestFile | None, tuple[Mistake, ...]]:
    """The file, or everything that is wrong with it."""
    try:
        node = yaml_nodes.read(raw)
    except YamlError as error:
        return None, (error.mistake(file),)
    mistakes = Mistakes(file)
    if node is None:
        mistakes.add(Place(line=1, column=1), "", "there is nothing in it")
        return None, tuple(mistakes.found)
    read_file = _file(Fields(node, "", mistakes, _FILE), mistakes, file)
    return (None if mistakes.found else read_file), tuple(mistakes.found)


def _file(fields: Fields, mistakes: Mistakes, file: str) -> UnitTestFile:
    interval = fields.duration("evaluation_interval") or timedelta(minutes=1)
    order = [_text(item, path, mistakes) for path, item in fields.items("group_eval_order")]
    for name in {name for name in order if order.count(name) > 1}:
        fields.wrong("group_eval_order", f"group name repeated in evaluation order: {name}")
    return UnitTestFile(
        file=file,
        rule_files=tuple((item.place, _text(item, path, mistakes)) for path, item in fields.items("rule_files")),
        evaluation_interval=interval,
        group_eval_order=tuple(order),
        fuzzy_compare=fields.flag("fuzzy_compare"),
        tests=tuple(
            _test(Fields(item, path, mistakes, _TEST), mistakes, number, interval)
            for number, (path, item) in enumerate(fields.items("tests"))
        ),
    )


def _text(node: Node, path: str, mistakes: Mistakes) -> str:
    if isinstance(node, yaml_nodes.Scalar):
        return node.text
    mistakes.add(node.place, path, "expected a text")
    return ""


def _test(fields: Fields, mistakes: Mistakes, number: int, interval: timedelta) -> UnitTest:
    return UnitTest(
        name=fields.text("name") or f"unnamed#{number}",
        place=fields.place,
        interval=fields.duration("interval") or interval,
        start=_start(fields),
        series=tuple(
            _series(Fields(item, path, mistakes, ("series", "values"))) for path, item in fields.items("input_series")
        ),
        alerts=tuple(_alert_test(item, path, mistakes) for path, item in fields.items("alert_rule_test")),
        expressions=tuple(_expression_test(item, path, mistakes) for path, item in fields.items("promql_expr_test")),
        external_labels=fields.labels("external_labels"),
        external_url=fields.text("external_url"),
    )


def _start(fields: Fields) -> datetime:
    text = fields.text("start_timestamp")
    if not text:
        return EPOCH
    try:
        return EPOCH + timedelta(seconds=float(text))
    except (ValueError, OverflowError):
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        fields.wrong("start_timestamp", f"expected RFC 3339 or seconds since 1970; found {quote(text)}")
        return EPOCH
    return found.astimezone(UTC)


def _series(fields: Fields) -> InputSeries:
    labels = _series_labels(fields, "series")
    try:
        points = tuple(read_points(fields.text("values")))
    except ValueError as error:
        fields.wrong("values", str(error))
        points = ()
    if "histogram" in points:
        fields.wrong("values", "Foretide does not evaluate native histograms yet")
    return InputSeries(labels=labels, points=points)


def _series_labels(fields: Fields, name: str) -> Labels:
    text = fields.text(name)
    try:
        labels, rest = read_labels(text.strip())
        if rest.strip() or not text.strip():
            raise ValueError(f'{quote(text)} is no series; write for example up{{job="a"}}')
    except (ValueError, SyntaxError) as error:
        fields.wrong(name, str(error))
        return Labels()
    return labels


def _alert_test(node: Node, path: str, mistakes: Mistakes) -> AlertTest:
    fields = Fields(node, path, mistakes, ("eval_time", "alertname", "exp_alerts"))
    name = fields.text("alertname")
    if not name:
        fields.wrong("alertname", "an item under alert_rule_test misses required attribute alertname")
    return AlertTest(
        place=fields.place,
        eval_time=fields.duration("eval_time") or timedelta(),
        alertname=name,
        expected=tuple(_expected(item, inner, mistakes, name) for inner, item in fields.items("exp_alerts")),
    )


def _expected(node: Node, path: str, mistakes: Mistakes, name: str) -> ExpectedAlert:
    fields = Fields(node, path, mistakes, ("exp_labels", "exp_annotations"))
    labels = fields.labels("exp_labels")
    annotations = fields.labels("exp_annotations", annotations=True)
    return ExpectedAlert(labels=labels.with_(alertname=name), annotations=annotations)


def _expression_test(node: Node, path: str, mistakes: Mistakes) -> ExpressionTest:
    fields = Fields(node, path, mistakes, ("expr", "eval_time", "exp_samples"))
    return ExpressionTest(
        place=fields.place,
        eval_time=fields.duration("eval_time") or timedelta(),
        expr=fields.text("expr"),
        expected=tuple(_sample(item, inner, mistakes) for inner, item in fields.items("exp_samples")),
    )


def _sample(node: Node, path: str, mistakes: Mistakes) -> tuple[Labels, float]:
    fields = Fields(node, path, mistakes, ("labels", "value", "histogram"))
    if fields.text("histogram"):
        fields.wrong("histogram", "Foretide does not evaluate native histograms yet")
    text = fields.text("value")
    try:
        value = float(_INFINITIES.get(text, text or "0"))
    except ValueError:
        fields.wrong("value", f"expected a number; found {quote(text)}")
        value = 0.0
    labels = _series_labels(fields, "labels") if fields.text("labels") else Labels()
    return Labels.of({**dict(labels), METRIC_NAME: labels.metric_name}), value


_INFINITIES: Final = {".inf": "inf", "-.inf": "-inf", "+.inf": "inf", ".nan": "nan", ".NaN": "nan", ".Inf": "inf"}
