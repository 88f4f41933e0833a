"""``foretide discover``: policies for most of a fleet, from the load that a server knows; printed, not applied."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TextIO

from app.discover_propose import ANNOTATION, Proposal, Proposals, propose
from app.discover_survey import Survey, survey
from app.fleet_source import Access, GentleSource, gentle_source, hint
from app.system_clock import SystemClock
from domain.clock import to_ms
from domain.errors import ForetideError, SettingsError

HERE: Final = "http://127.0.0.1:8080/prometheus"
"""A Foretide that runs on this machine; it answers as a Prometheus."""
MOST_TOLD: Final = 20
LONGEST_DAYS: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options of the command."""

    access: Access
    days: float = 7.0
    namespace: str | None = None
    max_load: float = 2.0
    most: int = 10
    trigger_source: str | None = None


def run(asked: Asked, out: TextIO) -> int:
    """Print the documents.

    Returns:
        The exit code: 0 there are policies, 1 there is nothing to propose, 2 an option or the server cannot be used.
    """
    clock = SystemClock()
    source: GentleSource | None = None
    try:
        if not 0.5 <= asked.days <= LONGEST_DAYS:
            raise SettingsError(f"--days {asked.days:g}: expected 0.5 to {LONGEST_DAYS}")
        source = gentle_source(asked.access, max_load_percent=asked.max_load, clock=clock)
        end = clock.now()
        found = survey(
            source, namespace=asked.namespace, start_ms=to_ms(end - timedelta(days=asked.days)),
            end_ms=to_ms(end) // 60_000 * 60_000,
        )  # fmt: skip
    except KeyboardInterrupt:
        return 1
    except ForetideError as error:
        print(f"foretide: {hint(error, asked.access)}", file=sys.stderr)
        return 2
    finally:
        if source is not None:
            source.close()
    made = propose(found, most=asked.most)
    out.write(document(made, found, url=source.url, days=asked.days, trigger_source=asked.trigger_source))
    return 0 if made.chosen else 1


def document(made: Proposals, found: Survey, *, url: str, days: float, trigger_source: str | None) -> str:
    """YAML that ``foretide check`` accepts, with what must be known about it as comments."""
    share = 100 * made.covered / max(made.total, 1)
    told = "of kube-state-metrics" if found.told_by_kubernetes else "that its metrics name (no kube-state-metrics here)"
    lines = [
        f"# Proposed by foretide discover from {url}, {days:g} days.",
        "# Everything is in mode observe: it decides and says why, and touches nothing. perReplica is what replicas",
        "# were SEEN to carry (95th percentile while CPU stayed within 85 % of its request or limit), not what they",
        "# can carry: prove it with foretide backtest.",
        f"# {_counted(len(made.chosen), 'policy', 'policies')} for {made.covered} of {_counted(made.total, 'workload')}"
        f" {told} ({share:.0f} %).",
    ]
    for one in made.chosen:
        lines += ["---", *_policy(one, trigger_source)]
    lines += _left_out(made)
    return "\n".join(lines) + "\n"


def _policy(one: Proposal, trigger_source: str | None) -> list[str]:
    """One document."""
    lines = [f"# {_counted(len(one.workloads), 'workload')}: {_names(sorted(f'{a}/{b}' for a, b in one.workloads))}"]
    if one.silent:
        lines.append(
            f"# {len(one.silent)} more in these namespaces have no such series; for them the policy has no data and "
            f"holds: {_names(sorted(f'{a}/{b}' for a, b in one.silent))}"
        )
    lines += _observed(one)
    if one.load is not None and one.load.family.caution:
        lines.append(f"# {one.load.family.title} {one.load.family.caution}.")
    lines += [
        "apiVersion: foretide.dev/v1alpha1",
        "kind: ScalingPolicy",
        f"metadata: {{name: {one.name}}}",
        "spec:",
        "  selector:",
        f"    namespaces: {{names: [{', '.join(one.namespaces)}]}}",
        "  template:",
        f"    replicas: {{min: {one.bounds[0]}, max: {one.bounds[1]}}}",
        "    mode: observe",
        "    triggers:",
    ]
    if one.load is None:
        return [*lines, f"    - {{name: cpu, resource: {{name: cpu, utilization: {one.cpu_target}}}}}"]
    expr = _query(one)
    query = f"{{expr: '{expr}', source: {trigger_source}}}" if trigger_source else f"'{expr}'"
    per_replica = f"'{{{{annotation.{ANNOTATION}}}}}'" if one.per_replica is None else f"{one.per_replica:g}"
    return [
        *lines,
        "    - name: load",
        f"      query: {query}",
        f"      perReplica: {per_replica}",
        "    - {name: soon, forecast: {of: load, quantile: 0.9}}",
    ]


def _query(one: Proposal) -> str:
    load = one.load
    assert load is not None
    selector = load.labeling.selector("{{namespace}}", "{{name}}", load.family.matchers)
    return f"sum(rate({load.family.metric}{{{selector}}}[2m]))"


def _observed(one: Proposal) -> list[str]:
    """What the numbers come from."""
    if not one.carried:
        return ["# CPU only: their HPAs' target, the lowest where they differ. No offered load is known, so nothing is "
                "forecast."]  # fmt: skip
    numbers = sorted(carried.per_replica for _, carried in one.carried)
    middle = numbers[len(numbers) // 2]
    lines = [
        f"# observed per replica: {numbers[0]:.3g} to {numbers[-1]:.3g}, median {middle:.3g} requests/s; "
        + (
            "the smallest, rounded down, is taken for all"
            if one.per_replica is not None
            else "too far apart for one number"
        )
    ]
    blind = sum(not carried.cpu_known for _, carried in one.carried)
    if blind:
        lines.append(f"# CPU of {blind} of them could not be held against a request or limit: all minutes count there")
    if one.per_replica is None:
        lines.append("# so that each workload says its own (kube-state-metrics: --metric-annotations-allowlist):")
        lines += [
            f"#   kubectl -n {place[0]} annotate deployment {place[1]} {ANNOTATION}={carried.per_replica:.2g}"
            for place, carried in one.carried[:MOST_TOLD]
        ]
        if len(one.carried) > MOST_TOLD:
            lines.append(f"#   … and {len(one.carried) - MOST_TOLD} more: foretide discover --namespace NAME has them")
    return lines


def _left_out(made: Proposals) -> list[str]:
    if not made.left_out:
        return []
    reasons: dict[str, list[str]] = {}
    for place, reason in made.left_out:
        reasons.setdefault(reason, []).append("/".join(place))
    lines = [f"# Left out, {_counted(len(made.left_out), 'workload')}:"]
    for reason, places in sorted(reasons.items(), key=lambda pair: -len(pair[1])):
        lines.append(f"# - {len(places)}: {reason}: {_names(places)}")
    return lines


def _counted(count: int, one: str, more: str = "") -> str:
    return f"{count} {one if count == 1 else more or one + 's'}"


def _names(names: list[str]) -> str:
    more = f" and {len(names) - MOST_TOLD} more" if len(names) > MOST_TOLD else ""
    return ", ".join(names[:MOST_TOLD]) + more
