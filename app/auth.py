"""Who may speak to us, until identities exist.

On loopback without a token everybody on this machine may; then the Host header must name this machine, so that a web
page elsewhere cannot reach us through the reader's browser (DNS rebinding). With a token every path but the two probes
and the login needs it: as a bearer token, or in the cookie that the login page sets. What a browser sends by itself (no
token needed, or the cookie) may change something only from our own pages: another port of the same machine is the same
site to a cookie, so SameSite alone does not keep it out. Deny by default, and the decision uses the raw ASGI path,
never a URL that a header could poison.
"""

from __future__ import annotations

import hashlib
import hmac
import html
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qs

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.envelope import error_response
from app.settings import is_loopback

COOKIE: Final = "foretide_token"
OPEN_PATHS: Final = frozenset({"/healthz", "/readyz"})
LOGIN: Final = "/login"
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_MAX_FORM_BYTES: Final = 4096


class TokenGate:
    """ASGI middleware: lets through who may speak to us."""

    def __init__(self, app: ASGIApp, *, token: str | None) -> None:
        """``token`` None means: this machine only, by Host header."""
        self._app = app
        self._token = token
        self._cookie = None if token is None else _fingerprint(token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer 400/401/403 (and serve the login)."""
        if scope["type"] not in ("http", "websocket") or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        refusal = await self._refusal(scope, headers, receive)
        if refusal is None:
            scope.setdefault("state", {})["actor"] = "local" if self._token is None else "token"
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 4401})
        else:
            await refusal(scope, receive, send)

    async def _refusal(self, scope: Scope, headers: Mapping[bytes, str], receive: Receive) -> Response | None:
        """Who asks without a token, then with one, then with the cookie; then the login."""
        if self._token is None:
            host = headers.get(b"host", "")
            if is_loopback(_without_port(host)):
                return _refusal_of_strangers(scope, headers)
            return error_response(
                400, "BAD_HOST", f"Host {host[:200]!r} is not this machine; set FORETIDE_API_TOKEN to serve other names"
            )
        if scope["path"] == LOGIN and scope["type"] == "http":
            return _refusal_of_strangers(scope, headers) or await self._login(scope, receive)
        if self._bears_token(headers):
            return None
        if self._has_cookie(headers):
            return _refusal_of_strangers(scope, headers)
        if scope["path"] == "/" or scope["path"].startswith("/ui/") and scope.get("method") == "GET":
            if "text/html" in headers.get(b"accept", ""):
                return RedirectResponse(LOGIN, status_code=303)
        return error_response(
            401, "UNAUTHORIZED", "a bearer token is needed: Authorization: Bearer <FORETIDE_API_TOKEN>",
            headers={"WWW-Authenticate": 'Bearer realm="foretide"'},
        )  # fmt: skip

    def _bears_token(self, headers: Mapping[bytes, str]) -> bool:
        assert self._token is not None
        scheme, _, given = headers.get(b"authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self._token.encode())

    def _has_cookie(self, headers: Mapping[bytes, str]) -> bool:
        assert self._cookie is not None
        try:
            cookie = SimpleCookie(headers.get(b"cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and hmac.compare_digest(cookie.value.encode(), self._cookie.encode())

    async def _login(self, scope: Scope, receive: Receive) -> Response:
        assert self._token is not None
        assert self._cookie is not None
        if scope["method"] != "POST":
            return HTMLResponse(_page(""))
        form = parse_qs((await _body(receive)).decode("latin-1"))
        given = form.get("token", [""])[0].strip()
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            return HTMLResponse(_page("That is not the token of this Foretide."), status_code=401)
        response = RedirectResponse("/ui/", status_code=303)
        secure = scope.get("scheme") == "https"
        response.set_cookie(COOKIE, self._cookie, httponly=True, samesite="strict", secure=secure, max_age=7 * 86_400)
        return response


def _without_port(host: str) -> str:
    return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]


def _refusal_of_strangers(scope: Scope, headers: Mapping[bytes, str]) -> Response | None:
    """403 where a browser asks on behalf of another origin's page; programs send neither of the two headers."""
    if scope["type"] == "http" and scope["method"] in _SAFE_METHODS:
        return None
    site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
    if site is not None:
        own = site in ("same-origin", "none")
    else:
        own = origin is None or origin.partition("://")[2] == headers.get(b"host", "")
    return None if own else error_response(403, "FORBIDDEN", "a page of another origin may not change anything here")


def _fingerprint(token: str) -> str:
    # The cookie proves that its holder once knew the token, without being the token: a leaked one opens no API client.
    return hmac.new(token.encode(), b"foretide dashboard cookie", hashlib.sha256).hexdigest()


async def _body(receive: Receive) -> bytes:
    body = b""
    while len(body) <= _MAX_FORM_BYTES:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return body[:_MAX_FORM_BYTES]


def _page(problem: str) -> str:
    said = f'<p role="alert">{html.escape(problem)}</p>' if problem else ""
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Foretide</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
:root {{ color-scheme: light dark }}
body {{ font: 15px/1.5 system-ui, sans-serif; display: grid; place-items: center; min-height: 90vh; margin: 0 }}
form {{ display: grid; gap: 12px; width: min(360px, 90vw) }} h1 {{ font-size: 20px; margin: 0 }}
input, button {{ font: inherit; padding: 9px 11px; border-radius: 7px; border: 1px solid #8b96a6 }}
button {{ background: #1d4ed8; border-color: #1d4ed8; color: #fff; cursor: pointer }}
[role=alert] {{ color: #d9304f; margin: 0 }}
</style></head><body><form method="post" action="{LOGIN}"><h1>Foretide</h1>{said}
<label for="token">API token (FORETIDE_API_TOKEN)</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Open the dashboard</button></form></body></html>"""
