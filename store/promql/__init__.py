"""PromQL over any ``select`` of series: parsed by promql-parser, evaluated vectorised with Prometheus 3's semantics."""

from store.promql.evaluate import Evaluator
from store.promql.parse import check, check_syntax
from store.promql.results import (
    Matrix,
    Notes,
    QueryLimits,
    Result,
    Scalar,
    Text,
    Vector,
)

__all__ = [
    "Evaluator",
    "Matrix",
    "Notes",
    "QueryLimits",
    "Result",
    "Scalar",
    "Text",
    "Vector",
    "check",
    "check_syntax",
]
