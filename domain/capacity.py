"""What one replica carries, learned while it runs: what is kept of it, and what a decision is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """Everything that is known of one trigger's capacity, of one version of its workload.

    Attributes:
        rule: ``namespace/name``.
        trigger: Its name in the rule.
        subject: Digest of what the trigger measures: another query is learned anew.
        version: The pod-template-hash, or what stands for it; empty where nobody knows.
        since: From when on this version was watched.
        deployed: Whether an earlier version was seen before it, so that ``since`` is a deploy.
        at: Of the newest observation.
        mixed: Whether two versions ran then: a rollout is under way.
        ready: Ready replicas then.
        settled_since: Since when their number has not changed.
        load: On each of them then; None where it was not known.
        top: The most load that one of them was seen to carry.
        samples: How many observations count, older ones wholly.
        sums: Of weight, x, y, x², xy and y², older samples decayed; x is load per replica, y CPU as a share.
        outcomes: By step of load (``controller/capacity.py``): how often the objective held, and was missed; decayed.
        learned: Whether it spoke; then a little more doubt does not silence it.
    """

    rule: str
    trigger: str
    subject: str
    version: str
    since: datetime
    deployed: bool = False
    at: datetime
    mixed: bool = False
    ready: int | None = None
    settled_since: datetime | None = None
    load: float | None = None
    top: float = 0.0
    samples: int = 0
    sums: tuple[float, float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    outcomes: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    learned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What one replica is taken to carry, now.

    Attributes:
        value: In the trigger's unit.
        learned: Whether it was learned; False: where learning starts.
        said: Where it comes from, for the decision's sentence.
    """

    value: float
    learned: bool
    said: str
