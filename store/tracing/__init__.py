"""Other people's trace stores, read through: Jaeger (and what speaks its HTTP API) and Tempo.

Nothing is copied: traces are asked for when somebody looks, and of rates, errors and durations the present values.
"""

from __future__ import annotations

from store.tracing.asking import Red, Search, TraceSource
from store.tracing.jaeger import Jaeger
from store.tracing.tempo import Tempo

__all__ = ["Jaeger", "Red", "Search", "Tempo", "TraceSource"]
