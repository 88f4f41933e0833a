"""`foretide backtest RULE` on a recorded file: verdicts, forms, and what is told of files that cannot be used."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from app.backtest_rule_command import Asked, run
from app.backtesting import burning, page, recorded, variants
from app.backtesting.assume import Options
from app.backtesting.present import hpa_of_target
from app.backtesting.recorded import DataError
from app.backtesting.report import from_json, to_json
from app.backtesting.study import Case, study
from app.cli import app
from app.rule_digest import digest_of
from controller.simulate import rule as replaying
from controller.simulate.rule import Assumptions, Signals
from controller.simulate.verdict import Word
from domain.labels import Labels
from rules.schema import ScalingRule
from tests.app.test_backtest_decides_as_live import OBJECTIVE
from tests.controller.stories import rule_of

START = datetime(2026, 10, 1, tzinfo=UTC)
DAYS = 2
SPEC: dict[str, Any] = {
    "replicas": {"min": 2, "max": 40},
    "triggers": [{"name": "rps", "query": "sum(rate(http_requests_total[1m]))", "perReplica": 50}],
}
RULE = """
apiVersion: foretide.dev/v1alpha1
kind: ScalingRule
metadata: {name: shop, namespace: demo}
spec:
  target: {kind: Deployment, name: shop}
  replicas: {min: 2, max: 40}
  triggers:
  - {name: rps, query: 'sum(rate(http_requests_total[1m]))', perReplica: PER}
---
apiVersion: foretide.dev/v1alpha1
kind: PriceSheet
metadata: {name: prices, namespace: demo}
spec: {currency: USD, cpuCoreHour: 0.04, memoryGiBHour: 0.004}
"""


def daily(days: int = DAYS) -> np.ndarray:
    ticks = np.arange(days * 5_760)
    noise = np.random.default_rng(7).normal(0, 15, len(ticks))
    return np.maximum(500 + 300 * np.sin(2 * np.pi * ticks / 5_760) + noise, 0)


def ran(per_replica: float = 50, *, capacity: float = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a cluster with a plain HPA recorded: the load, the replicas, and whether the objective was missed."""
    load = daily()
    rule = rule_of({**SPEC, "triggers": [{**SPEC["triggers"][0], "perReplica": per_replica}]})
    seen = np.concatenate([load[:1], load[:1], load[:-2]])
    signals = Signals(tick_seconds=15.0, load=load, values={"rps": seen})
    record = replaying.replay(rule, signals, Assumptions(safe_per_replica=capacity), first=8)
    return seen, record.current.astype(float), record.late.astype(float)


@pytest.fixture(scope="module")
def history() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return ran()


def written(path: Path, columns: dict[str, np.ndarray], *, step: int = 1) -> Path:
    opened: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wt", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["timestamp", *columns])
        for k in range(0, len(next(iter(columns.values()))), step):
            at = (START + timedelta(seconds=15 * k)).strftime("%Y-%m-%dT%H:%M:%SZ")
            rows.writerow([at, *(f"{values[k]:.6g}" if np.isfinite(values[k]) else "" for values in columns.values())])
    return path


