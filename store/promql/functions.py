"""Which functions and aggregations Foretide evaluates, by family; everything else is refused by name."""

from __future__ import annotations

from typing import Final

SUPPORTED_AGGREGATIONS: Final = frozenset(
    {
        "sum", "avg", "min", "max", "count", "group", "stddev", "stdvar", "quantile",
        "topk", "bottomk", "limitk", "limit_ratio", "count_values",
    }
)  # fmt: skip

RATE_FAMILY: Final = frozenset(
    {"rate", "increase", "delta", "irate", "idelta", "resets", "changes", "deriv", "predict_linear",
     "double_exponential_smoothing"}
)  # fmt: skip
OVER_TIME: Final = frozenset(
    f"{what}_over_time"
    for what in (
        "avg", "min", "max", "sum", "count", "first", "last", "present", "absent", "stddev", "stdvar", "quantile",
        "mad", "ts_of_first", "ts_of_last", "ts_of_min", "ts_of_max",
    )
)  # fmt: skip
RANGE_FUNCTIONS: Final = RATE_FAMILY | OVER_TIME

ELEMENTWISE: Final = frozenset(
    {
        "abs", "ceil", "floor", "round", "exp", "ln", "log2", "log10", "sqrt", "sgn",
        "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "deg", "rad",
        "clamp", "clamp_min", "clamp_max",
    }
)  # fmt: skip
DATES: Final = frozenset(
    {"year", "month", "day_of_month", "day_of_week", "day_of_year", "days_in_month", "hour", "minute"}
)
LABELS: Final = frozenset({"label_replace", "label_join", "sort", "sort_desc", "sort_by_label", "sort_by_label_desc"})
HISTOGRAMS: Final = frozenset({"histogram_quantile", "histogram_quantiles", "histogram_fraction"})
OTHER: Final = frozenset({"absent", "scalar", "vector", "time", "timestamp", "pi"})

SUPPORTED_FUNCTIONS: Final = RANGE_FUNCTIONS | ELEMENTWISE | DATES | LABELS | HISTOGRAMS | OTHER
