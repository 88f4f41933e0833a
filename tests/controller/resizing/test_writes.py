"""A right-sizing on an API server: applied, watched, given back; whatever somebody else says wins."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from controller.actuation.stamp import FREEZE
from controller.resizing.case import Ruling, Stage, Word
from controller.resizing.change import NOTE, Target
from controller.resizing.giving_back import Reaped, reap
from controller.resizing.objects import Harm
from controller.resizing.raw import HPAS, MANAGER, PODS
from kube import Access, Writer, connect
from tests.controller.resizing.shop import DEPLOYMENT, NOON, SIZE, Shop, patch_of
from tests.fakes.clock import ManualClock
from tests.fakes.kube_api import KubeApi

GO, BACK = Ruling(word=Word.GO), Ruling(word=Word.BACK, reasons=("1 OOM since the change",))


@pytest.fixture
def fake() -> Iterator[KubeApi]:
    with KubeApi() as api:
        yield api


@pytest.fixture
def shop(fake: KubeApi, tmp_path: Path) -> Iterator[Shop]:
    connection = connect(Access(kubeconfig=fake.kubeconfig(tmp_path), context="fake"), clock=ManualClock(NOON))
    yield Shop(connection)
    connection.close()


def reaped(shop: Shop, *, everything: bool = False, after: timedelta = timedelta(0)) -> list[Reaped]:
    writer = Writer(shop.connection, MANAGER, qps=1000, burst=1000)
    return reap(
        shop.connection, writer, switch=lambda: shop.frozen, everything=everything, now=shop.now + after
    )  # fmt: skip


def test_a_pod_first_then_all_of_it_and_nothing_of_ours_is_left(shop: Shop) -> None:
    shop.make()
    shop.pod("web-1")
    shop.pod("web-2")
    case = shop.soaking(shop.accepted())
    assert (shop.pod_cpu("web-1"), shop.pod_cpu("web-2"), shop.cpu, shop.percent) == ("920m", "1", "1", 80)
    assert shop.annotations() == [NOTE]
    case = shop.watching(case, GO)
    assert (shop.cpu, shop.percent) == ("920m", 87)
    assert shop.raw()["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"] == SIZE["limits"]
    while case.stage is Stage.WATCHING:
        case = shop.tick(case, after=timedelta(hours=20))
    assert (case.stage, shop.annotations(), shop.cpu, shop.percent) == (Stage.DONE, [], "920m", 87)


def test_harm_in_the_canary_resizes_the_pod_back(shop: Shop) -> None:
    shop.make()
    shop.pod()
    case = shop.until(shop.soaking(shop.accepted()), Stage.ROLLED_BACK, BACK)
    assert (shop.pod_cpu(), shop.cpu, shop.annotations()) == ("1", "1", [])
    assert case.reason == "1 OOM since the change; pod web-1 has its old size"


def test_harm_after_the_rollout_gives_target_and_template_back(shop: Shop) -> None:
    shop.make()
    shop.pod()
    before = shop.raw()["spec"]["template"]
    case = shop.watching(shop.soaking(shop.accepted()), GO)
    shop.until(case, Stage.ROLLED_BACK, BACK)
    assert (shop.raw()["spec"]["template"], shop.percent, shop.annotations()) == (before, 80, [])


@pytest.mark.parametrize("core", [[], ["pods"]])
def test_without_the_subresource_the_rollout_is_the_canary(shop: Shop, fake: KubeApi, core: list[str]) -> None:
    fake.core = core
    shop.make(hpa=False)
    shop.pod()
    case = shop.tick(shop.accepted(patch_of("shop", hpa=False)))
    assert (case.stage, shop.cpu, shop.pod_cpu()) == (Stage.REST, "920m", "1")
    assert case.goes_by_rollout


@pytest.mark.parametrize(
    ("resources", "container", "why"),
    [
        (SIZE, {"resizePolicy": [{"resourceName": "cpu", "restartPolicy": "RestartContainer"}]}, "resizePolicy"),
        ({"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}}, {}, "its class"),
        ({"requests": {"cpu": "2"}}, {}, "pods ask for 2"),
    ],
)  # fmt: skip
def test_a_pod_that_would_restart_is_not_resized_in_place(
    shop: Shop, resources: dict[str, object], container: dict[str, object], why: str
) -> None:
    shop.make()
    shop.pod(resources=resources, **container)
    live = shop.sights.look(shop.accepted())
    assert live.candidate is None
    assert why in live.not_in_place


def test_a_user_who_edits_the_template_keeps_his_value(shop: Shop) -> None:
    shop.make()
    shop.pod()
    case = shop.watching(shop.soaking(shop.accepted()), GO)
    shop.edit("2")
    shop.until(case, Stage.HELD)
    assert (shop.cpu, shop.percent, shop.annotations()) == ("2", 80, [])


def test_a_user_who_writes_the_same_value_keeps_it(shop: Shop) -> None:
    shop.make()
    shop.pod()
    case = shop.watching(shop.soaking(shop.accepted()), GO)
    shop.edit("2")
    shop.edit("920m")
    case = shop.until(case, Stage.ROLLED_BACK, BACK)
    assert (shop.cpu, shop.percent, shop.annotations()) == ("920m", 80, [])
    assert "requests.cpu of web left as kubectl-edit has it" in case.reason


def test_a_user_who_moves_the_hpas_target_keeps_it(shop: Shop) -> None:
    shop.make()
    shop.pod()
    case = shop.watching(shop.soaking(shop.accepted()), GO)
    shop.aim(60)
    shop.until(case, Stage.ROLLED_BACK, BACK)
    assert (shop.cpu, shop.percent) == ("1", 60)


@pytest.mark.parametrize("manager", ["helm", "argocd-controller"])
def test_what_somebody_declares_is_not_forced(shop: Shop, manager: str) -> None:
    shop.make(manager=manager)
    shop.pod()
    case = shop.tick(shop.accepted())
    assert case.stage is Stage.HELD
    assert case.reason == f"conflict: {manager} states requests.cpu of web: set 920m there"
    assert (shop.annotations(), shop.pod_cpu()) == ([], "1")


def test_what_a_last_applied_configuration_states_is_not_forced(shop: Shop) -> None:
    stated = {"spec": {"template": {"spec": {"containers": [{"name": "web", "resources": SIZE}]}}}}
    shop.make(annotations={"kubectl.kubernetes.io/last-applied-configuration": json.dumps(stated)})
    shop.pod()
    case = shop.tick(shop.accepted())
    assert (case.stage, shop.cpu) == (Stage.HELD, "1")
    assert "the last applied configuration states requests.cpu" in case.reason


def test_git_that_comes_while_the_canary_soaks_ends_it(shop: Shop) -> None:
    shop.make()
    shop.pod()
    case = shop.soaking(shop.accepted())
    wanted = {"spec": {"template": {"spec": {"containers": [{"name": "web", "resources": SIZE}]}}}}
    shop.by("argocd").apply(DEPLOYMENT, "shop", "web", wanted, force=True)
    case = shop.until(case, Stage.HELD)
    assert (shop.pod_cpu(), shop.annotations()) == ("1", [])
    assert case.reason.startswith("conflict: argocd states")


def test_an_hpa_that_came_after_the_acceptance_holds_it(shop: Shop) -> None:
    shop.make()
    case = shop.tick(shop.accepted(patch_of("shop", hpa=False)))
    assert case.reason == "HPA web scales by cpu, and its target is not part of what was accepted"


def test_an_hpa_that_is_gone_leaves_the_template_to_be_given_back(shop: Shop) -> None:
    shop.make()
    shop.pod()
    case = shop.watching(shop.soaking(shop.accepted()), GO)
    shop.by().delete(HPAS, "shop", "web")
    case = shop.until(case, Stage.ROLLED_BACK, BACK)
    assert (shop.cpu, shop.annotations()) == ("1", [])
    assert "HPA web is gone" in case.reason


def test_a_lost_store_is_no_loss_the_note_is_enough(shop: Shop) -> None:
    shop.make()
    shop.pod()
    shop.soaking(shop.accepted())
    assert reaped(shop) == []
    (one,) = reaped(shop, after=timedelta(hours=49))
    assert (one.said, one.done) == ("pod web-1 has its old size", True)
    assert (shop.pod_cpu(), shop.annotations(), reaped(shop, everything=True)) == ("1", [], [])


def test_restore_gives_back_what_rose_too_and_its_target_last(shop: Shop) -> None:
    shop.make()
    lower = Target(hpa="web", resource="cpu", before=80, after=67)
    case = shop.tick(shop.accepted(replace(patch_of("shop", after="1200m"), targets=(lower,))))
    while case.stage is not Stage.WATCHING:
        shop.roll_out()
        case = shop.tick(case)
    assert (shop.cpu, shop.percent) == ("1200m", 67)
    (one,) = reaped(shop, everything=True)
    assert (one.done, shop.cpu, shop.percent) == (False, "1", 67)
    shop.roll_out()
    (one,) = reaped(shop, everything=True)
    assert (one.done, shop.percent, shop.annotations()) == (True, 80, [])


def test_what_expired_and_rose_stays_and_only_the_note_goes(shop: Shop) -> None:
    shop.make(hpa=False)
    case = shop.tick(shop.accepted(patch_of("shop", hpa=False, after="1200m")))
    assert shop.cpu == "1200m"
    (one,) = reaped(shop, after=timedelta(hours=49))
    assert (one.said, shop.cpu, shop.annotations()) == ("nothing of it was written", "1200m", [])
    assert case.stage is Stage.REST


def test_freeze_and_kill_switch_stop_it_and_the_reaper(shop: Shop) -> None:
    shop.make(annotations={FREEZE: "a release"})
    shop.pod()
    case = shop.tick(shop.accepted())
    assert (case.stage, case.reason) == (Stage.ACCEPTED, "waits: web is frozen: a release")
    shop.by().patch_merge(DEPLOYMENT, "shop", "web", {"metadata": {"annotations": {FREEZE: None}}})
    case = shop.soaking(case)
    shop.frozen = "an incident"
    case = shop.tick(case, BACK)
    assert (case.stage, shop.pod_cpu()) == (Stage.SOAKING, "920m")
    (one,) = reaped(shop, after=timedelta(hours=49))
    assert (one.said, one.done) == ("held: an incident", False)


def test_a_note_that_is_none_of_ours_gives_nothing_back(shop: Shop) -> None:
    shop.make(annotations={NOTE: '{"id":"x"}'})
    (one,) = reaped(shop, everything=True)
    assert one.said.startswith("left alone: annotation foretide.dev/resize")
    assert shop.cpu == "1"


def test_a_namespace_that_has_not_opted_in_waits(shop: Shop, fake: KubeApi) -> None:
    shop.make()
    fake.forbidden.add(("PATCH", "deployments"))
    done = shop.writes.rehearsed(shop.accepted(), NOON)
    assert not done.lasting
    assert done.failure == "shop has not opted in (kubectl apply -n shop -f deploy/kubernetes/opt-in/resize.yaml)"


def test_harm_is_counted_from_the_pods_themselves(shop: Shop) -> None:
    shop.make()
    shop.pod()
    shop.pod("web-2")
    case = shop.soaking(shop.accepted())
    assert shop.sights.harm(case) == Harm(pods=("web-1",))
    ended = {"terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": "2026-11-21T13:00:00Z"}}
    shop.kubelet(restartCount=1, lastState=ended)
    assert shop.sights.harm(case) == Harm(ooms=1, restarts=1, pods=("web-1",))


def test_a_kubelet_that_puts_it_off_says_why(shop: Shop) -> None:
    shop.make()
    shop.pod()
    case = shop.until(shop.accepted(), Stage.CANARY)
    pending = {"type": "PodResizePending", "status": "True", "reason": "Infeasible", "message": "too big"}
    shop.by("kubelet").patch_merge(PODS, "shop", "web-1", {"status": {"conditions": [pending]}}, subresource="status")
    assert shop.tick(case).reason == "pod web-1 is not resized: Infeasible: too big"
