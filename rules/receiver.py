"""The ``Receiver`` document: who is told of alerts, and in which form; secrets are named here and never stand here.

A document may come from anybody who may write one in the cluster, so it names no path and no variable of its choice:
files lie in one folder, variables have one prefix. Else a document could send the API token to its own URL.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from rules.amounts import Duration, WholeNumber
from rules.document import Metadata, Strict, mistake
from rules.fields import Name, NonEmpty, Text
from rules.wording import found

VARIABLE_PREFIX: Final = "FORETIDE_RECEIVER_"
_VARIABLE: Final = re.compile(rf"{VARIABLE_PREFIX}[A-Z0-9_]{{1,100}}")
_FILE: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,252}")
_ADDRESS: Final = re.compile(r"[^@\s<>,]{1,64}@[^@\s<>,]{1,190}")
_WAYS: Final = ("webhook", "slack", "pagerDuty", "email")
_SHORTEST_HEARTBEAT: Final = timedelta(seconds=10)


def _variable(value: str) -> str:
    if not _VARIABLE.fullmatch(value):
        raise ValueError(f"expected a variable such as {VARIABLE_PREFIX}ONCALL, with that prefix; {found(value)}")
    return value


def _file(value: str) -> str:
    if not _FILE.fullmatch(value):
        raise ValueError(f"expected the name of a file in alerting.secrets_dir, without a folder; {found(value)}")
    return value


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good or not value.isprintable() or " " in value or len(value) > 2048:
        raise ValueError("expected an absolute http or https URL")  # not what was found: a URL may hold a secret
    if parts.username or parts.password:
        raise ValueError("has a user or a password in it; take urlEnv or urlFile")
    return value


def _address(value: str) -> str:
    if not _ADDRESS.fullmatch(value) or not value.isprintable():
        raise ValueError(f"expected an address such as oncall@example.com; {found(value)}")
    return value


def _json(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$"}, mode="validation")


Variable = Annotated[Text, AfterValidator(_variable), _json(_VARIABLE.pattern)]
SecretFile = Annotated[Text, AfterValidator(_file), _json(_FILE.pattern)]
Url = Annotated[Text, AfterValidator(_url), _json("https?://[^ ]+")]
Address = Annotated[Text, AfterValidator(_address), _json(_ADDRESS.pattern)]


class Secret(Strict):
    """Where a secret is read: a variable of the environment, or a file."""

    env: Variable | None = None
    file: SecretFile | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise mistake("env", "give exactly one of env and file")
        return self


class Webhook(Strict):
    """An HTTP POST, signed where there is a secret."""

    url: Url | None = None
    url_env: Variable | None = None
    url_file: SecretFile | None = None
    secrets: Annotated[tuple[Secret, ...], Field(max_length=2)] = ()
    format: Literal["generic", "alertmanager", "cloudevents"] = "generic"

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(value is not None for value in (self.url, self.url_env, self.url_file)) != 1:
            raise mistake("url", "give exactly one of url, urlEnv and urlFile")
        return self


class Slack(Strict):
    """An incoming webhook of Slack; its URL is the secret."""

    url: Secret


class PagerDuty(Strict):
    """Events v2."""

    routing_key: Secret
    url: Url = "https://events.pagerduty.com/v2/enqueue"
    severity: Literal["critical", "error", "warning", "info"] = "error"


class Email(Strict):
    """Mail by a server."""

    host: Name
    port: Annotated[WholeNumber, Field(ge=1, le=65535)] = 587
    starttls: bool = True
    from_: Annotated[Address, Field(alias="from")]
    to: NonEmpty[Address]
    username: Name | None = None
    password: Secret | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise mistake("password", "username and password go together")
        if self.password is not None and not self.starttls:
            raise mistake("starttls", "must be true where a password is sent")
        return self


class ReceiverSpec(Strict):
    """Exactly one way, and what goes over it."""

    webhook: Webhook | None = None
    slack: Slack | None = None
    pager_duty: PagerDuty | None = None
    email: Email | None = None
    send_resolved: bool = True
    heartbeat: Duration | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = [name for name, way in zip(_WAYS, self._ways, strict=True) if way is not None]
        if len(given) != 1:
            at = given[1] if given else "webhook"
            raise mistake(at, "a receiver has exactly one of webhook, slack, pagerDuty and email")
        if self.heartbeat is not None and self.webhook is None:
            raise mistake("heartbeat", "goes with webhook: who misses it must be a program")
        if self.heartbeat is not None and self.heartbeat < _SHORTEST_HEARTBEAT:
            raise mistake("heartbeat", "must be at least 10s")
        return self

    @property
    def way(self) -> Webhook | Slack | PagerDuty | Email:
        """The one that is given."""
        return next(way for way in self._ways if way is not None)

    @property
    def _ways(self) -> tuple[Webhook | Slack | PagerDuty | Email | None, ...]:
        return (self.webhook, self.slack, self.pager_duty, self.email)


class Receiver(Strict):
    """One receiver; a route names it ``name``, or ``namespace/name`` outside of namespace default."""

    api_version: Literal["foretide.dev/v1alpha1"]
    kind: Literal["Receiver"]
    metadata: Metadata
    spec: ReceiverSpec

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.metadata.namespace}/{self.metadata.name}"
