"""What is said about generated autoscalers, and the whole command against a real Prometheus that holds them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import yaml

from app.assess_command import Asked, judged, run
from app.assess_recording import Recording
from app.assess_replay import FORECAST, LEAVE, NO_DATA, NOT_CREDIBLE, PATCH, RAISE_MAX, Assessed, Question, assess
from app.fleet import Hpa, MetricTarget, Requests, workload_of
from app.fleet_source import Access
from tests.fakes.fleet import Kind, day_shape, record, series, write
from tests.fakes.prometheus import Asked as Question_
from tests.fakes.prometheus import Server, as_json, prometheus_with

DAYS = 8
START = datetime(2026, 5, 3, tzinfo=UTC)
CALM = day_shape(DAYS, low=0.5, high=2.5, seed=3, noise=0.03)


def recording(kind: Kind) -> Recording:
    """What would have been read of it."""
    made = record(kind)
    targets = kind.only if kind.only is not None else (("cpu", "utilization", kind.target), *kind.more_targets)
    return Recording(
        hpa=Hpa(
            namespace="shop", name=kind.name, kind="Deployment", workload=kind.name, min_replicas=kind.low,
            max_replicas=kind.high,
            targets=tuple(MetricTarget(name=name, kind=type_, number=number) for name, type_, number in targets),
        ),
        requests=Requests(cpu_cores=kind.request, cpu_limit_cores=kind.limit),
        start_ms=0, current=made.current, desired=made.current, ready=made.ready, cpu_cores=made.cpu,
        metric=made.percent if kind.own_reading else None,
        offered=made.requests_per_second if kind.mesh else None, offered_by="Istio" if kind.mesh else "",
        pods_seen=1 - kind.unseen,
    )  # fmt: skip


def said(kind: Kind) -> Assessed:
    return assess(recording(kind), Question(kubernetes_minor=34))


def test_a_target_that_is_far_too_low_gets_a_patch_or_better() -> None:
    found = said(Kind(name="careful", cores=CALM, target=35))

    assert found.advice in (PATCH, FORECAST)
    assert found.saved_replicas > 1
    assert found.fidelity is not None
    assert found.fidelity.is_credible
    assert yaml.safe_load(found.patch)["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] > 40


def test_a_target_beyond_the_request_that_has_been_carried_is_told() -> None:
    found = said(Kind(name="careful", cores=CALM, target=30))

    assert any("it has carried" in note for note in found.notes) == (found.advice == PATCH)


@pytest.mark.parametrize(
    ("kind", "advice", "words"),
    [
        (Kind(name="idle", cores=0.02 * CALM, low=3), LEAVE, "stands at minReplicas 3"),
        (Kind(name="fixed", cores=0.3 * CALM, low=4, high=4), LEAVE, "both 4"),
        (Kind(name="full", cores=4 * CALM, limit=0.5, high=6), RAISE_MAX, "maxReplicas 6"),
        (Kind(name="bare", cores=CALM, request=None), NO_DATA, "request no CPU"),
        (Kind(name="hands", cores=CALM, hands=True, high=30), NOT_CREDIBLE, "hands must have decided"),
        (Kind(name="half", cores=CALM, unseen=0.4), NO_DATA, "60 % of its pods"),
        (Kind(name="gone", cores=CALM, own_reading=False, silent=(2000, 9000)), NO_DATA, "90 % are needed"),
        (Kind(name="memory", cores=CALM, only=(("memory", "utilization", 80.0),)), NO_DATA, "memory alone"),
        (Kind(name="ratio", cores=CALM, only=(("queue", "value", 80.0),)), NO_DATA, "a ratio to a target"),
        (Kind(name="untold", cores=CALM, only=()), NO_DATA, "does not tell its target"),
    ],
    ids=lambda value: value.name if isinstance(value, Kind) else "",
)
def test_what_cannot_be_helped_or_told_says_why(kind: Kind, advice: str, words: str) -> None:
    found = said(kind)

    assert (found.advice, words in found.reason) == (advice, True), found.reason


def test_a_short_history_is_not_judged() -> None:
    whole = recording(Kind(name="new", cores=CALM))
    late = whole.current.copy()
    late[: 3 * 1440] = np.nan
    new = Recording(
        hpa=whole.hpa, requests=whole.requests, start_ms=0, current=late, desired=late, ready=whole.ready,
        cpu_cores=whole.cpu_cores,
    )  # fmt: skip

    assert "5.0 days; 7 are needed" in assess(new, Question()).reason


def test_a_mesh_is_taken_for_the_load_and_trusted_more() -> None:
    with_mesh = said(Kind(name="a", cores=CALM, target=45, mesh=True))
    without = said(Kind(name="a", cores=CALM, target=45))

    assert with_mesh.load_by.startswith("Istio")
    assert without.load_by.startswith("CPU use")
    assert any("what waits while CPU is full is not seen" in note for note in without.notes)
    assert not any("what waits" in note for note in with_mesh.notes)


def test_the_answer_is_the_same_for_any_number_of_processes() -> None:
    three = [recording(Kind(name=f"a{k}", cores=CALM, target=40 + 10 * k)) for k in range(3)]
    question = Question(kubernetes_minor=34)

    assert [one.reason for one in judged(three, question, workers=2)] == [
        one.reason for one in judged(three, question, workers=1)
    ]


@pytest.mark.parametrize(
    ("pod", "workload"),
    [
        ("web-5d9c7f6b8-x2v4k", "web"),
        ("web-api-5d9c7f6b8-x2v4k", "web-api"),
        ("db-0", "db"),
        ("db-main-12", "db-main"),
        ("web-x2v4k", "web"),
        ("alone", "alone"),
    ],
)
def test_a_pod_is_named_after_its_workload(pod: str, workload: str) -> None:
    assert workload_of(pod) == workload


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus with three autoscalers of two kinds."""
    kinds = [
        Kind(name="careful", cores=0.5 * CALM, target=35, request=0.25),
        Kind(name="full", cores=CALM, limit=0.5, high=4),
        Kind(name="bare", cores=0.5 * CALM, request=None, own_reading=False),
    ]
    found = series([record(one) for one in kinds], namespace="shop", start_ms=int(START.timestamp()) * 1000)
    folder = tmp_path_factory.mktemp("prometheus")
    with prometheus_with([], folder, "--web.enable-remote-write-receiver") as made:
        write(made, found)
        yield made


