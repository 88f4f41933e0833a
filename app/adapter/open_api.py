"""OpenAPI, as little as kube-apiserver's aggregation asks for: without it, it asks again and again and logs errors.

Values have no schema that anybody validates against (nobody creates them), so only the discovery is described.
"""

from __future__ import annotations

from typing import Any, Final

from app.adapter.group import GROUP, PREFIX, VERSION

_INFO: Final = {"title": "Foretide's external metrics", "version": VERSION}
_GET: Final = {"get": {"description": "which forecasts there are", "responses": {"200": {"description": "OK"}}}}
_PATHS: Final = {f"{PREFIX}/": _GET}
_V3: Final = f"apis/{GROUP}/{VERSION}"

DOCUMENTS: Final[dict[str, dict[str, Any]]] = {
    "/openapi/v2": {"swagger": "2.0", "info": _INFO, "paths": _PATHS},
    "/openapi/v3": {"paths": {_V3: {"serverRelativeURL": f"/openapi/v3/{_V3}"}}},
    f"/openapi/v3/{_V3}": {"openapi": "3.0.0", "info": _INFO, "paths": _PATHS},
}
"""By address."""
