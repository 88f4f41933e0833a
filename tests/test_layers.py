"""The layers of docs/architecture.md: import-linter's contracts are kept, and a breach of each would be noticed."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")
CONFIG: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
PACKAGES: list[str] = CONFIG["root_packages"]
CONTRACTS: list[str] = [contract["name"] for contract in CONFIG["contracts"]]

BREACHES = {
    "One direction": ("collector/fetch.py", "import forecaster.fit", "collector.fetch -> forecaster.fit"),
    "The dashboard reads": ("dashboard/parts.py", "import store.metrics", "dashboard.parts -> store.metrics"),
    "Deciding and forecasting": ("forecaster/models/naive.py", "import socket", "forecaster.models.naive -> socket"),
    "Only app.schedule": ("rules/load.py", "import apscheduler", "rules.load -> apscheduler"),
    "Only kube": ("controller/acting.py", "import kubernetes", "controller.acting -> kubernetes"),
}
"""By the beginning of a contract's name: a file, a line that must not stand in it, and what is said about it."""


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """import-linter over the packages below ``folder``."""
    command = [str(LINT_IMPORTS), "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def one_line(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The packages' code, to be spoilt."""
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__", "assets", "plotly-bundle", "node_modules")
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_layers_are_kept() -> None:
    checked = lint_imports(ROOT)

    said = one_line(checked.stdout)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert [name for name in CONTRACTS if f"{one_line(name)} KEPT" not in said] == []


def test_every_package_is_in_the_contracts() -> None:
    found = {file.parent.name for file in ROOT.glob("*/__init__.py")} - {"examples", "benchmarks", "tests"}

    assert found == set(PACKAGES)


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_breach_is_noticed(contract: str, copy: Path) -> None:
    breach = next((breach for name, breach in BREACHES.items() if contract.startswith(name)), None)
    assert breach, f"give BREACHES a line that breaks {contract!r}"
    file, line, told = breach
    with (copy / file).open("a", encoding="utf-8") as opened:
        opened.write(f"\n{line}\n")

    checked = lint_imports(copy)

    said = one_line(checked.stdout)
    assert checked.returncode == 1
    assert f"{one_line(contract)} BROKEN" in said
    assert told in said


def test_only_schedule_knows_apscheduler() -> None:
    """The contract cannot say this of ``app`` itself, because one file of it may."""
    knowing = {str(file.relative_to(ROOT)) for file in (ROOT / "app").glob("*.py") if "apscheduler" in _imported(file)}

    assert knowing == {"app/schedule.py"}


def _imported(file: Path) -> set[str]:
    """The top-level packages that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names
