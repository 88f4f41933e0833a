"""What a proof is of: everything that decides in a rule, and nothing else."""

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
    spec = rule.spec.model_dump(mode="json", by_alias=True, exclude=set(NOT_DECISIVE), exclude_defaults=True)
    text = json.dumps([rule.key, spec], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
