"""What a signal remembers over a restart: its served errors and a level shift, as one versioned JSON body.

Fitted models are not kept: they come from the history again, and there shall be no second truth.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from domain.errors import ForetideError
from domain.forecasts import ForecastMemory
from forecaster.life import early_every
from forecaster.plan import Plan
from forecaster.signal_state import SignalState

logger = logging.getLogger(__name__)

VERSION: Final = 1
OFTENEST: Final = timedelta(minutes=5)
"""Otherwise as often as an early fit may come: hourly for a daily season; a hard stop forgets so much of two days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memories:
    """Where bodies are kept.

    Attributes:
        save: Keeps one in place of the signal's last.
        load: The signal's last; None where there is none.
    """

    save: Callable[[ForecastMemory], None]
    load: Callable[[str], ForecastMemory | None]

    def keep(self, state: SignalState, now: datetime) -> None:
        """Save when it is time; trouble is logged and stops nothing."""
        if state.keep_at is None or now < state.keep_at:
            return
        state.keep_at = now + max(OFTENEST, early_every(state.plan.spec.season))
        body = {"version": VERSION, "served": state.served.body(), "shift": state.shift.body()}
        kept = ForecastMemory(signal=state.plan.signal, plan=digest(state.plan), saved_at=now, body=body)
        try:
            self.save(kept)
        except ForetideError as error:
            logger.warning(
                "What was served is not kept over a restart", extra={"signal": kept.signal, "reason": str(error)}
            )

    def recall(self, state: SignalState, now: datetime) -> None:
        """Take over what was kept of the same plan; what cannot be read is dropped with one log line."""
        state.keep_at = now + max(OFTENEST, early_every(state.plan.spec.season))
        try:
            kept = self.load(state.plan.signal)
            if kept is None or kept.plan != digest(state.plan):
                return
            if kept.body["version"] != VERSION:
                raise ValueError(f"version {kept.body['version']}")
            state.served.restore(kept.body["served"])
            state.shift.restore(kept.body["shift"])
        except (ForetideError, ValueError, KeyError, TypeError) as error:
            logger.warning(
                "What was served before the restart cannot be read, begun anew",
                extra={"signal": state.plan.signal, "reason": f"{type(error).__name__}: {error}"},
            )


def digest(plan: Plan) -> str:
    """Of all that a plan says; a changed plan begins anew."""
    return hashlib.sha256(f"{plan.expr}\n{plan.levels}\n{plan.spec.model_dump_json()}".encode()).hexdigest()
