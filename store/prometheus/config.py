"""What is known about a source: where it is, how we prove who we are, how much it is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A secret: read from a file at each use, so that it may be rotated, or given by the environment at start."""

    file: Path | None = None
    text: str = field(default="", repr=False)

    def read(self) -> str:
        """The secret; ``OSError`` or ``UnicodeDecodeError`` where its file cannot be read."""
        return self.text if self.file is None else self.file.read_text(encoding="utf-8").strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicAuth:
    """User name and password."""

    username: str
    password: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class BearerAuth:
    """A token, as ``Authorization: <scheme> <token>``."""

    token: Secret
    scheme: str = "Bearer"


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth2:
    """Client credentials (RFC 6749, 4.4)."""

    client_id: str
    client_secret: Secret
    token_url: str
    scopes: tuple[str, ...] = ()
    endpoint_params: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SigV4:
    """AWS' request signature; ``service`` is ``aps`` for Amazon Managed Service for Prometheus."""

    region: str
    access_key: Secret
    secret_key: Secret
    session_token: Secret | None = None
    service: str = "aps"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How the server proves who it is, and, with a certificate, how we do."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    insecure_skip_verify: bool = False


Auth = BasicAuth | BearerAuth | OAuth2 | SigV4


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceConfig:
    """One server.

    Attributes:
        name: As rules call it.
        kind: What it speaks: ``prometheus``, ``jaeger`` or ``tempo``.
        services: Of a store of traces: those whose RED is read in any case.
        url: Base URL; ``/api/v1/query`` is added.
        auth: How we prove who we are; None where nobody asks.
        tls: For ``https``.
        tenant: ``X-Scope-OrgID`` (Mimir, Cortex, Loki's family); None sends none.
        headers: Further headers.
        step: Instants are aligned to it and asked for once.
        timeout: Of one query, at the server and on the way.
        max_concurrent: Queries at once.
        max_queries_per_second: Of any kind; 20 is the promise to the server's owner.
        backfill_queries_per_second: Of these, for histories.
        remote_write_url: Where forecasts are written back; None writes none.
    """

    name: str
    url: str
    auth: Auth | None = None
    tls: Tls = Tls()
    tenant: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    step: timedelta = timedelta(seconds=15)
    timeout: timedelta = timedelta(seconds=10)
    max_concurrent: int = 4
    max_queries_per_second: float = 20.0
    backfill_queries_per_second: float = 1.0
    remote_write_url: str | None = None
    kind: str = "prometheus"
    services: tuple[str, ...] = ()
