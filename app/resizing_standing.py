"""Where the advice stands while its right-sizing goes its way."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from controller.resizing.case import Case, Stage
from cost.recommendations import states
from domain.recommendations import KeptRecommendation, RecommendationState, Standing

BY = "foretide"


def told(kept: KeptRecommendation, case: Case, now: datetime) -> KeptRecommendation:
    """Applied from the first write on, since all of it stands as of then; open again with the reason where it ends.

    So it is not computed anew meanwhile, and whoever reads the list sees how far it is.
    """
    state = kept.standing.state
    if state not in (RecommendationState.ACCEPTED, RecommendationState.APPLIED):
        return kept
    if case.stage is Stage.ACCEPTED:
        return replace(kept, standing=replace(kept.standing, reason=case.reason))
    if case.stage in (Stage.HELD, Stage.ROLLED_BACK):
        how = "was rolled back" if case.stage is Stage.ROLLED_BACK else "is not applied"
        return states.undo(kept, by=BY, now=now, reason=f"{how}: {case.reason}")
    if state is RecommendationState.ACCEPTED:
        return states.apply(kept, by=BY, now=now, reason=f"under way: {case.reason}")
    since = case.applied_at or kept.standing.since
    reason = case.reason if case.stage is Stage.DONE else f"{_WORDS.get(case.stage, 'under way')}: {case.reason}"
    return replace(kept, standing=Standing(
        state=state, since=since, by=BY, reason=reason, digest=kept.standing.digest,
    ))  # fmt: skip


_WORDS = {Stage.WATCHING: "in force", Stage.REVERTING: "is given back"}
