"""The operator's documents: ScalingRule, Budget, PriceSheet and Forecast, read whole and strictly.

Bytes become a tree with places (``yaml_tree``), the tree becomes frozen models or mistakes (``validate``), files
become one ``RuleSet`` (``load``), and ``RulesFolder`` keeps that set up to date while the operator edits.
"""

from __future__ import annotations

from rules.folder import RulesFolder
from rules.load import check_files, load_paths
from rules.render import render, source_texts
from rules.ruleset import RuleSet

__all__ = ["RuleSet", "RulesFolder", "check_files", "load_paths", "render", "source_texts"]
