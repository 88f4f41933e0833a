"""Many queries asked as one: the same answers, and few questions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domain.errors import QueryError, QueryExecutionError, QuerySourceError
from domain.labels import Labels
from store.promql import Evaluator, coalesce
from store.promql.parse import parse
from store.promql.render import render
from store.promql.results import Matrix, Result, Vector
from tests.fakes.series import SeriesInMemory
from tests.store.promql import coalescing
from tests.store.promql.coalescing import APPS, AT_MS, Counting, alone, queries_of, same, together

SOURCE = Evaluator(SeriesInMemory(coalescing.data()).select)


@settings(max_examples=100)
@given(coalescing.expressions())
@example("(sum by (app) (m{@@})) * (sum(m{@@}))")
@example("(sum by (app) (m{@@})) or (sum(m{@@}))")
@example("(sum by (app) (m{@@})) + on (app) (sum(m{@@}))")
@example("(sum by (app) (m{@@})) + on () (sum(m{@@}))")
@example("(m{@@}) + ignoring (app) (m{@@})")
def test_a_query_answers_the_same_alone_and_together(form: str) -> None:
    queries = queries_of(form)
    answers = together(SOURCE, queries)
    assert answers.keys() == set(queries)
    for query in queries:
        assert same(alone(SOURCE, query), answers[query]), query


@settings(max_examples=60)
@given(coalescing.expressions(), st.sampled_from(APPS))
def test_a_rendered_plan_is_the_query(form: str, app: str) -> None:
    query = queries_of(form)[APPS.index(app)]
    assert same(alone(SOURCE, query), alone(SOURCE, render(parse(query))))


@pytest.mark.parametrize(
    "form",
    [
        "sum(rate(c{@@}[2m]))",
        "avg by (pod) (m{@@})",
        "quantile(0.9, m{@@})",
        "histogram_quantile(0.95, sum by (le) (rate(h_bucket{@@}[2m])))",
        "sum(rate(c{@@}[2m])) / sum(rate(c{@@}[5m]))",
        "sum(rate(c{@@}[2m])) or vector(0)",
        "max_over_time(sum(rate(c{@@}[1m]))[5m:15s])",
        "sum(increase(c{@@}[2m]) * on (pod) group_left () max by (pod) (n))",
        "count(last_over_time(m{@@}[5m]) and on (pod, namespace) n)",
        "sum without (app, pod) (m{@@})",
        "-sum(m{@@}) > 2",
        "m{@@}",
    ],
)
def test_these_forms_are_one_question(form: str) -> None:
    counting = Counting(SOURCE)
    queries = [form.replace("@@", f'app="app-{number}"') for number in range(500)]
    assert together(counting, queries).keys() == set(queries)
    assert len(counting.asked) == 1


@pytest.mark.parametrize(
    "form",
    [
        "topk(1, m{@@})",
        "sum(m{@@}) / scalar(sum(n{@@}))",
        "absent(m{@@})",
        'label_replace(m{@@}, "app", "x", "", "")',
        "sort(m{@@})",
        "sum(m{@@}) + sum(n)",
        "sum(m{@@} or n)",
        'sum(m{@@, app!="z"})',
        'count_values("v", m{@@})',
    ],
)
def test_what_cannot_be_told_apart_is_asked_alone(form: str) -> None:
    queries = [form.replace("@@", f'app="{app}"') for app in "abc"]
    assert {one.query for one in coalesce.questions(queries)} == set(queries)


def test_labels_that_do_not_differ_stay_as_they_are() -> None:
    queries = [f'sum(m{{namespace="shop", app="{app}"}})' for app in ("a", "a.b")]
    (question,) = coalesce.questions(queries)
    assert question.query == 'sum by (app) (m{namespace="shop", app=~"a|a\\\\.b"})'


def test_the_same_query_spelt_twice_is_asked_once() -> None:
    counting = Counting(SOURCE)
    queries = ['sum(m{app="a"})', 'sum( m{ app = "a" } )']
    answers = together(counting, queries)
    assert counting.asked == queries[:1]
    assert same(answers[queries[0]], answers[queries[1]])


def test_groups_keep_to_the_limits_of_servers() -> None:
    queries = [f'sum(rate(http_requests_total{{app="application-{number:05}"}}[2m]))' for number in range(3000)]
    questions = coalesce.questions(queries)
    assert {query for one in questions for query in one.queries} == set(queries)
    assert max(len(one.query) for one in questions) <= coalesce.MAX_LENGTH
    assert max(len(one.members) for one in questions) <= coalesce.MAX_ALTERNATIVES
    assert len(questions) <= 8


def test_one_broken_query_leaves_the_others_their_answer() -> None:
    class Touchy(Counting):
        def instant(self, query: str, *, at_ms: int) -> Result:
            if "a|b" in query.replace("\\", ""):
                self.asked.append(query)
                raise QueryExecutionError("this one never")
            return super().instant(query, at_ms=at_ms)

    touchy = Touchy(SOURCE)
    queries = [f'sum(m{{app="app-{number}"}})' for number in range(256)] + ['sum(m{app="a|b"})']
    answers = together(touchy, queries)
    assert [query for query, answer in answers.items() if answer == "refused"] == queries[-1:]
    assert len(touchy.asked) < 20


def test_a_server_that_is_down_is_not_asked_in_halves() -> None:
    class Down(Counting):
        def instant(self, query: str, *, at_ms: int) -> Result:
            self.asked.append(query)
            raise QuerySourceError("nobody there")

    down = Down(SOURCE)
    queries = [f'sum(m{{app="{number}"}})' for number in range(100)]
    assert set(together(down, queries).values()) == {"refused"}
    assert len(down.asked) == 1


@settings(max_examples=40)
@given(coalescing.expressions())
def test_ranges_answer_the_same_alone_and_together(form: str) -> None:
    queries = queries_of(form)
    window = {"start_ms": AT_MS - 120_000, "end_ms": AT_MS, "step_ms": 15_000}
    for question in coalesce.questions(queries):
        answers = coalesce.ask(question, lambda text: SOURCE.range(text, **window), coalesce.split_range)
        for query, answer in answers.items():
            _assert_same_range(_range_alone(query, window), answer, query)


def _range_alone(query: str, window: dict[str, int]) -> Matrix | QueryError:
    try:
        return SOURCE.range(query, **window)
    except QueryError as error:
        return error


def _assert_same_range(one: Matrix | QueryError, other: Matrix | QueryError, query: str) -> None:
    if isinstance(one, QueryError) or isinstance(other, QueryError):
        assert isinstance(one, QueryError), query
        assert isinstance(other, QueryError), query
        return
    assert one.labels == other.labels, query
    assert (one.present == other.present).all(), query
    np.testing.assert_allclose(
        np.where(one.present, one.values, 0.0), np.where(other.present, other.values, 0.0), rtol=1e-12
    )


def test_a_missing_series_stays_missing() -> None:
    answers = together(SOURCE, ['sum(m{app="a"})', 'sum(m{app="absent"})', 'sum(m{app="nobody"})'])
    assert answers['sum(m{app="nobody"})'] == {}
    assert answers['sum(m{app="absent"})'] == {}
    assert isinstance(answers['sum(m{app="a"})'], dict)
    assert list(answers['sum(m{app="a"})']) == [Labels()]


def test_an_empty_range_gets_its_default_at_every_step() -> None:
    queries = ['sum(m{app="a"}) or vector(7)', 'sum(m{app="absent"}) or vector(7)']
    (question,) = coalesce.questions(queries)
    answers = coalesce.ask(
        question, lambda text: SOURCE.range(text, start_ms=AT_MS - 60_000, end_ms=AT_MS, step_ms=15_000),
        coalesce.split_range,
    )  # fmt: skip
    empty = answers[queries[1]]
    assert isinstance(empty, Matrix)
    assert empty.values.tolist() == [[7.0] * 5]


def test_instant_vectors_only_are_told_apart() -> None:
    vector = SOURCE.instant('m{app="a"}', at_ms=AT_MS)
    assert isinstance(vector, Vector)
    assert coalesce.shape_of('m{app="a"}[5m]') is None
    assert coalesce.shape_of("this is no query") is None


def test_a_group_that_is_split_keeps_namespaces_together() -> None:
    queries = [f'sum(m{{app="app-{number}", namespace="team-{number % 8}"}})' for number in range(1600)]
    questions = coalesce.questions(queries)
    namespaces = [{values[1] for values in one.members} for one in questions]
    assert len(questions) == 2
    assert [len(own) for own in namespaces] == [4, 4]
