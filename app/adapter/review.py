"""Asks the API server who a token's owner is and what a user may: TokenReview and SubjectAccessReview, shortly cached.

Where it does not answer nobody gets in: an error is never a yes, and no yes is older than ten seconds.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import msgspec

from app.adapter.front_proxy import User
from domain.clock import Clock

MASTERS: Final = "system:masters"
_AUTHENTICATED: Final = "system:authenticated"
_YES_SECONDS: Final = 10.0
_NO_SECONDS: Final = 2.0
_AT_MOST: Final = 4096

T = TypeVar("T")
Post = Callable[[str, dict[str, Any]], bytes]
"""A POST to the API server; raises ``KubeError``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What is asked for: a resource in a namespace, or else a path."""

    verb: str
    path: str
    namespace: str = ""
    group: str = ""
    version: str = ""
    resource: str = ""


class Reviews:
    """From any thread."""

    def __init__(self, post: Post, *, clock: Clock) -> None:
        """Ask by ``post``."""
        self._post = post
        self._users = _Cache[User | None](clock)
        self._allowed = _Cache[bool](clock)

    def user_of(self, token: str) -> User | None:
        """The owner; None where it is no valid token.

        Raises:
            KubeError: The API server does not say.
        """
        key = hashlib.sha256(token.encode()).digest()
        return self._users.get(key, lambda: self._token_review(token), good=lambda user: user is not None)

    def allows(self, user: User, asked: Attributes) -> bool:
        """Whether the cluster's authorizer says yes.

        Raises:
            KubeError: The API server does not say.
        """
        if MASTERS in user.groups:
            return True
        extra = tuple(sorted(user.extra.items()))
        key = (user.name, user.groups, user.uid, extra, asked)
        return self._allowed.get(key, lambda: self._access_review(user, asked), good=bool)

    def _token_review(self, token: str) -> User | None:
        told = self._asked("authentication.k8s.io/v1", "TokenReview", {"token": token})
        if told.get("authenticated") is not True or told.get("error"):
            return None
        user = told["user"]
        return User(
            name=user["username"], groups=tuple(user.get("groups") or ()), uid=user.get("uid") or "",
            extra={key: tuple(values) for key, values in (user.get("extra") or {}).items()},
        )  # fmt: skip

    def _access_review(self, user: User, asked: Attributes) -> bool:
        groups = user.groups if _AUTHENTICATED in user.groups else (*user.groups, _AUTHENTICATED)
        spec: dict[str, Any] = {
            "user": user.name, "groups": groups, "uid": user.uid,
            "extra": {key: list(values) for key, values in user.extra.items()},
        }  # fmt: skip
        if asked.resource:
            told = ("verb", "namespace", "group", "version", "resource")
            spec["resourceAttributes"] = {name: getattr(asked, name) for name in told}
        else:
            spec["nonResourceAttributes"] = {"path": asked.path, "verb": asked.verb}
        said = self._asked("authorization.k8s.io/v1", "SubjectAccessReview", spec)
        return said.get("allowed") is True and not said.get("denied")

    def _asked(self, api: str, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
        body = {"apiVersion": api, "kind": kind, "spec": spec}
        told: dict[str, Any] = msgspec.json.decode(self._post(f"/apis/{api}/{kind.lower()}s", body))
        return told.get("status") or {}


class _Cache(Generic[T]):
    """Answers of the last seconds; a no is forgotten sooner, so that a new right works at once."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._kept: dict[Hashable, tuple[float, T]] = {}

    def get(self, key: Hashable, ask: Callable[[], T], *, good: Callable[[T], bool]) -> T:
        with self._lock:
            found = self._kept.get(key)
        if found is not None and self._clock.monotonic() < found[0]:
            return found[1]
        answer = ask()
        until = self._clock.monotonic() + (_YES_SECONDS if good(answer) else _NO_SECONDS)
        with self._lock:
            if len(self._kept) >= _AT_MOST:
                self._kept.clear()
            self._kept[key] = (until, answer)
        return answer
