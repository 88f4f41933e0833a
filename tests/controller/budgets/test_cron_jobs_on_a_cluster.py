"""The real API server's own word on a CronJob that is suspended and given back, by the ServiceAccounts' own rights."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from app.budget_writes import taken_back, written
from controller.budgets.cron_jobs import CRON_JOB, CronJobs
from controller.budgets.deeds import Change, Deed, DeedState
from controller.budgets.notes import RESTORE
from kube import Connection, Writer
from tests.cluster.control_plane import Cluster
from tests.controller.budgets.test_cron_jobs import NOON
from tests.controller.cluster.real import CONTROLLER, REAPER, RIGHTS, connection_of
from tests.deploy.applying import apply
from tests.deploy.manifests import FOLDER, objects, opt_in

TEMPLATE = {"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "c"}]}}}}


def cron_jobs(connection: Connection) -> CronJobs:
    return CronJobs(connection, Writer(connection, qps=1000, burst=1000), switch=lambda: "")


def raw(connection: Connection, namespace: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(connection.request("GET", CRON_JOB.path(namespace=namespace, name=name)))
    return found


def test_a_cron_job_is_given_back_without_a_trace(cluster: Cluster) -> None:
    for one in objects(FOLDER):
        if one["kind"] in RIGHTS:
            apply(cluster.api, one)
    namespace, admin = cluster.namespace("cron"), connection_of(cluster)
    for one in opt_in("suspend"):
        apply(cluster.api, {**one, "metadata": {**one["metadata"], "namespace": namespace}})
    made = Writer(admin, "kubectl-create")
    for name in ("nightly", "lost"):
        spec = {"schedule": "0 3 * * *", "jobTemplate": TEMPLATE}
        made.create(CRON_JOB, namespace, {"metadata": {"name": name}, "spec": spec})
    before = raw(admin, namespace, "nightly")
    ours = cron_jobs(connection_of(cluster, CONTROLLER))
    changes: tuple[Change, ...] = tuple(change for change, _ in ours.running((namespace,), {}))
    deed = Deed(
        id="b/over/stop", period="2026-11-01", state=DeedState.ACTING, since=NOON, changes=changes,
        expires_at=NOON + timedelta(days=9),
    )  # fmt: skip
    deed = written(deed, {"CronJob": ours}, NOON)
    assert (deed.state, raw(admin, namespace, "nightly")["spec"]["suspend"]) == (DeedState.HELD, True)
    # The store is gone with the deed of `lost`: its note is enough for the reaper.
    reaped = dict(cron_jobs(connection_of(cluster, REAPER)).expired(NOON + timedelta(days=9)))
    assert reaped[f"CronJob {namespace}/lost"].said == "resumed"
    assert taken_back(ours_reverting(deed), {"CronJob": ours}, NOON).state is DeedState.INACTIVE
    for name in ("nightly", "lost"):
        after = raw(admin, namespace, name)
        assert after["spec"] == before["spec"]
        assert RESTORE not in (after["metadata"].get("annotations") or {})
        assert "foretide" not in {one["manager"] for one in after["metadata"]["managedFields"]}


def ours_reverting(deed: Deed) -> Deed:
    return replace(deed, state=DeedState.REVERTING)
