"""Patch mode of ``foretide assess``: files for a pull request."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from app import assess_patches
from app.assess_command import Asked, run
from app.assess_replay import LEAVE, PATCH, Assessed
from app.assess_report import Report
from app.fleet_source import Access
from domain.errors import SettingsError

TEXT = """# kubectl -n shop patch hpa web --patch-file web.yaml
# behavior that is set now is not known to Prometheus: look at it before you apply this
spec:
  metrics:
  - type: Resource
    resource:
      name: cpu
      target:
        type: Utilization
        averageUtilization: 71
"""
BY_HAND = "# and set the target of rps to 12\n"


def found(name: str, advice: str, patch: str, *, namespace: str = "shop") -> Assessed:
    return Assessed(
        namespace=namespace, name=name, workload=name, bounds=(2, 9), advice=advice, reason=f"{name} | better",
        patch=patch,
    )  # fmt: skip


def report(*ones: Assessed) -> Report:
    at = datetime(2026, 11, 21, tzinfo=UTC)
    return Report(url="http://prometheus", start=at, end=at, made_at=at, found=ones, kubernetes_minor=34)


def test_each_namespace_is_a_component_and_the_table_tells_why(tmp_path: Path) -> None:
    folder = tmp_path / "patches"
    ones = found("web", PATCH, TEXT), found("api", PATCH, BY_HAND), found("old", LEAVE, TEXT)
    written = assess_patches.write(report(*ones, found("web", PATCH, TEXT, namespace="blog")), folder)

    assert written == [folder / "shop/web.yaml", folder / "blog/web.yaml"]
    assert sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()) == [
        "README.md", "blog/kustomization.yaml", "blog/web.yaml", "shop/kustomization.yaml", "shop/web.yaml",
    ]  # fmt: skip
    text = (folder / "shop/web.yaml").read_text()
    assert text.startswith("# web | better\n# behavior that is set now is not known")
    assert "kubectl" not in text
    body = yaml.safe_load(text)
    assert (body["apiVersion"], body["kind"]) == ("autoscaling/v2", "HorizontalPodAutoscaler")
    assert body["metadata"] == {"name": "web", "namespace": "shop"}
    assert body["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 71
    component = yaml.safe_load((folder / "shop/kustomization.yaml").read_text())
    assert component["kind"] == "Component"
    assert [one["path"] for one in component["patches"]] == ["web.yaml"]
    table = (folder / "README.md").read_text()
    assert "| shop/web | [shop/web.yaml](shop/web.yaml) |" in table
    assert "| shop/api | by hand |" in table
    assert "api &#124; better: and set the target of rps to 12 |" in table
    assert "shop/old" not in table


def test_nothing_to_propose_is_a_table_without_rows(tmp_path: Path) -> None:
    assert assess_patches.write(report(found("old", LEAVE, "")), tmp_path / "patches") == []
    assert [one.name for one in (tmp_path / "patches").iterdir()] == ["README.md"]


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    assess_patches.check(tmp_path / "new")
    assess_patches.check(tmp_path)
    (tmp_path / "old.yaml").write_text("")
    with pytest.raises(SettingsError, match="expected a folder that is empty"):
        assess_patches.check(tmp_path)


def test_it_is_refused_before_anything_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "old.yaml").write_text("")
    assert run(Asked(access=Access(url="http://127.0.0.1:9"), patches=tmp_path), io.StringIO()) == 2
    assert "expected a folder that is empty" in capsys.readouterr().err
