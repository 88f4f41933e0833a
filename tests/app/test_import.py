"""``foretide import``: what others scale by becomes rules that check, and nothing is lost in silence."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from app.check import check_query
from app.import_command import Asked, run
from app.import_formula import as_combine
from app.import_objects import of_cluster
from app.import_policies import MANY
from domain.errors import ExpressionError
from rules import check_files, load_paths
from rules.combine import Binary, Call, Name, Node, Number, parse
from tests.fakes.kube_api import KubeApi

GOLDEN = Path(__file__).parent.parent / "golden" / "import"
CASES = sorted(file.stem for file in GOLDEN.glob("*.yaml"))


def imported(*files: str | Path, kind: str = "keda", **more: object) -> tuple[int, str, str]:
    """Exit code, what came out, what was told."""
    out, told = io.StringIO(), io.StringIO()
    asked = Asked(kind=kind, files=tuple(map(Path, files)), **more)  # type: ignore[arg-type]
    return run(asked, out, told), out.getvalue(), told.getvalue()


def scaled_object(**spec: object) -> str:
    data = {"scaleTargetRef": {"name": "web"}, "minReplicaCount": 1, "triggers": [CPU], **spec}
    metadata = {"name": "web", "namespace": "shop"}
    return json.dumps({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": metadata, "spec": data})


CPU = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}}


@pytest.mark.parametrize("name", CASES)
def test_it_comes_out_as_written_down(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rewrite: for each .yaml, stdout is .expected and stderr is .told."""
    monkeypatch.chdir(GOLDEN)
    code, out, told = imported(f"{name}.yaml", kind=name.partition("-")[0])

    assert out == (GOLDEN / f"{name}.expected").read_text(encoding="utf-8")
    assert told == (GOLDEN / f"{name}.told").read_text(encoding="utf-8")
    assert code == (1 if name.endswith("-bad") else 0)


@pytest.mark.parametrize("name", CASES)
def test_what_comes_out_passes_foretide_check(name: str, tmp_path: Path) -> None:
    _, out, _ = imported(GOLDEN / f"{name}.yaml", kind=name.partition("-")[0])
    (tmp_path / "rules.yaml").write_text(out, encoding="utf-8")

    assert check_files([tmp_path / "rules.yaml"], check_query) == []
    assert {rule.spec.mode.value for rule in load_paths([tmp_path], check_query=check_query).rules} <= {"observe"}


def test_a_field_that_nobody_knows_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "new.yaml"
    text = yaml.safe_dump(json.loads(scaled_object(brandNew={"deep": [{"er": 5}]})), sort_keys=False)
    file.write_text(text, encoding="utf-8")
    line = 1 + text.splitlines().index("    - er: 5")
    code, out, told = imported(file)

    sentence = "spec.brandNew.deep[0].er: no equal: Foretide has no such field"
    assert code == 0
    assert told == f"{file}:{line}: ScaledObject shop/web: {sentence}\n"
    assert "# No equal: spec.brandNew.deep[0].er: Foretide has no such field.\n" in out


@given(st.recursive(st.integers(0, 9) | st.text(max_size=3), lambda inner: st.dictionaries(st.text(max_size=3), inner)))
def test_every_leaf_is_read_or_told(extra: object) -> None:
    one = of_cluster({"spec": {"known": 1, "extra": extra}}, "context c")
    one.at("spec", "known")
    one.leftovers("spec")

    assert len(one.unequal) == str(leaves(extra)).count("x")


def leaves(data: object) -> str:
    """One ``x`` for each value that is not a mapping."""
    return "".join(leaves(one) for one in data.values()) if isinstance(data, dict) else "x"


def test_files_and_a_cluster_are_one_too_many() -> None:
    assert imported("x.yaml", context="prod")[0] == 2
    assert imported()[0] == 2


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    code, out, told = imported(tmp_path / "none.yaml")

    assert (code, out) == (2, "")
    assert "No such file or directory" in told


def test_nothing_found_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: ConfigMap\napiVersion: v1\n", encoding="utf-8")

    assert imported(tmp_path / "a.yaml") == (1, "", "foretide: no ScaledObject was found\n")


