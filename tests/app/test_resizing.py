"""Accepted advice on its way: applied once a minute, told in the list and the trail, and back on harm or a no."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI, Request

from app import resizing_command, resizing_endpoints
from app.queries import Queries
from app.resizing import Resizings
from app.resizing_health import Judge
from app.resizing_items import case_of
from app.resizing_rules import Objection, objection_of
from controller.resizing.case import Stage
from controller.resizing.raw import HPAS, PODS
from controller.resizing.records import from_json, to_json
from cost.recommendations import states
from cost.sizing.hpa_aware import for_pod
from cost.sizing.observed import Evidence, Resource, Risk, Size, Sizing
from domain.clock import to_ms
from domain.labels import METRIC_NAME, Labels
from domain.recommendations import Change, KeptRecommendation, RecommendationKind, RecommendationState
from domain.series import Series
from domain.units import parse_quantity
from kube import Access, connect
from store.metrics import MetricsStore
from store.state import AuditTrail, Recommendations, ResizingCases, State
from tests.app.asgi import call
from tests.app.world import rule_set
from tests.controller.resizing.shop import DEPLOYMENT, NOON, SIZE, Shop, patch_of
from tests.cost.recommendations.advice import resize
from tests.fakes.clock import ManualClock
from tests.fakes.kube_api import KubeApi

DAY = timedelta(days=1)
LIMITED = {"requests": SIZE["requests"], "limits": {"memory": "2Gi", "cpu": "2"}}


class World:
    """A shop on the fake API server, its store, and who accepts."""

    def __init__(self, connection: Any, state: State, store: MetricsStore) -> None:
        self.shop, self.state, self.store = Shop(connection), state, store
        self.said: list[tuple[str, str]] = []
        self.leads = True
        self.objection = Objection()
        self.loop = self.begun()

    def begun(self) -> Resizings:
        """A process that has just started."""
        queries = Queries(self.store, clock=ManualClock(NOON))
        return Resizings(
            state=self.state, sights=self.shop.sights, writes=self.shop.writes,
            judge=Judge(queries, self.shop.sights.harm), leads=lambda: self.leads,
            objection=lambda patch, now: self.objection,
            say=lambda ref, reason, message: self.said.append((reason, message)),
        )  # fmt: skip

    def accept(self, advice: Any = None) -> str:
        advice = advice or resize()
        now = self.shop.now
        kept = states.accept(states.first(advice, now), digest=advice.digest, by="ada", now=now)
        self.put(kept)
        return kept.id

    def put(self, kept: KeptRecommendation) -> None:
        with self.state.transaction() as session:
            Recommendations(session).put(kept)

    def advice(self, id_: str) -> KeptRecommendation:
        with self.state.transaction() as session:
            found = Recommendations(session).get(id_)
        assert found is not None
        return found

    def stage(self, id_: str) -> Stage:
        with self.state.transaction() as session:
            cases = ResizingCases(session)
            return from_json((cases.all(over=False) | cases.all(over=True))[id_]).stage

    def tick(self, after: timedelta = timedelta(minutes=1)) -> None:
        self.shop.now += after
        self.loop.tick(self.shop.now)

    def until(self, id_: str, stage: Stage, also: Callable[[], None] = lambda: None) -> None:
        for _ in range(12):
            self.tick()
            if self.stage(id_) is stage:
                return
            also()
        raise AssertionError(f"{self.stage(id_)} {self.advice(id_).standing}")

    def trail(self) -> list[str]:
        with self.state.transaction() as session:
            lines = AuditTrail(session).newest(limit=100)
        return [f"{one.detail['from']}>{one.detail['to']}" for one in reversed(lines) if one.verb == "resize"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    state = State.open(f"sqlite:///{tmp_path / 'state.db'}")
    store = MetricsStore.open(tmp_path / "metrics.db", retention=timedelta(days=15), clock=ManualClock(NOON + 9 * DAY))
    with KubeApi() as api:
        connection = connect(Access(kubeconfig=api.kubeconfig(tmp_path), context="fake"), clock=ManualClock(NOON))
        yield World(connection, state, store)
        connection.close()
    store.close()
    state.close()


def soaked(world: World, id_: str) -> None:
    world.until(id_, Stage.CANARY)
    world.shop.kubelet()
    world.until(id_, Stage.SOAKING)
    world.tick(DAY)
    world.until(id_, Stage.WATCHING, also=world.shop.roll_out)


def test_nothing_is_written_before_somebody_accepts(world: World) -> None:
    world.shop.make()
    world.shop.pod()
    world.put(states.first(resize(), NOON))
    world.tick()
    assert (world.shop.cpu, world.shop.pod_cpu(), world.shop.annotations(), world.said) == ("1", "1", [], [])


def test_an_accepted_size_is_applied_told_and_done(world: World) -> None:
    world.shop.make()
    world.shop.pod()
    id_ = world.accept()
    world.until(id_, Stage.CANARY)
    assert world.advice(id_).standing.state is RecommendationState.APPLIED
    assert world.advice(id_).standing.reason.startswith("under way: pod web-1 goes first")
    world.shop.kubelet()
    world.loop = world.begun()  # a restart in between
    world.until(id_, Stage.SOAKING)
    world.tick(DAY)
    world.until(id_, Stage.WATCHING, also=world.shop.roll_out)
    standing, applied_at = world.advice(id_).standing, world.shop.now
    assert (standing.state, standing.since) == (RecommendationState.APPLIED, applied_at)
    assert (world.shop.cpu, world.shop.percent) == ("920m", 87)
    while world.stage(id_) is Stage.WATCHING:
        world.tick(DAY / 2)
    assert (world.shop.annotations(), world.advice(id_).standing.since) == ([], applied_at)
    assert [reason for reason, _ in world.said] == ["ResizeBegun", "ResizeApplied", "ResizeDone"]
    assert world.trail() == ["Accepted>Canary", "Canary>Soaking", "Soaking>Rest", "Rest>Watching", "Watching>Done"]


def test_an_oom_of_the_canary_takes_it_back_and_opens_the_advice_with_the_reason(world: World) -> None:
    world.shop.make()
    world.shop.pod()
    id_ = world.accept()
    world.until(id_, Stage.CANARY)
    world.shop.kubelet()
    world.until(id_, Stage.SOAKING)
    ended = {"terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": "2026-11-21T13:00:00Z"}}
    world.shop.kubelet(restartCount=1, lastState=ended)
    world.until(id_, Stage.ROLLED_BACK)
    standing = world.advice(id_).standing
    assert (world.shop.pod_cpu(), standing.state) == ("1", RecommendationState.OPEN)
    assert "1 OOM since the change" in standing.reason
    assert world.said[-1][0] == "ResizeRolledBack"


def counted(world: World, pod: str, throttled: float) -> None:
    """CPU periods of two days, of which a share is throttled in the second."""
    steps = np.arange(2 * 288)
    times = to_ms(world.shop.now - DAY) + 300_000 * steps
    counts = {"container_cpu_cfs_periods_total": 3000.0 * steps,
              "container_cpu_cfs_throttled_periods_total": 3000.0 * throttled * np.maximum(steps - 288, 0)}  # fmt: skip
    world.store.load([
        Series(labels=Labels.of({METRIC_NAME: name, "namespace": "shop", "pod": pod, "container": "web"}),
               timestamps_ms=times, values=values)
        for name, values in counts.items()
    ])  # fmt: skip


@pytest.mark.parametrize(("throttled", "stage"), [(0.2, Stage.ROLLED_BACK), (0.01, Stage.REST)])
def test_throttling_is_compared_with_the_day_before(world: World, throttled: float, stage: Stage) -> None:
    world.shop.make()
    world.shop.pod(resources=LIMITED)
    id_ = world.accept()
    world.until(id_, Stage.CANARY)
    world.shop.kubelet()
    world.until(id_, Stage.SOAKING)
    counted(world, "web-1", throttled)
    world.tick(DAY)
    world.until(id_, stage) if world.stage(id_) is not stage else None
    assert (world.shop.pod_cpu() == "1") is (stage is Stage.ROLLED_BACK)


def test_a_limit_of_cpu_and_nobody_who_tells_of_throttling_holds_it(world: World) -> None:
    world.shop.make()
    world.shop.pod(resources=LIMITED)
    id_ = world.accept()
    world.until(id_, Stage.CANARY)
    world.shop.kubelet()
    world.until(id_, Stage.SOAKING)
    world.tick(2 * DAY)
    assert world.stage(id_) is Stage.SOAKING
    world.tick(2 * DAY)
    world.until(id_, Stage.HELD)
    assert world.advice(id_).standing.reason == (
        "is not applied: nobody tells whether it is throttled; pod web-1 has its old size"
    )


def test_a_no_in_the_middle_gives_it_back(world: World) -> None:
    world.shop.make()
    world.shop.pod()
    id_ = world.accept()
    soaked(world, id_)
    world.put(states.undo(world.advice(id_), by="ada", now=world.shop.now, reason="not now"))
    world.until(id_, Stage.HELD)
    assert (world.shop.cpu, world.shop.percent, world.shop.annotations()) == ("1", 80, [])


def test_another_patch_than_the_accepted_one_is_not_applied(world: World) -> None:
    world.shop.make()
    advice = resize()
    kept = states.accept(states.first(advice, NOON), digest=advice.digest, by="ada", now=NOON)
    world.put(replace(kept, advice=resize(after="700m")))
    world.tick()
    standing = world.advice(kept.id).standing
    assert (standing.state, world.shop.cpu) == (RecommendationState.OPEN, "1")
    assert "is another by now" in standing.reason


def test_what_declares_the_size_is_told_in_the_list(world: World) -> None:
    world.shop.make(manager="helm")
    id_ = world.accept()
    world.tick()
    standing = world.advice(id_).standing
    assert (standing.state, world.stage(id_)) == (RecommendationState.OPEN, Stage.HELD)
    assert standing.reason == "is not applied: conflict: helm states requests.cpu of web: set 920m there"


def test_only_the_leader_acts(world: World) -> None:
    world.shop.make()
    world.accept()
    world.leads = False
    world.tick()
    assert world.shop.annotations() == []


def test_without_pods_to_resize_one_workload_is_rolled_out_at_a_time(world: World) -> None:
    for name in ("web", "api"):
        raw = {"name": name, "image": "i", "resources": {"requests": {"cpu": "1"}}}
        spec = {"replicas": 2 if name == "api" else 3, "selector": {"matchLabels": {"app": name}},
                "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [raw]}}}  # fmt: skip
        world.shop.by().create(DEPLOYMENT, "shop", {"metadata": {"name": name}, "spec": spec})
    web, api = (world.accept(_alone(name)) for name in ("web", "api"))
    world.tick()
    world.tick()
    assert (world.stage(web), world.stage(api)) == (Stage.ACCEPTED, Stage.REST)
    world.tick()
    assert world.advice(web).standing.reason == "waits: another workload was rolled out, and is watched for a day"


def _alone(name: str) -> Any:
    advice = resize(name)
    return replace(advice, kind=RecommendationKind.RIGHT_SIZE_REQUESTS, changes=advice.changes[:1])


def test_applied_five_times_in_a_row_it_does_not_drift(world: World) -> None:
    """What a pod carries stays at 0.8 cores, whatever it is sized to; the naive way ends at 0.33 of the request."""
    world.shop.make()
    world.shop.pod()
    seen = []
    for _ in range(5):
        request = int(parse_quantity(world.shop.cpu) * 1000)
        sizing = Sizing(
            target="shop/Deployment/web", container="web", resource=Resource.CPU, current=Size(request=request),
            wanted=Size(request=request * world.shop.percent // 100), engine="forecast", evidence=Evidence(),
            confidence=1.0, risk=Risk.LOW,
        )  # fmt: skip
        (found,) = for_pod([sizing], world.shop.percent)
        assert found.wanted is not None
        if found.wanted.request != request:
            changes = (
                Change(path="containers[web].requests.cpu", before=f"{request}m", after=f"{found.wanted.request}m"),
                Change(path="hpa[web].target.cpu", before=str(world.shop.percent), after=str(found.hpa_target_percent)),
            )
            soaked(world, world.accept(replace(resize(), changes=changes)))
        seen.append((world.shop.cpu, world.shop.percent))
        asked = world.shop.raw()["spec"]["template"]["spec"]["containers"][0]["resources"]
        world.shop.by().delete(PODS, "shop", "web-1")  # replaced by the rollout
        world.shop.pod(resources=asked)
    assert seen == [("920m", 87)] * 5
    assert world.shop.raw(HPAS)["spec"]["maxReplicas"] == 9


def test_a_case_is_kept_whole() -> None:
    advice = resize()
    kept = states.accept(states.first(advice, NOON), digest=advice.digest, by="ada", now=NOON)
    case = replace(case_of(kept, NOON), began_at=NOON, stage=Stage.SOAKING)
    assert from_json(to_json(case)) == case


def test_advice_that_is_no_size_is_no_case() -> None:
    advice = replace(resize(), changes=(Change(path="nodes", before="3", after="2"),))
    kept = states.accept(states.first(advice, NOON), digest=advice.digest, by="ada", now=NOON)
    with pytest.raises(ValueError, match="nodes is no size"):
        case_of(kept, NOON)


def test_a_burning_slo_holds_it_back_and_a_rule_by_utilisation_for_good(world: World) -> None:
    world.shop.make()
    world.shop.pod()
    id_ = world.accept()
    world.objection = Objection(now="SLO shop/web of shop/web burns")
    world.tick()
    assert world.advice(id_).standing.reason == "waits: SLO shop/web of shop/web burns"
    world.objection = Objection(lasting="rule shop/web scales by the utilisation of cpu")
    world.tick()
    assert world.advice(id_).standing.state is RecommendationState.OPEN


BY_CPU = """\
apiVersion: foretide.dev/v1alpha1
kind: ScalingRule
metadata: {name: web, namespace: shop}
spec:
  target: {kind: Deployment, name: web}
  replicas: {min: 1, max: 9}
  triggers: [{name: cpu, resource: {name: cpu, utilization: 70}}]
