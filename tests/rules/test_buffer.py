"""``actuate.buffer``: what it goes with, and what it is sized by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from domain.errors import RuleDocumentError
from rules import RuleSet
from tests.rules.test_load import load

RPS = {"name": "rps", "query": "rps", "perReplica": 10}
SOON = {"name": "soon", "forecast": {"of": "rps"}}
PRICED = {"name": "soon", "forecast": {"of": "rps", "price": {}}}


def loaded(folder: Path, triggers: list[Any], *, with_: str = "scale", **buffer: Any) -> RuleSet:
    spec = {
        "target": {"name": "shop"}, "replicas": {"min": 2, "max": 40}, "triggers": triggers,
        "actuate": {"with": with_, "buffer": {"lead": "6m", "max": 20, **buffer}},
    }  # fmt: skip
    metadata = {"name": "shop", "namespace": "shop"}
    file = folder / "rule.yaml"
    one = {"apiVersion": "foretide.dev/v1alpha1", "kind": "ScalingRule", "metadata": metadata, "spec": spec}
    file.write_text(yaml.safe_dump(one), encoding="utf-8")
    return load(file)


def test_beside_a_way_to_act_and_a_forecast_it_is_taken(tmp_path: Path) -> None:
    (rule,) = loaded(tmp_path, [RPS, SOON]).rules
    buffer = rule.spec.actuate.buffer
    assert buffer is not None
    assert (buffer.quantile, buffer.max, buffer.lead.total_seconds()) == (0.9, 20, 360.0)


@pytest.mark.parametrize(
    ("triggers", "with_", "buffer", "why"),
    [
        ([RPS, SOON], "none", {}, "buffer: goes with scale, bounds or hpa, not with none"),
        ([RPS], "scale", {}, "buffer: needs a trigger with forecast"),
        ([RPS, PRICED], "scale", {}, "buffer: needs a trigger with forecast"),
        ([RPS, SOON], "scale", {"quantile": 0.3}, "quantile: must be from 0.5 to 0.99"),
        ([RPS, SOON], "scale", {"max": 0}, "max: "),
    ],
)
def test_what_it_cannot_be_sized_by_is_refused(
    tmp_path: Path, triggers: list[Any], with_: str, buffer: dict[str, Any], why: str
) -> None:
    with pytest.raises(RuleDocumentError, match=why):
        loaded(tmp_path, triggers, with_=with_, **buffer)