def test_documents_go_into_new_files_only(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(scaled_object(), encoding="utf-8")
    first, out, _ = imported(tmp_path / "a.json", to=tmp_path / "rules")
    second, _, told = imported(tmp_path / "a.json", to=tmp_path / "rules")

    assert (first, out) == (0, "")
    assert check_files([tmp_path / "rules" / "shop.web.yaml"], check_query) == []
    assert second == 2
    assert "File exists" in told


def test_few_alike_stay_rules(tmp_path: Path) -> None:
    objects = [json.loads(scaled_object()) for _ in range(MANY - 1)]
    for number, one in enumerate(objects):
        one["metadata"]["name"] = one["spec"]["scaleTargetRef"]["name"] = f"web-{number}"
    (tmp_path / "a.json").write_text(json.dumps({"kind": "List", "items": objects}), encoding="utf-8")

    assert imported(tmp_path / "a.json")[1].count("kind: ScalingRule") == MANY - 1


@pytest.mark.parametrize(
    ("annotations", "pause"),
    [
        ({"autoscaling.keda.sh/paused": "true"}, {"direction": "all"}),
        ({"autoscaling.keda.sh/paused": "false"}, None),
        ({"autoscaling.keda.sh/paused-scale-in": "true"}, {"direction": "in"}),
        ({"autoscaling.keda.sh/paused-scale-out": "true"}, {"direction": "out"}),
        ({"autoscaling.keda.sh/paused-replicas": "4", "autoscaling.keda.sh/paused": "true"}, {"replicas": 4}),
    ],
)
def test_a_pause_stays_a_pause(annotations: dict[str, str], pause: dict[str, object] | None, tmp_path: Path) -> None:
    data = json.loads(scaled_object())
    data["metadata"]["annotations"] = annotations
    (tmp_path / "a.json").write_text(json.dumps(data), encoding="utf-8")
    found = yaml.safe_load(imported(tmp_path / "a.json")[1])["spec"].get("pause")

    assert (found and {key: value for key, value in found.items() if key != "reason"}) == pause


@pytest.mark.parametrize(
    ("kind", "plural", "group"),
    [("keda", "scaledobjects", "keda.sh"), ("hpa", "horizontalpodautoscalers", "autoscaling")],
)
def test_a_cluster_is_read_and_never_written(kind: str, plural: str, group: str, tmp_path: Path) -> None:
    spec = {"scaleTargetRef": {"name": "web"}, "minReplicaCount": 1, "triggers": [CPU]}
    if kind == "hpa":
        spec = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "maxReplicas": 4}
    with KubeApi() as api:
        with api.changing() as objects:
            for namespace in ("shop", "media"):
                body = {"metadata": {"name": "web", "namespace": namespace}, "spec": {**spec, "brandNew": 1}}
                objects.create((group, plural), (namespace, "web"), body, manager="kubectl")
        kubeconfig = api.kubeconfig(tmp_path)
        code, out, told = imported(kind=kind, context="fake", kubeconfig=kubeconfig, namespace="shop")
        asked = {one.method for one in api.asked}

    document = yaml.safe_load(out)
    assert (code, asked) == (0, {"GET"})
    assert document["metadata"] == {"name": "web", "namespace": "shop"}
    assert told.endswith("shop/web: spec.brandNew: no equal: Foretide has no such field\n")
    assert told.startswith("context fake: ")


def test_a_context_that_is_not_there_is_said(tmp_path: Path) -> None:
    with KubeApi() as api:
        code, out, told = imported(context="prod", kubeconfig=api.kubeconfig(tmp_path))

    assert (code, out) == (2, "")
    assert "context prod" in told


# ---- formulas

NAMES = {"one": "one", "two_three": "two-three"}


@pytest.mark.parametrize(
    ("formula", "combine", "exact"),
    [
        ("max(one, two_three)", "max(one, two-three)", True),
        ("one + two_three", "one + two-three", False),
        ("max(one + 5, 20)", "max(one + 0.5, 2)", False),
        ("2 * (one - 10)", "2 * (one - 1)", False),
        ("one ?? two_three", "one ?? two-three", True),
        ("one - (two_three - 10)", "one - (two-three - 1)", False),
        ("min(max(one, 10), 40) * 0.5", "min(max(one, 1), 4) * 0.5", False),
    ],
)
def test_a_formula_over_metrics_speaks_replicas(formula: str, combine: str, exact: bool) -> None:
    made = as_combine(formula, NAMES, target=Decimal(10))

    assert (made.text, made.exact) == (combine, exact)


@pytest.mark.parametrize("formula", ["one * two_three", "one > 5 ? 1 : 2", "one / 2", "5", "unknown + one", "avg(one)"])
def test_a_formula_that_combine_cannot_say_is_refused(formula: str) -> None:
    with pytest.raises(ExpressionError):
        as_combine(formula, NAMES, target=Decimal(10))


def value(node: Node, values: dict[str, float]) -> float:
    match node:
        case Number():
            return node.value
        case Name():
            return values[node.name]
        case Call():
            return {"max": max, "min": min}[node.function](value(one, values) for one in node.arguments)
        case Binary():
            left, right = value(node.left, values), value(node.right, values)
            return {"+": left + right, "-": left - right, "*": left * right}[node.operator]


FORMULAS = st.recursive(
    st.sampled_from(["one", "two_three", "7", "30"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" + ", " - "]), inner).map(lambda made: f"({''.join(made)})"),
        inner.map(lambda made: f"(3 * {made})"),
        st.tuples(st.sampled_from(["max", "min"]), inner, inner).map(lambda made: f"{made[0]}({made[1]}, {made[2]})"),
    ),
    max_leaves=6,
)


@given(FORMULAS, st.floats(0, 1000), st.floats(0, 1000), st.integers(1, 50))
def test_metrics_divided_first_or_last_come_to_the_same(formula: str, one: float, two: float, target: int) -> None:
    """Before anything is rounded: combine over replicas is the formula over metrics, divided by the target."""
    try:
        made = as_combine(formula, NAMES, target=Decimal(target))
    except ExpressionError:  # made of numbers alone
        return
    values = {"one": one, "two-three": two}
    whole = value(parse(formula.replace("two_three", "two-three"), triggers=set(values)), values) / target
    parts = value(parse(made.text, triggers=set(values)), {name: each / target for name, each in values.items()})

    assert parts == pytest.approx(whole, rel=1e-6, abs=1e-5)
