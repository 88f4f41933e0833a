"""What an API server answered, as what it means for a deed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from domain.errors import (
    ActuationError,
    ConflictError,
    ForbiddenError,
    KubeError,
    NotLeadingError,
    RefusedError,
    RightsError,
    UnavailableError,
)

_WITHOUT_RIGHTS: Final = re.compile(r"cannot \w+ resource ")
"""RBAC's words; an admission that refuses answers 403, too."""


@contextmanager
def undone(what: str) -> Iterator[None]:
    """Raises an ``ActuationError`` that begins with what was not done, in place of a ``KubeError``."""
    try:
        yield
    except KubeError as error:
        raise _meaning(error, f"{what}: {error}") from error


def _meaning(error: KubeError, said: str) -> ActuationError:
    if isinstance(error, NotLeadingError):
        return RefusedError(said)
    if error.is_outdated or error.is_recreated:
        return ConflictError(said)
    if error.is_passing:
        return UnavailableError(said)
    if error.status == 403 and _WITHOUT_RIGHTS.search(error.message):
        return RightsError(said)
    # Everything else that is refused would be refused again at once: rights, admission, a schema.
    return RefusedError(said) if error.status == 404 else ForbiddenError(said)
