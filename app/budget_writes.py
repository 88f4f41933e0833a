"""A deed's patch goes into the world and out of it again: limits by themselves, CronJobs by a write each."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from controller.budgets import deeds, levers
from controller.budgets.cron_jobs import ON_CRON_JOB, CronJobs
from controller.budgets.deeds import Change, Deed, DeedState


def written(deed: Deed, cron_jobs: CronJobs | None, now: datetime) -> Deed:
    """After its patch was written, as far as it could be; what was written in vain is taken back."""
    wanted = _on_cron_jobs(deed)
    if not wanted or cron_jobs is None or deed.expires_at is None:
        return deeds.acted(deed, now)
    done = [cron_jobs.suspend(change, deed=deed.id, expires=deed.expires_at) for change in wanted]
    failures = [one for one in done if one.failure]
    lasting = [one.failure for one in failures if one.lasting]
    if len(lasting) == len(done):
        return deeds.acted(deed, now, failure="; ".join(lasting), lasting=True)
    if len(failures) == len(lasting):  # what somebody else keeps is left out, the rest stands
        return replace(deeds.acted(deed, now), reason="; ".join(["in force", *lasting]))
    failed = deeds.acted(deed, now, failure=next(one.failure for one in failures if not one.lasting))
    if failed.state is DeedState.FAILED:
        return replace(failed, state=DeedState.REVERTING, over=True, reason=f"is taken back: {failed.reason}", tries=0)
    return failed


def taken_back(deed: Deed, cron_jobs: CronJobs | None, now: datetime) -> Deed:
    """After what is left of it was given back; ``REVERTING`` until all of it is."""
    wanted = _on_cron_jobs(deed)
    if wanted and cron_jobs is None:
        return deeds.reverted(deed, now, failure="there is no cluster to write to")
    done = [] if cron_jobs is None else [cron_jobs.resume(change) for change in wanted]
    failures = [one.failure for one in done if one.failure]
    if failures:
        return deeds.reverted(deed, now, failure=failures[0])
    if not levers.is_given_back(deed, now):
        return deed
    kept = [one.said for one in done if one.said.startswith("left as")]
    return deeds.reverted(deed, now, said="; ".join(kept))


def _on_cron_jobs(deed: Deed) -> list[Change]:
    return [one for one in deed.changes if one.target.startswith(ON_CRON_JOB)]
