"""What the loop of the rule files is made of, out of the parts of the house."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry

from app.alerting.rule_files import RuleFiles
from app.alerting.rules_loop import Offer, RulesConfig, RulesLoop, nowhere
from app.queries import Queries
from app.settings import Settings
from store.metrics import MetricsStore


def wired(
    settings: Settings, *, queries: Queries, metrics: MetricsStore, registry: CollectorRegistry, base_url: str,
    leads: Callable[[], bool], offer: Offer = nowhere,
) -> RulesLoop:  # fmt: skip
    """The loop over the settings' files; it asks the default source."""
    config = RulesConfig(
        interval=settings.evaluation_interval, external_url=base_url,
        external_labels=dict(settings.scrape.global_.external_labels),
    )  # fmt: skip
    files = RuleFiles(settings.rule_files, folder=settings.rules_dir)
    return RulesLoop(
        files, config=config, ask=queries.result, metrics=metrics, registry=registry, offer=offer, leads=leads
    )