@pytest.fixture
def folder(tmp_path: Path, history: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Path:
    seen, replicas, late = history
    written(tmp_path / "shop.csv.gz", {"rps": seen, "replicas": replicas, "violated": late})
    (tmp_path / "rules.yaml").write_text(RULE.replace("PER", "50"))
    (tmp_path / "wasteful.yaml").write_text(RULE.replace("PER", "20"))
    (tmp_path / "present.yaml").write_text(RULE.replace("PER", "50"))
    return tmp_path


def asked(folder: Path, **changes: Any) -> Asked:
    given: dict[str, Any] = {"rule": "demo/shop", "rules": (folder / "rules.yaml",), "data": folder / "shop.csv.gz"}
    return Asked(**(given | changes))


def told(asked: Asked) -> tuple[int, str]:
    out = StringIO()
    return run(asked, out), out.getvalue()


def case(history: tuple[np.ndarray, np.ndarray, np.ndarray], **changes: Any) -> Case:
    seen, replicas, late = history
    columns = {"rps": seen, "replicas": replicas, "violated": late}
    columns |= changes.pop("columns", {})
    times = START.timestamp() + 15.0 * np.arange(len(seen))
    found = recorded.onto_grid("test", times, {name: one for name, one in columns.items() if one is not None})
    given: dict[str, Any] = {"rule": rule_of(SPEC), "recorded": found}
    return Case(**(given | changes))


def with_target(per_replica: float) -> ScalingRule:
    return rule_of({**SPEC, "triggers": [{**SPEC["triggers"][0], "perReplica": per_replica}]})


def test_what_ran_replayed_is_as_good_as_what_ran_and_credible(folder: Path) -> None:
    code, text = told(asked(folder, output="json"))
    report = json.loads(text)
    assert code == 0
    assert report["verdict"]["word"] == "as good"
    assert report["fidelity"]["within"] > 0.99
    assert report["fidelity"]["credible"]


def test_a_rule_that_only_costs_more_is_worse_and_exits_with_1(folder: Path) -> None:
    code, text = told(asked(folder, rules=(folder / "wasteful.yaml",), present=folder / "present.yaml"))
    assert code == 1
    assert text.splitlines()[3].startswith("WORSE: costs ")
    assert "rule demo/shop, replayed, comes to the recorded replicas" in " ".join(text.split())


def test_a_cheaper_rule_with_as_few_misses_is_better(history: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    report = study(case(ran(25), rule=with_target(40), present=with_target(25)))
    assert report.word is Word.BETTER
    assert "costs" in report.verdict.message


def test_without_recorded_replicas_nothing_is_proven(history: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    assert study(case(history, columns={"replicas": None})).word is Word.NOT_PROVEN


def test_a_few_minutes_of_recorded_replicas_prove_nothing(history: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    few = np.where(np.arange(len(history[1])) > len(history[1]) - 100, history[1], np.nan)
    report = study(case(history, columns={"replicas": few}))
    assert report.word is Word.NOT_PROVEN
    assert "100 ticks only" in report.verdict.message or "99 ticks only" in report.verdict.message


def test_replicas_that_no_replay_comes_to_are_not_credible(history: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    report = study(case(history, columns={"replicas": history[1] + 9}))
    assert report.word is Word.NOT_CREDIBLE
    assert "90 % are needed" in report.verdict.message


def test_misses_that_the_replay_does_not_have_are_not_credible(
    history: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    missed = (np.arange(len(history[0])) % 40 == 0).astype(float)
    report = study(case(history, columns={"violated": missed}, options=Options(capacity=200.0)))
    assert report.word is Word.NOT_CREDIBLE
    assert "taken too good" in report.verdict.message


def test_what_a_replica_carries_is_learned_from_recorded_misses() -> None:
    report = study(case(ran(57), rule=with_target(57)))
    carries = report.assumed[0]
    assert carries.origin == "measured"
    assert float(carries.value) == pytest.approx(60, rel=0.03)
    assert report.fidelity.misses_agree


def test_a_rule_that_learns_is_replayed_with_where_that_starts_and_the_report_says_so() -> None:
    spec = {**SPEC, "triggers": [{**SPEC["triggers"][0], "learn": {"max": 200}}]}
    report = study(case(ran(57), rule=rule_of(spec)))
    said = next(one for one in report.assumed if one.name == "perReplica of rps")
    assert (said.value, said.origin) == ("50", "assumed")
    assert "where learning starts" in said.why


def test_a_latency_with_its_objective_is_as_good_as_a_column_of_misses(
    history: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    latency = np.where(history[2] > 0, 0.9, 0.1)
    one = study(case(history))
    other = study(case(history, columns={"violated": None, "latency": latency}, options=Options(slo_seconds=0.3)))
    assert one.fidelity == other.fidelity


def test_a_trigger_that_was_hardly_seen_is_left_out_and_told(
    history: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    queue = {"name": "queue", "query": "sum(queue_length)", "perReplica": 5}
    rule = rule_of({**SPEC, "triggers": [*SPEC["triggers"], queue]})
    report = study(case(history, rule=rule, columns={"queue": np.full(len(history[0]), np.nan)}))
    assert "left out: queue: it was seen for 0 % of the time only" in report.notes
    assert report.word is Word.AS_GOOD


def test_schedules_ceilings_and_combine_are_replayed(history: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    rule = rule_of(
        {
            **SPEC,
            "combine": "rps + 1",
            "ceiling": [{"name": "db", "perReplica": 10, "limit": 130}],
            "schedule": [{"name": "night", "start": "0 0 * * *", "end": "0 6 * * *", "min": 12}],
        }
    )
    report = study(case(history, rule=rule, present=rule_of(SPEC)))
    rows = report.whole.high["rule"]
    assert max(value for value in rows if value is not None) == 13
    first_night = [value for value in report.whole.low["rule"][20:100] if value is not None]
    assert min(first_night) >= 12


def test_a_sweep_tells_which_variants_none_beats(history: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    report = study(case(history, sweep=True))
    best = [one for one in report.sweep if one.best]
    assert len(report.sweep) > 10
    assert best
    for one in report.sweep:
        beaten = any(
            other.replica_hours <= one.replica_hours and other.violated_pct < one.violated_pct for other in best
        )
        assert one.best or beaten or any(other.replica_hours <= one.replica_hours for other in best)
    assert report.advice


def test_a_priced_forecast_is_replayed_and_swept_by_its_price() -> None:
    seen, replicas, late = (np.tile(one, 5) for one in ran())
    priced = {"name": "soon", "forecast": {"of": "rps", "price": {"violatedMinute": 30}}}
    rule = rule_of({**SPEC, "triggers": [*SPEC["triggers"], priced]})
    changes = [changed for changed, _ in variants.around(rule, few=True)]
    assert {"soon.price.violatedMinute": "200"} in changes
    assert not any("soon.quantile" in one for one in changes)
    report = study(case((seen, replicas, late), rule=rule, present=rule_of(SPEC)))
    assert report.violated_minute == 30
    own, now = report.contender("rule"), report.contender("present")
    assert own is not None
    assert now is not None
    assert own.figures.violated_minutes <= now.figures.violated_minutes


def test_the_same_case_gives_the_same_report(history: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    assert study(case(history)) == study(case(history))


def test_a_report_survives_json(history: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    report = study(case(history, sweep=True))
    assert from_json(json.loads(json.dumps(to_json(report, lines=True)))) == report


def test_the_page_stands_alone_and_says_the_verdict(history: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    text = page.html(study(case(history, sweep=True)))
    assert "As good as what runs now" in text
    assert text.count("<svg") >= 3
    assert "http" not in text.replace("http_requests_total", "")
    assert "<script" not in text


def test_names_in_the_page_are_escaped(history: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    found = case(history, present=rule_of(SPEC), present_name="<img src=x>")
    assert "<img" not in page.html(study(found))


def test_an_hpa_manifest_is_what_runs_now(folder: Path) -> None:
    (folder / "hpa.yaml").write_text(
        """
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: shop, namespace: demo}
spec:
  minReplicas: 2
  maxReplicas: 40
  metrics:
  - {type: External, external: {metric: {name: shop_rps}, target: {type: AverageValue, averageValue: "50"}}}
"""
    )
    code, text = told(asked(folder, present=folder / "hpa.yaml", output="json"))
    assert code == 0
    assert json.loads(text)["present"] == "HPA shop"
    assert json.loads(text)["fidelity"]["within"] > 0.99


def test_costs_come_from_the_price_sheet_where_requests_are_given(folder: Path) -> None:
    _, text = told(asked(folder, requests=("cpu=500m", "memory=1Gi"), output="json"))
    rows = json.loads(text)["contenders"]
    hours, cost = rows[0]["figures"]["replica_hours"], float(rows[0]["cost"])
    assert cost == pytest.approx(hours * (0.5 * 0.04 + 0.004), abs=0.01)


def test_nodes_are_counted_and_priced(folder: Path) -> None:
    _, text = told(asked(folder, nodes=("slots=4,price=0.5,boot=60s",), output="json"))
    figures = json.loads(text)["contenders"][0]["figures"]
    assert figures["node_hours"] > figures["replica_hours"] / 4
    assert figures["node_cost"] == pytest.approx(0.5 * figures["node_hours"])


def test_from_and_to_cut_the_record(folder: Path) -> None:
    _, text = told(asked(folder, since="2026-10-01T12:00:00Z", until="2026-10-02T12:00:00Z", output="json"))
    assert json.loads(text)["end"] == "2026-10-02T12:00:00Z"
    assert json.loads(text)["start"].startswith("2026-10-01T12:10")


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({"rule": "demo/none"}, 5, "there is no rule demo/none; known are demo/shop"),
        ({"output": "xml"}, 2, "-o xml: expected one of table, json, html"),
        ({"startup": "soon"}, 2, "--startup soon: expected a duration"),
        ({"startup": "3m-1m"}, 2, "a shorter and a longer one"),
        ({"requests": ("gpu=1",)}, 2, "--request gpu=1: expected cpu=500m or memory=1Gi"),
        ({"nodes": ("slots=0",)}, 2, "slots and max are at least 1"),
        ({"nodes": ("size=3",)}, 2, "expected slots=10,price=0.4,boot=90s,max=100"),
        ({"capacity": 0.0}, 2, "--capacity 0: expected a number above 0"),
        ({"since": "2027-01-01"}, 2, "nothing is recorded between --from and --to"),
        ({"since": "1d", "until": "2026-10-01"}, 2, "nothing is recorded"),
        ({"data": Path("none.csv")}, 2, "none.csv"),
    ],
)
def test_an_option_that_cannot_be_meant_is_told(
    folder: Path, changes: dict[str, Any], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(asked(folder, **changes), StringIO()) == code
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("when,rps\n", ":1: expected one column timestamp or time; found when, rps"),
        ("timestamp\n1\n", ":1: expected a column beside the time"),
        ("timestamp,rps,rps\n", ":1: these columns stand twice: rps"),
        (
            "timestamp,rps\n1000000015,1\n1000000000,2\n",
            ":3: 1000000000 is earlier than the row before; rows must rise",
        ),
        ("timestamp,rps\n1000000000,1\n1000000000,2\n", ":3: 1000000000 is again the time of the row before"),
        ("timestamp,rps\n1000000000,many\n1000000015,x\n", ':3: "x" is no number'),
        ("timestamp,rps\nyesterday,1\n", ':2: "yesterday" is no time'),
        ("timestamp,rps\n1000000000,1,2\n", ":2: expected 2 fields; found 3"),
        ("timestamp,rps\n1000000000,inf\n", ":2: inf is no number that a workload can have"),
        ("timestamp,rps\n1000000000,1\n1000000030,-3\n", ":3: -3 is below 0"),
        ("timestamp,rps\n1000000000,1\n", "expected at least 3 rows; found 1"),
        ("timestamp,rps\n0,1\n86400,2\n172800,3\n", "tell nothing about scaling"),
    ],
)
def test_a_file_with_faults_is_told_with_its_lines(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        recorded.read(path)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"rpz": 1.0}, "expected a column load, or one for a trigger of the rule (rps)"),
        ({"rps": 500.0, "queue": 1.0}, "queue: no trigger of demo/shop is called so; expected rps, load, replicas"),
        ({"rps": 0.0}, "the load is 0 all the time"),
        ({"rps": -5.0}, "rps has values below 0"),
        ({"rps": 500.0, "latency": 0.1}, "latency needs --slo"),
        ({"rps": 500.0, "violated": 7.0}, "violated has values above 1"),
        ({"rps": 30_000.0, "replicas": 10.0}, "is one of them in another unit (per minute, thousands)?"),
        ({"rps": 5_000_000.0}, "is one of them in another unit?"),
    ],
)
def test_columns_that_do_not_fit_the_rule_are_told(columns: dict[str, float], says: str) -> None:
    times = START.timestamp() + 15.0 * np.arange(400)
    found = recorded.onto_grid("shop.csv", times, {name: np.full(400, value) for name, value in columns.items()})
    with pytest.raises(DataError) as caught:
        study(Case(rule=rule_of(SPEC), recorded=found))
    assert says in str(caught.value)
    assert "shop.csv" in str(caught.value)


def test_gaps_are_bridged_while_short_and_missing_while_long() -> None:
    times = START.timestamp() + 15.0 * np.arange(100)
    kept = np.ones(100, dtype=bool)
    kept[20:22] = kept[50:70] = False
    found = recorded.onto_grid("x", times[kept], {"rps": np.arange(100.0)[kept], "replicas": np.full(78, 3.0)})
    assert found.ticks == 100
    np.testing.assert_allclose(found.columns["rps"][20:22], [20, 21])
    assert np.isnan(found.columns["rps"][51:69]).all()
    assert np.isnan(found.columns["replicas"][55])
    assert "gaps: 1" in found.notes[0]


def test_a_digest_knows_what_decides(history: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    rule = rule_of(SPEC)
    same = [
        rule_of({**SPEC, "mode": "enforce"}), rule_of({**SPEC, "backtestOverride": {"reason": "demo"}}),
        rule_of({**SPEC, "pause": {"direction": "in", "reason": "INC-1"}}),
    ]  # fmt: skip
    others = [with_target(51), rule_of({**SPEC, "replicas": {"min": 3, "max": 40}}), rule_of(SPEC, name="other")]
    assert {digest_of(one) for one in same} == {digest_of(rule)}
    assert digest_of(rule) not in {digest_of(one) for one in others}


def test_the_command_asks_for_what_goes_together() -> None:
    result = CliRunner().invoke(app, ["backtest", "demo/shop", "--keep", "x_test.yaml"])
    assert result.exit_code == 2
    assert "--keep goes with --incident" in result.stderr


def test_what_is_left_out_is_told_and_counted_in_the_verdict(history: tuple[np.ndarray, ...]) -> None:
    spec = {
        **SPEC,
        "triggers": [
            *SPEC["triggers"],
            {"name": "soon", "forecast": {"of": "rps", "gate": {"wape": 0.2}}},
            {"name": "later", "forecast": {"document": "traffic"}, "perReplica": 50},
            {"name": "cpu", "resource": {"name": "cpu", "utilization": 60, "of": "limit"}},
        ],
        "guard": {"slo": "fast"}, "pause": {"reason": "a fair"}, "budget": "shop",
        "ceiling": [{"name": "db", "perReplica": 10, "query": "db_connections"}],
    }  # fmt: skip
    report = study(case(history, rule=rule_of(spec), columns={"cpu": 0.01 * history[0]}))  # type: ignore[arg-type]

    told = [note for note in report.notes if note.startswith("left out: ")]
    parts = ["cpu", "gate of soon", "later", "ceiling db", "guard", "pause", "budget"]
    assert [note.split(": ")[1] for note in told] == parts
    assert report.verdict.message.endswith(f"; without 7 parts of the rule ({', '.join(parts)})")
    assert "--limit cpu=" in told[0]


def test_what_was_recorded_of_a_document_and_an_slo_is_replayed(history: tuple[np.ndarray, ...]) -> None:
    soon = {"name": "soon", "forecast": {"document": "traffic"}, "perReplica": 50}
    spec = {**SPEC, "triggers": [*SPEC["triggers"], soon], "guard": {"slo": "fast", "whenBurning": {"add": 3}}}
    ratios = {name: np.full(len(history[0]), 0.5) for name in burning.COLUMNS.values()}
    given = case(history, rule=rule_of(spec), slo=OBJECTIVE, columns={"soon": history[0], **ratios})  # type: ignore[arg-type]

    report, without = study(given), study(case(history))  # type: ignore[arg-type]

    assert not [note for note in report.notes if note.startswith("left out: ")]
    found, before = report.contender("rule"), without.contender("rule")
    assert found is not None
    assert before is not None
    assert found.figures.mean_replicas > before.figures.mean_replicas + 2


def test_a_rule_that_sleeps_costs_less_where_nothing_happens_and_misses_no_quiet_minute() -> None:
    quiet = np.repeat([1.0, 0.0, 1.0, 0.0], 480)
    load = 200.0 * quiet
    times = START.timestamp() + 15.0 * np.arange(len(load))
    found = recorded.onto_grid("test", times, {"rps": load, "replicas": np.maximum(4 * quiet, 1)})
    awake = {**SPEC, "replicas": {"min": 1, "max": 40}}
    asleep = {**SPEC, "replicas": {"min": 0, "max": 40, "idleAfter": "5m"}}

    one, other = (study(Case(rule=rule_of(spec), recorded=found)).contender("rule") for spec in (awake, asleep))

    assert one is not None
    assert other is not None
    assert other.figures.replica_hours < one.figures.replica_hours - 3
    assert other.figures.violated_minutes < one.figures.violated_minutes + 3


HPA = {"namespace": "demo", "horizontalpodautoscaler": "shop-hpa"}


def hpa_series(target: float = 50.0, *, metric: str = "rps", kind: str = "average") -> dict[str, tuple[Labels, float]]:
    prefix = "kube_horizontalpodautoscaler_"
    return {
        f'{prefix}info{{namespace="demo"}}': (
            Labels.of({**HPA, "scaletargetref_kind": "Deployment", "scaletargetref_name": "shop"}), 1.0
        ),
        f'{prefix}spec_min_replicas{{namespace="demo"}}': (Labels.of(HPA), 2.0),
        f'{prefix}spec_max_replicas{{namespace="demo"}}': (Labels.of(HPA), 40.0),
        f'{prefix}spec_target_metric{{namespace="demo"}}': (
            Labels.of({**HPA, "metric_name": metric, "metric_target_type": kind}), target
        ),
    }  # fmt: skip


def test_the_hpa_of_the_target_is_what_runs_now(history: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    told = hpa_series()
    present, name, notes = hpa_of_target(with_target(40), lambda query: [told[query]])
    assert present is not None
    report = study(
        case(history, rule=with_target(40), present=present, present_name=name, present_told=True, notes=notes)
    )
    assert report.present == "HPA demo/shop-hpa"
    assert report.fidelity.within == pytest.approx(1.0, abs=0.01)
    assert notes[0] in report.notes


def test_an_hpa_on_a_resource_that_the_rule_does_not_look_at_is_replayed_from_its_column(
    history: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    told = hpa_series(60.0, metric="cpu", kind="utilization")
    present, name, _ = hpa_of_target(with_target(50), lambda query: [told[query]])
    given: dict[str, Any] = {"present": present, "present_name": name, "options": Options(requests={"cpu": 1.0})}
    assert study(case(history, columns={"cpu": history[0] / 83}, **given)).fidelity.within is not None
    with pytest.raises(DataError, match="what runs now scales by cpu: expected a column cpu"):
        study(case(history, **given))


def test_an_hpa_that_cannot_be_replayed_or_is_not_there_is_told() -> None:
    told = hpa_series(metric="queue_length", kind="value")
    present, _, notes = hpa_of_target(with_target(50), lambda query: [told[query]])
    assert present is None
    assert "is not what is replayed as running now" in notes[0]
    assert hpa_of_target(with_target(50), lambda query: []) == (None, "", ())
