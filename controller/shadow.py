"""The fold behind a rule's shadow score: one tick more, as a plain function.

The shadow's replicas follow the rule's own decisions, made by the same code from the shadow's workload and the shadow's
memory: a rule that would have scaled up at nine is not asked again at ten whether it would, with the replicas of
somebody else. The load is taken as it was: what more replicas would have done to it, nobody knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Final

from controller.triggers import Reading
from domain.money import Money
from domain.scaling import Workload
from domain.series import Signal
from domain.shadow import GAP, ShadowScore, ShadowSide
from rules.schema import ScalingRule

_HOUR: Final = Decimal(3600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What a tick saw.

    Attributes:
        replicas: What really runs.
        ready: Of these; None where nobody knows.
        load: What the workload has to carry; None where it is not known.
        capacity: Of it, what one ready replica carries.
        shadow_price: Of the shadow's replicas, per hour; None without a price.
        real_price: Of what runs.
    """

    replicas: int
    ready: int | None
    load: float | None
    capacity: float | None
    shadow_price: Money | None = None
    real_price: Money | None = None


def digest(rule: ScalingRule) -> str:
    """Of everything that makes its decisions; the mode does not."""
    spec = rule.spec.model_dump_json(by_alias=True, exclude={"mode"})
    return sha256(spec.encode()).hexdigest()


def begin(rule: ScalingRule, replicas: int, *, own_digest: str, now: datetime) -> ShadowScore:
    """From what runs now."""
    return ShadowScore(rule=rule.key, digest=own_digest, since=now, at=now, replicas=replicas)


def workload(score: ShadowScore, real: Workload, now: datetime) -> Workload:
    """The shadow's, for its decision: of the real one the requests only."""
    return replace(real, current_replicas=score.replicas, ready_replicas=score.ready(now), source="the rule's shadow")


def counted(score: ShadowScore, seen: Observed, *, now: datetime) -> ShadowScore:
    """With the time since the last tick added to both sides; after a gap nothing is added."""
    length = now - score.at
    score = replace(score, at=now, starting=tuple(one for one in score.starting if one[0] > now))
    if not timedelta() < length <= GAP:
        return score
    seconds = length.total_seconds()
    score = replace(
        score, counted_seconds=score.counted_seconds + seconds,
        shadow=_longer(score.shadow, score.replicas, seconds), real=_longer(score.real, seen.replicas, seconds),
    )  # fmt: skip
    return _priced(_judged(score, seen, seconds, now), seen, seconds)


def followed(score: ShadowScore, desired: int | None, *, startup: timedelta, now: datetime) -> ShadowScore:
    """After its decision: more are asked for at once and ready after the start-up, those that start last go first."""
    if desired is None or desired == score.replicas:
        return score
    more = desired - score.replicas
    if more > 0:
        return replace(score, replicas=desired, starting=(*score.starting, (now + startup, more)))
    return replace(score, replicas=desired, starting=_without(score.starting, -more))


def demand(rule: ScalingRule, signals: Mapping[str, Reading], real: Workload) -> tuple[float, float] | None:
    """Load and what one replica is to carry of it, by the first trigger that measures both; None where none does."""
    for trigger in rule.spec.triggers:
        reading = signals.get(trigger.name)
        if not isinstance(reading, Signal):
            continue
        if trigger.per_replica is not None:
            return max(reading.value, 0.0), float(trigger.per_replica)
        if trigger.resource is not None and (request := real.requests.get(trigger.resource.name)):
            return max(reading.value, 0.0), request  # what it requested is what it surely has
    return None


def _longer(side: ShadowSide, replicas: int, seconds: float) -> ShadowSide:
    return replace(side, replica_seconds=side.replica_seconds + replicas * seconds)


def _judged(score: ShadowScore, seen: Observed, seconds: float, now: datetime) -> ShadowScore:
    if seen.load is None or seen.capacity is None or seen.ready is None:
        return score
    return replace(
        score, judged_seconds=score.judged_seconds + seconds,
        shadow=_violated(score.shadow, seen.load > score.ready(now) * seen.capacity, seconds),
        real=_violated(score.real, seen.load > seen.ready * seen.capacity, seconds),
    )  # fmt: skip


def _violated(side: ShadowSide, too_few: bool, seconds: float) -> ShadowSide:
    return replace(side, violated_seconds=side.violated_seconds + seconds) if too_few else side


def _priced(score: ShadowScore, seen: Observed, seconds: float) -> ShadowScore:
    """In another currency than before the cost begins anew, for both."""
    ours, real = seen.shadow_price, seen.real_price
    if ours is None or real is None:
        return score
    same = score.currency == real.currency
    hours = Decimal(str(seconds)) / _HOUR
    return replace(
        score, currency=real.currency,
        shadow=replace(score.shadow, cost=(score.shadow.cost if same else 0) + ours.amount * hours),
        real=replace(score.real, cost=(score.real.cost if same else 0) + real.amount * hours),
    )  # fmt: skip


def _without(starting: tuple[tuple[datetime, int], ...], fewer: int) -> tuple[tuple[datetime, int], ...]:
    kept: list[tuple[datetime, int]] = []
    for ready_at, count in reversed(starting):
        taken = min(count, fewer)
        fewer -= taken
        if count > taken:
            kept.append((ready_at, count - taken))
    return tuple(reversed(kept))
