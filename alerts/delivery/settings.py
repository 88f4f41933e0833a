"""What delivery is told at start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySettings:
    """For all receivers.

    Attributes:
        external_url: Where people reach Foretide, without a slash at its end; links begin with it;
            empty where nobody said.
        allow: Networks (CIDR) and hosts that may be called although their addresses are not public.
        secrets_dir: Where the files lie that receivers name; None where there is no such folder.
        variables: The variables of the environment that receivers may name.
    """

    external_url: str = ""
    allow: tuple[str, ...] = ()
    secrets_dir: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