"""


def test_a_rule_of_ours_that_scales_by_utilisation_objects(tmp_path: Path) -> None:
    rules = rule_set(tmp_path, BY_CPU).rules
    objection = objection_of(rules, patch_of("shop"), lambda rule: None)
    assert objection.lasting == "rule shop/web scales by the utilisation of cpu, and its target does not move along"
    assert objection_of(rules, patch_of("other"), lambda rule: None) == Objection()


def test_what_is_under_way_is_listed_and_stopped_by_a_person(world: World) -> None:
    world.shop.make()
    world.shop.pod()
    id_ = world.accept()
    soaked(world, id_)
    application = FastAPI()
    application.include_router(resizing_endpoints.router(world.state, ManualClock(world.shop.now)), prefix="/api/v1")
    application.middleware("http")(_as_ada)
    (one,) = call(application, "/api/v1/cost/resizings").json["data"]
    assert (one["id"], one["target"], one["stage"]) == (id_, "shop/Deployment/web", "Watching")
    assert one["changes"][1] == {"path": "hpa[web].target.cpu", "before": "80", "after": "87"}
    out = io.StringIO()
    resizing_command.write([one], "table", out)
    assert out.getvalue().splitlines()[2] == "      containers[web].requests.cpu 1 -> 920m"

    def stop(one: str, reason: str) -> int:
        body = [json.dumps({"reason": reason}).encode()]
        headers = {"content-type": "application/json"}
        path = f"/api/v1/cost/resizings/{one}/stop"
        return call(application, path, method="POST", headers=headers, body=body).status

    assert stop(id_, "a release") == 202
    world.until(id_, Stage.HELD)
    assert (world.shop.cpu, world.shop.percent) == ("1", 80)
    assert world.advice(id_).standing.reason == "a release"
    assert (stop(id_, "again"), stop("0123456789ab", "of nobody")) == (409, 404)


async def _as_ada(request: Request, following: Callable[[Request], Any]) -> Any:
    request.state.actor = "ada"
    return await following(request)
