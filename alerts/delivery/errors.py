"""Why a message did not reach its receiver, in words without a secret in them."""

from __future__ import annotations

from datetime import timedelta

from domain.errors import ForetideError


class SendError(ForetideError):
    """It did not arrive, or nobody knows whether it did; try again.

    Attributes:
        retry_after: How long the receiver wants not to be called.
    """

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        """With its sentence."""
        super().__init__(message)
        self.retry_after = retry_after


class RefusedError(SendError):
    """The receiver will never take this message."""


class GoneError(SendError):
    """The receiver does not want any message any more."""
