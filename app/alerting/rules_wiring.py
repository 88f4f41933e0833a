"""What the loop of the rule files is made of, out of the parts of the house."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry

from app.alerting.rule_files import RuleFiles
from app.alerting.rules_loop import Offer, RulesConfig, RulesLoop, nowhere
from app.alerting.slo_rules import SloRules
from app.queries import Queries
from app.settings import Settings
from rules.schema import SLO
from store.metrics import MetricsStore


def wired(
    settings: Settings, *, queries: Queries, metrics: MetricsStore, registry: CollectorRegistry, base_url: str,
    leads: Callable[[], bool], offer: Offer = nowhere, slos: Callable[[], tuple[SLO, ...]] = tuple,
) -> RulesLoop:  # fmt: skip
    """The loop over the settings' files and the alerts of SLOs; it asks the default source where no SLO names one."""
    config = RulesConfig(
        interval=settings.evaluation_interval, external_url=base_url,
        external_labels=dict(settings.scrape.global_.external_labels),
    )  # fmt: skip
    objectives = SloRules(slos, queries)
    files = RuleFiles(settings.rule_files, folder=settings.rules_dir, made=objectives.files)
    return RulesLoop(
        files, config=config, ask=queries.result, metrics=metrics, registry=registry, offer=offer, leads=leads,
        ask_of=objectives.ask,
    )  # fmt: skip
