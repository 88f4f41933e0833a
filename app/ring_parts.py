"""The rings of cluster ``kubernetes``: what a pass tells of each rule, and which Foretide tells it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry, Gauge

from app.kubernetes_parts import KubernetesParts
from app.rule_digest import digest_of
from app.settings import Settings
from controller.actuation.ring_trouble import Told
from controller.actuation.rings import HAND
from controller.case import Case
from controller.guardrails import SloState
from controller.rings import Rings
from domain.scaling import Mode
from rules import RuleSet
from rules.schema import ScalingRule

_DIGITS = 12


class RingParts:
    """Asked by the loop between deciding and acting."""

    def __init__(
        self, parts: KubernetesParts | None, *, settings: Settings, version: str, rules: Callable[[], RuleSet],
        registry: CollectorRegistry,
    ) -> None:  # fmt: skip
        """Without a cluster, or with everything in the first ring, nobody is held."""
        self._rules = rules
        self._versions: dict[str, tuple[ScalingRule, str]] = {}
        self._held = Gauge("foretide_ring_held_rules", "Rules that wait for their ring.", registry=registry)
        self._halted = Gauge("foretide_rings_halted", "Releases that were halted and wait for us.", registry=registry)
        self.rings: Rings | None = None
        if parts is not None and parts.ring_plan is not None:
            self.rings = Rings(
                read=parts.ring_shelf.read, write=parts.ring_shelf.write, plan=parts.ring_plan,
                controller=controller_of(settings, version), tried=parts.cluster.tally.since_asked, say=parts.announce,
            )  # fmt: skip

    def held(self, cases: Sequence[Case], now: datetime) -> Mapping[str, str]:
        """By rule, why it does not act yet."""
        if self.rings is None:
            return {}
        policies = self._rules().by_policy
        origins = {key: f"policy {policy.key}" for key, policy in policies.items()}
        told = {case.rule.key: self._told(case, origins.get(case.rule.key, HAND)) for case in cases}
        self._versions = {key: known for key, known in self._versions.items() if key in told}
        held = self.rings.held(told, now)
        self._held.set(len(held))
        self._halted.set(self.rings.halted)
        return held

    def status(self) -> list[str]:
        """A sentence for each release on its way."""
        return [] if self.rings is None else list(self.rings.status)

    def _told(self, case: Case, origin: str) -> Told:
        rule, burn = case.rule, case.burn
        acts = rule.spec.mode is Mode.ENFORCE and rule.spec.actuate.with_ != "none" and not case.refused
        known = burn is not None and burn.state is not SloState.UNKNOWN
        return Told(
            version=self._version(rule), origin=origin, acts=acts, failed=bool(case.failure),
            burning=burn.state is SloState.BURNING if burn is not None and known else None,
        )  # fmt: skip

    def _version(self, rule: ScalingRule) -> str:
        """Digests are taken once: rules that do not change are the same objects."""
        known = self._versions.get(rule.key)
        if known is None or known[0] is not rule:
            known = self._versions[rule.key] = (rule, digest_of(rule)[:_DIGITS])
        return known[1]


def controller_of(settings: Settings, version: str) -> str:
    """Which Foretide this is: its version, and of its configuration what decisions are read from."""
    sources = [[one.name, one.url, one.kind] for one in settings.sources]
    jobs = [[job.job_name, job.scrape_interval.total_seconds()] for job in settings.scrape.jobs]
    text = json.dumps([settings.default_source, sources, jobs])
    return f"{version} ({hashlib.sha256(text.encode()).hexdigest()[:8]})"
