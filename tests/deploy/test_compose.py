"""docker-compose.yml is valid by the Compose Specification's own schema, and what it mounts and starts exists.

The schema is compose-go v2.16.2's ``schema/compose-spec.json`` (Apache-2.0), unchanged.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


@pytest.fixture
def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(Path(__file__).with_name("compose-spec.json").read_text()))


def test_the_compose_file_is_valid(compose: dict[str, Any], validator: jsonschema.Draft202012Validator) -> None:
    assert [error.message for error in validator.iter_errors(compose)] == []


def test_the_schema_would_notice_a_mistake(compose: dict[str, Any], validator: jsonschema.Draft202012Validator) -> None:
    compose["services"]["foretide"]["depend_on"] = ["postgres"]
    assert any("depend_on" in error.message for error in validator.iter_errors(compose))


def test_it_holds_what_the_readme_promises(compose: dict[str, Any]) -> None:
    assert {"foretide", "prometheus", "postgres", "shop", "edge"} <= set(compose["services"])


def test_every_mounted_file_is_there(compose: dict[str, Any]) -> None:
    mounts = [str(mount) for service in compose["services"].values() for mount in service.get("volumes", ())]
    files = [ROOT / mount.split(":")[0] for mount in mounts if mount.startswith("./")]
    assert files
    assert [file for file in files if not file.exists()] == []


def test_nothing_is_published_beyond_this_machine(compose: dict[str, Any]) -> None:
    published = [str(port) for service in compose["services"].values() for port in service.get("ports", ())]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)
