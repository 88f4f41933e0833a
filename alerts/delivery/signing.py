"""The signature by which a receiver knows that a message is ours.

Source:
    Standard Webhooks 1.0.0: HMAC-SHA256 over ``id.timestamp.body``; several signatures while a secret is exchanged.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from alerts.delivery.errors import SendError

_PREFIX: Final = "whsec_"
_LENGTHS: Final = range(24, 65)
"""Bytes of a secret, as the specification demands."""


def key_of(secret: str) -> bytes:
    """The bytes of ``whsec_…``; ``SendError`` where it is none, without telling it."""
    text = secret.strip().removeprefix(_PREFIX)
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise SendError("a secret is not whsec_ and base64") from error
    if not secret.strip().startswith(_PREFIX) or len(key) not in _LENGTHS:
        raise SendError("a secret must be whsec_ and 24 to 64 bytes as base64")
    return key


def signed(body: bytes, *, id_: str, at: datetime, secrets: Sequence[str]) -> dict[str, str]:
    """The headers; without a secret all but the signature."""
    timestamp = str(int(at.timestamp()))
    headers = {"webhook-id": id_, "webhook-timestamp": timestamp}
    to_sign = b".".join((id_.encode(), timestamp.encode(), body))
    made = [_signature(key_of(secret), to_sign) for secret in secrets]
    return {**headers, "webhook-signature": " ".join(made)} if made else headers


def _signature(key: bytes, to_sign: bytes) -> str:
    return "v1," + base64.b64encode(hmac.new(key, to_sign, hashlib.sha256).digest()).decode()
