"""``foretide reap``, ``restore`` and ``freeze`` as commands, on the fake API server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.actuation.rings import Plan, Release, State
from controller.cluster.kubernetes_rings import RingShelf
from controller.cluster.kubernetes_switch import Switch
from kube import Access, connect
from tests.app.test_cli import ROOT, run
from tests.controller.cluster.world import World
from tests.fakes.clock import ManualClock
from tests.fakes.kube_api import KubeApi


@pytest.fixture
def fake() -> Iterator[KubeApi]:
    with KubeApi() as api:
        yield api


@pytest.fixture
def kubeconfig(fake: KubeApi, tmp_path: Path) -> Path:
    return fake.kubeconfig(tmp_path)


@pytest.fixture
def world(kubeconfig: Path, clock: ManualClock) -> Iterator[World]:
    """A floor that was set on a day long gone."""
    world = World(connect(Access(kubeconfig=kubeconfig, context="fake"), clock=clock), "shop")
    world.deployment()
    world.rolled_out()
    world.hpa()
    with world.watching():
        world.wants(3, 18)
        yield world


def foretide(kubeconfig: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(*arguments, "--context", "fake", "--kubeconfig", str(kubeconfig))


def test_reap_gives_back_and_tells_it_in_a_table(world: World, kubeconfig: Path) -> None:
    done = foretide(kubeconfig, "reap")
    assert (done.returncode, done.stderr) == (0, "")
    head, row = done.stdout.splitlines()
    assert head.split() == ["NAMESPACE", "KIND", "NAME", "BOUNDS", "NOW", "RESULT"]
    assert row.split() == ["shop", "HorizontalPodAutoscaler", "web", "3..18", "2..20", "given", "back"]
    assert world.ours() == {}
    assert foretide(kubeconfig, "reap").stdout == "nothing is left to give back\n"


def test_an_operator_reads_how_far_the_rings_are_and_lets_them_go_on(world: World, kubeconfig: Path) -> None:
    told = foretide(kubeconfig, "rings")
    assert (told.returncode, told.stdout) == (0, "everything acts everywhere\n")
    shelf = RingShelf(
        world.connection, world.owner("foretide"), namespace="foretide", plan=Plan(), leads=lambda: True
    )  # fmt: skip
    release = Release(name="policy ops/web", members={"a/x": "1", "b/x": "1"}, open=("a",), halted="its SLO burns")
    shelf.write(State(controller="0.1", releases=(release,)))
    told = foretide(kubeconfig, "rings")
    assert (told.returncode, told.stdout) == (
        1, "policy ops/web: ring 1 of 3 halted because its SLO burns; foretide rings --resume lets it go on\n",
    )  # fmt: skip
    told = foretide(kubeconfig, "rings", "--resume")
    assert (told.returncode, told.stdout.splitlines()[-1]) == (0, "it goes on from the next pass on")
    assert [(one.halted, one.open) for one in shelf.read().releases] == [("", ("a",))]
    foretide(kubeconfig, "rings", "--finish")
    assert shelf.read().releases[0].finished


def test_restore_has_to_be_meant(kubeconfig: Path, world: World) -> None:
    refused = foretide(kubeconfig, "restore")
    assert (refused.returncode, "say so with --all" in refused.stderr) == (2, True)
    done = foretide(kubeconfig, "restore", "--all", "--at-once")
    assert (done.returncode, world.ours()) == (0, {})


def test_restore_says_what_is_left(kubeconfig: Path, world: World, fake: KubeApi) -> None:
    fake.forbidden.add(("PATCH", "horizontalpodautoscalers"))
    done = foretide(kubeconfig, "restore", "--all", "--at-once")
    assert (done.returncode, "403" in done.stdout) == (1, True)


def test_freeze_and_its_end(kubeconfig: Path, world: World) -> None:
    assert foretide(kubeconfig, "freeze").returncode == 2
    assert foretide(kubeconfig, "freeze", "--reason", "INC-1").returncode == 0
    assert Switch(world.connection, namespace="foretide").why() == "INC-1"
    assert "held, by the kill switch: INC-1" in foretide(kubeconfig, "reap").stdout
    assert foretide(kubeconfig, "freeze", "--undo").returncode == 0
    assert foretide(kubeconfig, "freeze", "shop/web", "--reason", "sale").returncode == 0
    assert world.raw()["metadata"]["annotations"]["foretide.dev/freeze"] == "sale"
    assert foretide(kubeconfig, "freeze", "shop/web", "--undo").returncode == 0
    assert "foretide.dev/freeze" not in world.raw()["metadata"]["annotations"]


def test_without_a_named_cluster_nothing_is_touched() -> None:
    done = run("reap")
    assert (done.returncode, "there is no default context" in done.stderr) == (2, True)


def test_a_server_that_is_not_there_is_a_sentence(kubeconfig: Path, fake: KubeApi) -> None:
    fake.stop()
    done = foretide(kubeconfig, "reap")
    assert (done.returncode, done.stderr.count("\n")) == (4, 1)
    fake.start()


def test_nothing_heavy_is_imported() -> None:
    code = "import sys, app.reap_command; print([name for name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    heavy = ("sqlalchemy", "numpy", "pandas", "fastapi", "pydantic", "kubernetes", "dash", "yaml")
    assert [name for name in heavy if f"'{name}'" in loaded] == []
