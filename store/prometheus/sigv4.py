"""AWS Signature Version 4, as far as a query needs it: one request, its body known, no chunks, no presigning.

Source: AWS General Reference, "Create a signed AWS API request". Checked against AWS' own published test suite.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import parse_qsl, quote

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_SPACES: Final = re.compile(r" +")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Whose signature, and for what."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)
    region: str
    service: str


def signed_headers(
    credentials: Credentials,
    *,
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    body: bytes,
    at: datetime,
) -> dict[str, str]:
    """The headers to add.

    Args:
        credentials: Whose signature.
        method: ``GET`` or ``POST``.
        path: As it is sent, percent-encoded.
        query: As it is sent, without ``?``.
        headers: Those to sign, ``host`` among them; the others may change on the way.
        body: As it is sent.
        at: Now, UTC.
    """
    stamp = at.strftime("%Y%m%dT%H%M%SZ")
    added = {"x-amz-date": stamp}
    if credentials.session_token:
        added["x-amz-security-token"] = credentials.session_token
    signed = {name.lower(): _SPACES.sub(" ", value.strip()) for name, value in {**headers, **added}.items()}
    names = ";".join(sorted(signed))
    request = "\n".join(
        (method, quote(path or "/", safe="/~"), _query(query), *(f"{name}:{signed[name]}" for name in sorted(signed)),
         "", names, hashlib.sha256(body).hexdigest())
    )  # fmt: skip
    scope = f"{stamp[:8]}/{credentials.region}/{credentials.service}/aws4_request"
    to_sign = f"{_ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = hmac.new(_key(credentials, stamp[:8]), to_sign.encode(), hashlib.sha256).hexdigest()
    added["authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return added


def _query(query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True)
    return "&".join(f"{name}={value}" for name, value in sorted((_encoded(n), _encoded(v)) for n, v in pairs))


def _encoded(text: str) -> str:
    return quote(text, safe="-_.~")


def _key(credentials: Credentials, day: str) -> bytes:
    key = f"AWS4{credentials.secret_key}".encode()
    for part in (day, credentials.region, credentials.service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
