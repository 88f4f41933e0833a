"""Whether a rule in `enforce` may act: only as its newest backtest allows, or as an override with a reason does."""

from __future__ import annotations

import hashlib
import json
from typing import Final

from rules.schema import ScalingRule

NOT_DECISIVE: Final = frozenset({"mode", "pause", "backtest_override", "budget"})
"""Fields that change no number of a replay: an update of these leaves a proof standing."""


def digest_of(rule: ScalingRule) -> str:
    """Of everything that decides in a rule; comments, metadata and ``mode`` change nothing.

    Defaults are left out, so that a later version of Foretide with more fields still knows the rule.
    """
    names = set(NOT_DECISIVE & set(type(rule.spec).model_fields))
    spec = rule.spec.model_dump(mode="json", by_alias=True, exclude=names, exclude_defaults=True)
    text = json.dumps([rule.key, spec], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
