from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.cluster_documents import AllDocuments
from rules import RulesFolder

FILE = """\
apiVersion: foretide.dev/v1alpha1
kind: ScalingRule
metadata: {name: checkout, namespace: shop}
spec:
  target: {name: checkout}
  replicas: {min: 2, max: 40}
  triggers: [{name: rps, query: up, perReplica: 10}]
"""


def any_query(query: str) -> None:
    """All are PromQL here."""


class Server:
    """Objects as an API server keeps them: with uid, generation and age."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] | None = {}
        self._made = self.revision = 0

    @property
    def known(self) -> bool:
        return self.kept is not None

    def objects(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        def age(item: tuple[str, dict[str, Any]]) -> str:
            return str(item[1]["metadata"]["creationTimestamp"])

        for title, one in sorted((self.kept or {}).items(), key=age):
            yield title, one["kind"], one

    def put(self, kind: str, name: str, spec: dict[str, Any], **metadata: Any) -> None:
        assert self.kept is not None
        place, self._made = f"{kind} shop/{name}", self._made + 1
        self.revision += 1
        old = self.kept.get(place, {"metadata": {"uid": f"uid-{self._made}", "generation": 0}})["metadata"]
        made = {"creationTimestamp": f"2026-11-21T12:00:{self._made:02}Z", **old, "generation": old["generation"] + 1}
        metadata = {**made, "name": name, "namespace": "shop", **metadata}
        self.kept[place] = {
            "apiVersion": "foretide.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec,
            "status": {"observedGeneration": 1},
        }  # fmt: skip

    def delete(self, place: str) -> None:
        assert self.kept is not None
        self.revision += 1
        del self.kept[place]


def rule(target: str, *, least: int = 2, **more: Any) -> dict[str, Any]:
    triggers = [{"name": "rps", "query": "up", "perReplica": 0.5}]
    return {"target": {"name": target}, "replicas": {"min": least, "max": 40}, "triggers": triggers, **more}


SLO = {"indicator": {"ratio": {"good": "up", "total": "up"}}, "objective": 99.9}


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def documents(server: Server, tmp_path: Path) -> AllDocuments:
    return AllDocuments(RulesFolder(tmp_path, check_query=any_query), server, check_query=any_query)


def run(documents: AllDocuments) -> dict[str, int]:
    """What runs after a poll, each with its least replicas."""
    documents.poll()
    return {one.key: one.spec.replicas.min for one in documents.running.rules}


def said(documents: AllDocuments) -> list[str]:
    return [str(one) for one in documents.mistakes]


def test_objects_run_beside_files_and_know_their_place(documents: AllDocuments, server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(FILE)
    server.put("ScalingRule", "cart", rule("cart"))
    assert run(documents) == {"shop/cart": 2, "shop/checkout": 2}
    assert documents.running.sources["shop/cart"] == "ScalingRule shop/cart"
    assert str(documents.running.rules[0].spec.triggers[0].per_replica) == "0.5"
    assert not documents.poll()


def test_a_broken_object_keeps_its_last_good_version_and_stops_nobody_else(
    documents: AllDocuments, server: Server
) -> None:
    server.put("ScalingRule", "cart", rule("cart"))
    run(documents)
    server.put("ScalingRule", "cart", rule("cart", least=50))
    server.put("ScalingRule", "blog", rule("blog"))
    server.put("ScalingRule", "new", rule("new", least=50))
    assert run(documents) == {"shop/blog": 2, "shop/cart": 2}
    assert said(documents)[0].startswith("ScalingRule shop/cart: spec.replicas.max: must be at least min (50)")
    assert documents.objection("ScalingRule shop/cart").endswith("what ran before runs on")
    assert [documents.runs(f"ScalingRule shop/{name}") for name in ("cart", "new")] == [True, False]
    server.put("ScalingRule", "cart", rule("cart", least=5))
    assert run(documents) == {"shop/blog": 2, "shop/cart": 5}


def test_a_file_goes_before_an_object_of_the_same_name(documents: AllDocuments, server: Server, tmp_path: Path) -> None:
    server.put("ScalingRule", "checkout", rule("checkout", least=7))
    assert run(documents) == {"shop/checkout": 7}
    (tmp_path / "a.yaml").write_text(FILE)
    assert run(documents) == {"shop/checkout": 2}
    assert said(documents) == [
        f"ScalingRule shop/checkout: metadata.name: ScalingRule shop/checkout is also defined in {tmp_path}/a.yaml:3"
    ]
    (tmp_path / "a.yaml").unlink()
    assert run(documents) == {"shop/checkout": 7}
    assert said(documents) == []


def test_who_runs_keeps_its_target_and_among_newcomers_the_older_gets_it(
    documents: AllDocuments, server: Server
) -> None:
    server.put("ScalingRule", "zulu", rule("cart"))
    server.put("ScalingRule", "alpha", rule("cart"))
    assert run(documents) == {"shop/zulu": 2}
    server.put("ScalingRule", "older", rule("other"), creationTimestamp="2020-01-01T00:00:00Z")
    run(documents)
    server.put("ScalingRule", "older", rule("cart"), creationTimestamp="2020-01-01T00:00:00Z")
    assert run(documents) == {"shop/older": 2, "shop/zulu": 2}
    assert any("already scaled by the rule in ScalingRule shop/zulu" in one for one in said(documents))


def test_what_a_rule_stands_on_stays_while_the_rule_names_it(documents: AllDocuments, server: Server) -> None:
    server.put("SLO", "avail", SLO)
    server.put("ScalingRule", "cart", rule("cart", guard={"slo": "avail"}))
    assert run(documents) == {"shop/cart": 2}, said(documents)
    server.delete("SLO shop/avail")
    server.put("ScalingRule", "blog", rule("blog"))
    for _ in range(2):
        assert run(documents) == {"shop/blog": 2, "shop/cart": 2}
        assert [one.key for one in documents.running.slos] == ["shop/avail"]
        assert "ScalingRule shop/cart: spec.guard.slo: there is no SLO" in said(documents)[0]
    server.put("ScalingRule", "cart", rule("cart"))
    run(documents)
    assert (documents.running.slos, documents.mistakes) == ((), ())


def test_a_bad_file_keeps_the_files_and_objects_go_on(documents: AllDocuments, server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(FILE)
    run(documents)
    (tmp_path / "a.yaml").write_text(FILE.replace("min: 2", "min: 41"))
    server.put("ScalingRule", "cart", rule("cart"))
    assert run(documents) == {"shop/cart": 2, "shop/checkout": 2}
    assert len(documents.mistakes) == 1


def test_a_status_is_no_change_a_label_is(documents: AllDocuments, server: Server) -> None:
    server.put("ScalingRule", "cart", rule("cart"))
    run(documents)
    assert server.kept is not None
    one = server.kept["ScalingRule shop/cart"]
    server.revision += 1
    server.kept["ScalingRule shop/cart"] = {**one, "status": {"observedGeneration": 2}}
    assert not documents.poll()
    server.revision += 1
    server.kept["ScalingRule shop/cart"] = {**one, "metadata": {**one["metadata"], "labels": {"team": "a"}}}
    assert documents.poll()
    assert documents.running.rules[0].metadata.labels == {"team": "a"}
