"""Where everything is kept, on this machine: metrics, traces, control state; and PromQL over the metrics.

Takes samples, spans, decisions, forecasts and documents; gives series, query results, traces and the ledger back, also
after ``kill -9``. Never knows who asks, never decides anything, never reads a rule. ``metrics``, ``traces`` and
``state`` each own one database file and do not import each other; ``promql`` reads ``metrics`` through a function.
"""
