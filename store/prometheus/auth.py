"""Proves who we are, in each way that such servers ask for. Secrets are read anew for each request, never logged."""

from __future__ import annotations

import base64
import ssl
import threading
from collections.abc import Generator
from typing import Final
from urllib.parse import quote_plus

import httpx
import orjson

from domain.clock import Clock
from domain.errors import QuerySourceError
from store.prometheus import sigv4
from store.prometheus.config import BasicAuth, BearerAuth, OAuth2, Secret, SigV4, SourceConfig, Tls

EXPIRY_LEEWAY_SECONDS: Final = 60.0
"""A token is renewed so long before its end: clocks differ, and a query is under way for up to 10 s."""
_SHORTEST_LIFE_SECONDS: Final = 10.0
"""A token that lives shorter than the leeway is used so long, or every query would fetch one."""
_DEFAULT_LIFE_SECONDS: Final = 300.0
"""Where the server does not say (``expires_in`` is optional in RFC 6749)."""

Flow = Generator[httpx.Request, httpx.Response, None]


def auth_for(config: SourceConfig, *, clock: Clock) -> httpx.Auth | None:
    """What signs the requests to a source."""
    match config.auth:
        case None:
            return None
        case BasicAuth() | BearerAuth():
            return HeaderAuth(config.name, config.auth)
        case OAuth2():
            return OAuth2Auth(config.name, config.auth, clock=clock)
        case SigV4():
            return SigV4Auth(config.name, config.auth, clock=clock)


def tls_context(tls: Tls) -> ssl.SSLContext:
    """TLS as configured; ``OSError`` or ``ssl.SSLError`` where a file is missing or broken."""
    context = ssl.create_default_context(cafile=None if tls.ca_file is None else str(tls.ca_file))
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert_file is not None:
        context.load_cert_chain(str(tls.cert_file), None if tls.key_file is None else str(tls.key_file))
    return context


class HeaderAuth(httpx.Auth):
    """Basic and bearer."""

    def __init__(self, source: str, auth: BasicAuth | BearerAuth) -> None:
        """``source`` is for the sentence when a secret cannot be read."""
        self._source, self._auth = source, auth

    def auth_flow(self, request: httpx.Request) -> Flow:
        """Set the header from what the file holds now."""
        match self._auth:
            case BasicAuth(username=username, password=password):
                pair = f"{username}:{_read(self._source, password)}".encode()
                request.headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
            case BearerAuth(token=token, scheme=scheme):
                request.headers["Authorization"] = f"{scheme} {_read(self._source, token)}"
        yield request


class OAuth2Auth(httpx.Auth):
    """Client credentials: one token for all threads, renewed before it ends and after a 401."""

    def __init__(self, source: str, config: OAuth2, *, clock: Clock) -> None:
        """Nothing is fetched before the first request."""
        self._source, self._config, self._clock = source, config, clock
        self._lock = threading.Lock()
        self._token = ""
        self._renew_at = float("-inf")

    def sync_auth_flow(self, request: httpx.Request) -> Flow:
        """With the token; once more with a new one where the server calls it unauthorised."""
        token = yield from self._current(request)
        request.headers["Authorization"] = f"Bearer {token}"
        response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED:
            self._drop(token)
            token = yield from self._current(request)
            request.headers["Authorization"] = f"Bearer {token}"
            yield request

    def _current(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, str]:
        with self._lock:
            if self._clock.monotonic() >= self._renew_at:
                began = self._clock.monotonic()
                self._keep((yield self._asking(request)), began)
            return self._token

    def _drop(self, token: str) -> None:
        with self._lock:
            if token == self._token:  # another thread may have renewed it already
                self._renew_at = float("-inf")

    def _asking(self, request: httpx.Request) -> httpx.Request:
        config = self._config
        form = {"grant_type": "client_credentials", **dict(config.endpoint_params)}
        if config.scopes:
            form["scope"] = " ".join(config.scopes)
        pair = f"{quote_plus(config.client_id)}:{quote_plus(_read(self._source, config.client_secret))}"
        return httpx.Request(
            "POST", config.token_url, data=form, extensions={"timeout": request.extensions.get("timeout", {})},
            headers={"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"},
        )  # fmt: skip

    def _keep(self, response: httpx.Response, began: float) -> None:
        if response.status_code != httpx.codes.OK:
            raise QuerySourceError(f"source {self._source}: the token server answers {response.status_code}")
        try:
            answer = orjson.loads(response.read())
            self._token = str(answer["access_token"])
            life = float(answer.get("expires_in") or _DEFAULT_LIFE_SECONDS)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise QuerySourceError(f"source {self._source}: the token server's answer holds no token") from error
        # Seconds from now and our own monotonic clock: a wall clock that is wrong, theirs or ours, does no harm.
        self._renew_at = began + max(life - EXPIRY_LEEWAY_SECONDS, min(life, _SHORTEST_LIFE_SECONDS))


class SigV4Auth(httpx.Auth):
    """AWS."""

    requires_request_body = True

    def __init__(self, source: str, config: SigV4, *, clock: Clock) -> None:
        """The clock's wall time is in the signature: AWS takes up to 5 minutes of difference."""
        self._source, self._config, self._clock = source, config, clock

    def auth_flow(self, request: httpx.Request) -> Flow:
        """Sign the request as it is."""
        config = self._config
        credentials = sigv4.Credentials(
            access_key=_read(self._source, config.access_key),
            secret_key=_read(self._source, config.secret_key),
            session_token="" if config.session_token is None else _read(self._source, config.session_token),
            region=config.region,
            service=config.service,
        )
        path, _, query = request.url.raw_path.decode("ascii").partition("?")
        to_sign = {name: request.headers[name] for name in ("host", "content-type") if name in request.headers}
        added = sigv4.signed_headers(
            credentials, method=request.method, path=path, query=query, headers=to_sign, body=request.content,
            at=self._clock.now(),
        )  # fmt: skip
        request.headers.update(added)
        yield request


def _read(source: str, secret: Secret) -> str:
    try:
        return secret.read()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "no UTF-8 text"
        raise QuerySourceError(f"source {source}: the secret in {secret.file} cannot be read: {why}") from error