def asked(url: str, **more: object) -> Asked:
    given = {"start": "2026-05-03", "end": "2026-05-11", "max_load": 100.0, "cache": False, "workers": 1, **more}
    return Asked(access=Access(url=url), **given)  # type: ignore[arg-type]


def test_the_whole_command_reads_replays_and_ranks(url: str, tmp_path: Path) -> None:
    out = io.StringIO()

    assert run(asked(url, output="json", patches=tmp_path / "patches"), out) == 0
    report = json.loads(out.getvalue())
    by_name = {one["name"]: one for one in report["autoscalers"]}

    assert report["complete"]
    assert report["kubernetes_minor"] == 34
    assert [one["name"] for one in report["autoscalers"]][0] == "full"
    assert by_name["full"]["advice"] == RAISE_MAX
    assert by_name["bare"]["advice"] == NO_DATA
    assert by_name["careful"]["advice"] in (PATCH, FORECAST)
    assert by_name["careful"]["fidelity"] > 0.75
    assert (tmp_path / "patches/shop/careful.yaml").exists() is (by_name["careful"]["advice"] == PATCH)
    assert ("shop/careful" in (tmp_path / "patches/README.md").read_text()) is (by_name["careful"]["advice"] == PATCH)


@pytest.mark.parametrize("output", ["table", "csv", "html"])
def test_every_form_names_every_autoscaler(url: str, output: str) -> None:
    out = io.StringIO()

    assert run(asked(url, output=output), out) == 0
    text = out.getvalue()
    if output == "csv":
        assert {row["name"] for row in csv.DictReader(io.StringIO(text))} == {"careful", "full", "bare"}
    else:
        assert all(f"shop/{name}" in text for name in ("careful", "full", "bare"))
    assert output != "html" or ("http-equiv" not in text and "src=" not in text and "<script" not in text)


def test_a_second_run_asks_for_no_settled_day_again(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    reports = []
    for _ in range(2):
        out = io.StringIO()
        assert run(asked(url, output="json", cache=True), out) == 0
        reports.append(json.loads(out.getvalue()))

    assert reports[0]["answers_from_cache"] == 0
    assert reports[1]["answers_from_cache"] > 40
    assert reports[0]["autoscalers"] == reports[1]["autoscalers"]


def test_a_namespace_without_autoscalers_is_said(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(asked(url, namespace="other"), io.StringIO()) == 2
    assert "no HorizontalPodAutoscaler in namespace other" in capsys.readouterr().err


def test_a_server_without_kube_state_metrics_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    empty = {"status": "success", "data": {"resultType": "vector", "result": []}}
    with Server(lambda _: as_json(empty)) as server:
        assert run(asked(server.url), io.StringIO()) == 2
    assert "install kube-state-metrics" in capsys.readouterr().err


def test_a_server_that_forbids_it_is_said_with_the_way_out(capsys: pytest.CaptureFixture[str]) -> None:
    def no(_: Question_) -> object:
        return as_json({}, 403)

    with Server(no) as server:  # type: ignore[arg-type]
        assert run(asked(server.url), io.StringIO()) == 2
    assert "--token-file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"start": None, "end": None, "days": 3.0}, "expected 7 to 90"),
        ({"allow": "3"}, "--allow 3: expected a share"),
        ({"end": "2126-01-01"}, "lies in the future"),
        ({"start": "yesterday"}, "--from yesterday: expected a date"),
        ({"output": "xml"}, "-o xml: expected one of"),
        ({"kubernetes": "new"}, "--kubernetes new"),
        ({"max_load": 0.0}, "--max-load 0"),
    ],
)
def test_an_option_that_cannot_be_meant_is_said(
    more: dict[str, object], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(asked("http://127.0.0.1:9", **more), io.StringIO()) == 2
    assert words in capsys.readouterr().err
