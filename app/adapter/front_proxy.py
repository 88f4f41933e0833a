"""Who may speak for users: the API server in front, as the ConfigMap ``extension-apiserver-authentication`` says.

Its client certificate is verified by the TLS handshake, against the authority that stands there and no other; without
one, the headers that name a user mean nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from domain.errors import SettingsError

PATH: Final = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who asks."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontProxy:
    """What the ConfigMap says.

    Attributes:
        ca: Certificates of the authority that signs the proxy's own, PEM.
        allowed_names: Common names that it may have; any, where there are none.
        user_headers: Which name the user; the first that is there.
        group_headers: Which name the groups.
        uid_headers: Which tell the uid.
        extra_prefixes: Of headers with more about the user.
    """

    ca: str
    allowed_names: frozenset[str]
    user_headers: tuple[str, ...]
    group_headers: tuple[str, ...]
    uid_headers: tuple[str, ...]
    extra_prefixes: tuple[str, ...]

    def user(self, common_name: str, headers: Sequence[tuple[str, str]]) -> User | None:
        """Whom a verified proxy speaks for; None where it may not, or names nobody.

        Args:
            common_name: Of its certificate.
            headers: In their order; the names as they were sent.
        """
        if self.allowed_names and common_name not in self.allowed_names:
            return None
        name = next(iter(_values(headers, self.user_headers)), "")
        if not name:
            return None
        return User(
            name=name,
            groups=tuple(_values(headers, self.group_headers)),
            uid=next(iter(_values(headers, self.uid_headers)), ""),
            extra=_extra(headers, self.extra_prefixes),
        )


def read(config_map: bytes) -> FrontProxy:
    """From the API server's answer.

    Raises:
        SettingsError: The aggregation layer is off: there is no such authority.
    """
    data: dict[str, Any] = msgspec.json.decode(config_map).get("data") or {}
    ca = str(data.get("requestheader-client-ca-file", ""))
    if not ca.strip():
        raise SettingsError(
            "kube-system/extension-apiserver-authentication has no requestheader-client-ca-file: the API server's "
            "aggregation layer is off (--requestheader-client-ca-file)"
        )
    return FrontProxy(
        ca=ca,
        allowed_names=frozenset(_listed(data, "requestheader-allowed-names")),
        user_headers=_listed(data, "requestheader-username-headers"),
        group_headers=_listed(data, "requestheader-group-headers"),
        uid_headers=_listed(data, "requestheader-uid-headers"),
        extra_prefixes=_listed(data, "requestheader-extra-headers-prefix"),
    )


def _listed(data: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """JSON in a text; what cannot be read is an error: guessing names of headers would be guessing whom to trust."""
    try:
        return tuple(msgspec.json.decode(data.get(key) or "[]", type=list[str]))
    except msgspec.DecodeError as error:
        raise SettingsError(f"kube-system/extension-apiserver-authentication: {key}: {error}") from error


def _values(headers: Sequence[tuple[str, str]], names: Iterable[str]) -> list[str]:
    wanted = [name.lower() for name in names]
    return [value for one in wanted for name, value in headers if name.lower() == one and value]


def _extra(headers: Sequence[tuple[str, str]], prefixes: Iterable[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for prefix in prefixes:
        for name, value in headers:
            if name.lower().startswith(prefix.lower()) and len(name) > len(prefix):
                key = unquote(name[len(prefix) :].lower())
                found[key] = (*found.get(key, ()), value)
    return found
