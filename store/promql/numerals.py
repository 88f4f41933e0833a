"""Numbers as Prometheus writes them."""

from __future__ import annotations

import math
from decimal import Decimal


def plain(value: float) -> str:
    """Shortest decimal without exponent (Go's ``'f', -1``); ``NaN``, ``+Inf``, ``-Inf``."""
    text = _special(value)
    if text is not None:
        return text
    text = repr(value)
    if "e" in text:
        return format(Decimal(text), "f")
    return text.removesuffix(".0")


def in_json(value: float) -> str:
    """As in the HTTP API: plain, but with exponent below 1e-6 and from 1e21 on."""
    text = repr(value)
    if "e" not in text and "n" not in text:
        return text.removesuffix(".0")
    if value != value or math.isinf(value) or 1e-6 <= abs(value) < 1e21:
        return plain(value)
    mantissa, _, exponent = text.partition("e")
    return f"{mantissa.removesuffix('.0')}e{exponent}"


def general(value: float) -> str:
    """Go's ``%g`` in shortest form, as in warnings."""
    text = _special(value)
    if text is not None:
        return text
    if value != 0 and not 1e-4 <= abs(value) < 1e21:
        mantissa, _, exponent = format(Decimal(repr(value)), "e").partition("e")
        return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{exponent[0]}{exponent[1:]:0>2}"
    return plain(value)


def _special(value: float) -> str | None:
    if value != value:
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return None
