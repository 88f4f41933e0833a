"""Jobs that ended more than a week ago and that nothing will ever clear away."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from cost.unused.activity import Activity
from cost.unused.finding import Finding, Kind, Target, Unknown, stamp
from cost.unused.prices import NOTHING, Prices
from cost.unused.snapshot import WEEK, Snapshot, Workload

_NAMED: Final = 50
"""In one command; a shell takes more, a reader does not."""


def find(snapshot: Snapshot, activity: Activity, prices: Prices) -> Iterator[Finding | Unknown]:
    """By namespace; a Job with an owner is its owner's (a CronJob has history limits), one with a TTL goes alone."""
    del activity, prices
    found: dict[str, list[Workload]] = defaultdict(list)
    for job in snapshot.workloads:
        of, ended = job.about.target, job.finished
        if of.kind != "Job" or job.about.owners or job.ttl_seconds is not None:
            continue
        if ended is not None and snapshot.at - ended > WEEK:
            found[f"{of.namespace}/{of.name}" if job.about.keep is not None else of.namespace].append(job)
    for _, jobs in sorted(found.items()):
        yield _finding(sorted(jobs, key=lambda one: (one.finished, one.about.target)))


def _finding(jobs: Sequence[Workload]) -> Finding:
    """Of one that somebody keeps alone, else of all in its namespace."""
    first = jobs[0].about
    namespace, ended = first.target.namespace, jobs[0].finished
    names = " ".join(one.about.target.name for one in jobs[:_NAMED])
    target = first.target if first.keep is not None else Target(namespace="", kind="Namespace", name=namespace)
    evidence = [("jobs", str(len(jobs))), ("ttl", "none of them has ttlSecondsAfterFinished")]
    if ended is not None:
        evidence.append(("oldest ended", stamp(ended)))
    if len(jobs) > _NAMED:
        evidence.append(("named in the command", f"the oldest {_NAMED}"))
    return Finding(
        kind=Kind.FINISHED_JOBS, target=target, monthly=NOTHING, since=ended, evidence=tuple(evidence),
        advice="They request nothing any more, but they and their pods fill etcd and every list; set "
               "ttlSecondsAfterFinished where they come from.",
        command=f"kubectl -n {namespace} delete job {names}",
        undo="none: their pods' logs and exit codes go with them; a job can be run again from its manifest",
    )  # fmt: skip
