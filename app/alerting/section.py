"""``alerting`` of foretide.yaml: what holds for all receivers; who they are stands in documents (docs/receivers.md)."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from alerts.delivery.settings import DeliverySettings
from rules.fields import Text
from rules.receiver import VARIABLE_PREFIX
from rules.wording import found


def _external_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and not parts.fragment
    except ValueError:
        good = False
    if not good or parts.username or any(char.isspace() for char in value):
        raise ValueError(f"expected an address such as https://foretide.example.com; {found(value)}")
    return value.rstrip("/")


def _allowed(value: str) -> str:
    """A network with its host bits is taken for what it is meant to be: a mistake."""
    if "/" in value:
        try:
            return str(ip_network(value))
        except ValueError as error:
            raise ValueError(f"expected a network such as 10.1.0.0/16; {found(value)}") from error
    if not value or any(char.isspace() or char in "*@?#" for char in value):
        raise ValueError(f"expected a network such as 10.1.0.0/16 or a host such as hooks.internal; {found(value)}")
    return value.lower()


class AlertingSection(BaseModel):
    """For all receivers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    external_url: Annotated[Text, AfterValidator(_external_url)] | None = None
    """Where people reach Foretide, for links; default the address that it listens on."""
    allow: Annotated[tuple[Annotated[Text, AfterValidator(_allowed)], ...], Field(max_length=100)] = ()
    """Networks (CIDR) and hosts that receivers may have although their addresses are not public."""
    secrets_dir: Text | None = None
    """Folder of the files that receivers name; default ``secrets`` beside foretide.yaml, if that is there."""
    global_: Annotated[Any, Field(alias="global")] = None
    """This and all below are Alertmanager's own, and read by ``alerts.routing.read``."""
    route: Any = None
    inhibit_rules: Any = None
    time_intervals: Any = None
    mute_time_intervals: Any = None


def of_section(given: AlertingSection, *, folder: Path, environment: Mapping[str, str]) -> DeliverySettings:
    """What delivery is told; of the environment only what receivers may name."""
    secrets = folder / (given.secrets_dir or "secrets")
    return DeliverySettings(
        external_url=given.external_url or "", allow=given.allow,
        secrets_dir=secrets if secrets.is_dir() else None,
        variables={name: value for name, value in environment.items() if name.startswith(VARIABLE_PREFIX)},
    )  # fmt: skip
