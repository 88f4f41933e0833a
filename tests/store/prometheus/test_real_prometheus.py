"""Against Debian's Prometheus: the answers are its own, alone and together."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from domain.errors import QueryExecutionError, QuerySyntaxError
from store.prometheus import PrometheusClient
from store.promql import Evaluator, Matrix, Vector, coalesce
from tests.fakes.series import SeriesInMemory
from tests.store.promql import coalescing
from tests.store.promql.coalescing import AT_MS, START_MS, Counting, alone, queries_of, same, together


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(form=coalescing.expressions())
def test_a_query_answers_the_same_alone_and_together(client: PrometheusClient, form: str) -> None:
    queries = queries_of(form)
    answers = together(client, queries)
    for query in queries:
        assert same(alone(client, query), answers[query]), query


@pytest.mark.parametrize(
    "form",
    [
        "m{@@}",
        "sum(m{@@})",
        "avg by (pod) (m{@@})",
        "quantile(0.9, m{@@})",
        "sum(m{@@}) / sum(n{@@})",
        "max(m{@@} offset 1m) or vector(0)",
        'count(m{@@} and on (pod, namespace) n{pod="p1"})',
        "histogram_quantile(0.5, sum by (le) (h_bucket{@@}))",
    ],
)
def test_its_answers_are_those_of_the_embedded_store(client: PrometheusClient, form: str) -> None:
    embedded = Evaluator(SeriesInMemory(coalescing.data()).select)
    for query in queries_of(form):
        assert same(alone(embedded, query), alone(client, query)), query


def test_many_queries_are_one_question_to_it(client: PrometheusClient) -> None:
    counting = Counting(client)
    queries = queries_of("sum(rate(c{@@}[2m])) / sum(rate(c{@@}[5m]))")[: len(coalescing.APPS)]
    answers = together(counting, queries)
    assert len(counting.asked) == 1
    assert sum(bool(answer) for answer in answers.values()) == len(coalescing.APPS) - 1


def test_a_range_is_read_on_its_grid(client: PrometheusClient) -> None:
    query = 'sum(rate(c{app="a"}[1m]))'
    matrix = client.range(query, start_ms=START_MS - 60_000, end_ms=AT_MS + 60_000, step_ms=15_000)
    assert isinstance(matrix, Matrix)
    assert matrix.timestamps_ms.tolist() == list(range(START_MS - 60_000, AT_MS + 60_001, 15_000))
    assert not matrix.present[0, :4].any()
    vector = client.instant(query, at_ms=AT_MS)
    assert isinstance(vector, Vector)
    at = matrix.timestamps_ms.tolist().index(AT_MS)
    assert matrix.values[0, at] == vector.values[0]


def test_its_refusals_are_told_in_its_words(client: PrometheusClient) -> None:
    with pytest.raises(QuerySyntaxError, match="source prometheus: .*unclosed left parenthesis"):
        client.instant("sum(", at_ms=AT_MS)
    with pytest.raises(QueryExecutionError, match="many-to-many matching not allowed"):
        client.instant('m{app="a"} * on () m{app="b"}', at_ms=AT_MS)


def test_thousands_of_values_fit_into_its_questions(client: PrometheusClient) -> None:
    queries = [f'sum(m{{app="a", namespace="shop"}} * {number})' for number in range(2)]
    queries += [f'sum(m{{app="application-number-{number}"}})' for number in range(2_999)] + ['sum(m{app="a"})']
    counting = Counting(client)
    answers = together(counting, queries)
    assert same(answers['sum(m{app="a"})'], alone(client, 'sum(m{app="a"})'))
    assert len(counting.asked) <= 12
    assert coalesce.MAX_LENGTH < 16_384
