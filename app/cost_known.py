"""What is known of a window before anything is priced."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cost.allocation.nodes import Amounts, PodInterval
from cost.allocation.subject import Subject
from cost.pricing.things import NodeFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownNode:
    """A node as long as it was there, without its price."""

    subject: Subject
    start: datetime
    end: datetime | None
    capacity: Amounts
    allocatable: Amounts
    facts: NodeFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Everything of a window; ``missing`` says what should have told of nodes where there are none."""

    nodes: tuple[KnownNode, ...]
    pods: tuple[PodInterval, ...]
    missing: str = ""
