"""Puts the pages on the API's FastAPI application: one process, one server, no bridge.

Dash adds a GET catch-all on the whole application when it starts, which would answer unknown API addresses with a page
and 200. The application must therefore register its own ``/api/{rest:path}`` (404) *before* it starts; routes that
are there earlier win. Authentication belongs into ASGI middleware: Dash's own hooks do not see every address below
``/ui/``.
"""

from __future__ import annotations

import hashlib
import html
import logging
import uuid
from pathlib import Path
from typing import Any, Final

from dash import Dash, set_props
from fastapi import FastAPI
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from dashboard.callbacks import register
from dashboard.contract import DataClient
from dashboard.shell import layout

PREFIX: Final = "/ui/"
ASSETS: Final = Path(__file__).parent / "assets"
FONT: Final = "inter-5.3.0-latin-wght-normal.woff2"
_IN_HEAD: Final = ("theme.js",)
_BEFORE_DASH: Final = ("plotly-foretide-4.1.1.min.js", "foretide.js")
_log = logging.getLogger(__name__)


class FingerprintedFiles(StaticFiles):
    """Assets whose address carries the hash of their content never change: browsers keep them for a year."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file; immutable when it was asked for by its hash, to be asked for again otherwise."""
        response = await super().get_response(path, scope)
        named_by_content = b"v=" in scope["query_string"] or path == FONT
        kept = "public, max-age=31536000, immutable" if named_by_content else "no-cache"
        response.headers["Cache-Control"] = kept
        return response


def mount(api: FastAPI, data: DataClient, *, version: str) -> Dash:
    """Serve the dashboard under ``/ui/`` of ``api``, reading from ``data``.

    Call it before the application starts, after the API's own routes. Nothing is kept at module level: a process may
    mount several dashboards on several applications, as the tests do; each is to be started before the next is mounted,
    because Dash asks a global for its app at start.
    """
    api.mount(f"{PREFIX}assets", FingerprintedFiles(directory=ASSETS), name="dashboard-assets")
    app = Dash(
        "dashboard",
        server=api,
        url_base_pathname=PREFIX,
        assets_folder=str(ASSETS),
        include_assets_files=False,
        index_string=document(version),
        title="Foretide",
        update_title=None,
        suppress_callback_exceptions=True,
        on_error=_tell,
        enable_mcp=False,
        add_log_handler=False,
    )
    _without_websocket(api, app)
    app.layout = layout()
    register(app, data)
    return app


def _without_websocket(api: FastAPI, app: Dash) -> None:
    """No page uses Dash's websocket, but with it every open page holds a connection and a second door stands open."""
    app.backend.websocket_capability = False
    door = f"{PREFIX}_dash-ws-callback"
    api.router.routes[:] = [route for route in api.router.routes if getattr(route, "path", None) != door]


def document(version: str) -> str:
    """The HTML around the app. The theme is set before the first paint, and plotly.js is there before Dash looks."""
    head = "\n".join(f'<script src="{asset(name)}"></script>' for name in _IN_HEAD)
    scripts = "\n".join(f'<script src="{asset(name)}"></script>' for name in _BEFORE_DASH)
    return f"""<!DOCTYPE html>
<html lang="en" data-theme="dark" data-version="{html.escape(version, quote=True)}">
<head>
{{%metas%}}
<meta name="color-scheme" content="dark light">
<title>{{%title%}}</title>
{head}
<link rel="icon" type="image/svg+xml" href="{asset("icon.svg")}">
<link rel="preload" as="font" type="font/woff2" href="{PREFIX}assets/{FONT}" crossorigin>
{{%css%}}
<link rel="stylesheet" href="{asset("foretide.css")}">
</head>
<body>
{{%app_entry%}}
<footer>
{{%config%}}
{scripts}
{{%scripts%}}
{{%renderer%}}
</footer>
</body>
</html>"""


def asset(name: str) -> str:
    """Address of an asset, with the hash of its content."""
    digest = hashlib.sha256((ASSETS / name).read_bytes()).hexdigest()[:12]
    return f"{PREFIX}assets/{name}?v={digest}"


def _tell(error: Exception) -> Any:
    """A callback failed: log it, which Dash's FastAPI backend does not, and tell the reader where to look."""
    reference = uuid.uuid4().hex[:8]
    _log.error("dashboard callback failed", exc_info=error, extra={"reference": reference})
    set_props("notice", {"children": f"Something went wrong here (reference {reference}); the log has the details."})
