"""Everything Foretide raises on purpose.

::

    ForetideError
    ├── SettingsError            foretide.yaml, environment or data folder: exit 2
    ├── RuleDocumentError        every mistake at once, each file:line:col; the running rules stay
    ├── ExpressionError          the text of ``combine`` is no expression; has its column
    ├── QueryError               a PromQL text that does not parse, is not supported, or breaks a limit
    │   ├── QuerySyntaxError         does not parse
    │   ├── UnsupportedQueryError    valid PromQL that Foretide does not evaluate; names the construct
    │   ├── QueryLimitError          too many series, samples or steps
    │   ├── QueryTimeoutError        took longer than is allowed
    │   ├── QueryExecutionError      duplicate label sets, many-to-many matching and their like
    │   └── QuerySourceError         the server that should answer is not there, refuses us, or throttles
    ├── IntakeError              bytes that arrived and cannot be taken (scrape page, OTLP body); says where
    ├── OverloadedError          an intake queue is full: the sender shall come again later
    ├── StoreError               a store file that cannot be opened, read or written
    │   └── RowRefusedError          the database works, but does not take this row: the others go on
    ├── UnknownSourceError       a query names a source that foretide.yaml does not have
    ├── NoDataError              → hold
    │   └── NoNumberError            something was read and is no number to decide on: the rule is Inactive
    ├── StaleSignalError         → hold
    ├── HistoryTooShortError     (needed, got) → hold, or a simpler model
    ├── FitFailedError           → seasonal naive, recorded on the Forecast
    ├── KubeError                what a Kubernetes API server answered instead of what was asked, or that it did not
    │   └── NotLeadingError          we may not write: the Lease is not ours any more, or the plan is of an older epoch
    └── ActuationError           the cluster did not do what was decided
        ├── ConflictError            → next tick
        ├── ForbiddenError           → stop this target, alert
        │   └── RightsError              RBAC does not let us: its namespace is tried again once a minute
        ├── RefusedError             the object is such that nothing may be written to it → hold, say so
        └── UnavailableError         → throttle this target only

A message is one sentence that says what and where; library errors are chained with ``from``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta


class ForetideError(Exception):
    """Base of everything Foretide raises on purpose."""


class SettingsError(ForetideError):
    """The configuration cannot be used; the program does not start (exit 2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One mistake in an operator's document, at the place where it stands.

    ``line`` and ``column`` count from 1; 0 means that the mistake belongs to the file as a whole.
    ``field`` is the dotted path inside the document (``spec.triggers[1].perReplica``), or empty.
    """

    file: str
    line: int
    column: int
    field: str
    message: str

    def __str__(self) -> str:
        """``file:line:col: field: message``, the form that editors and CI logs link."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.field}: {self.message}" if self.field else f"{place}: {self.message}"


class RuleDocumentError(ForetideError):
    """Documents with mistakes: all of them at once. The running rules stay."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        """Keep every mistake; the message is one line for each."""
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))


class ExpressionError(ForetideError):
    """The expression of ``combine`` cannot be used; ``column`` counts from 1."""

    def __init__(self, message: str, column: int) -> None:
        """Keep the column."""
        super().__init__(message)
        self.column = column


class QueryError(ForetideError):
    """A query that cannot be answered."""


class QuerySyntaxError(QueryError):
    """The text is no PromQL."""


class UnsupportedQueryError(QueryError):
    """Valid PromQL that Foretide refuses to approximate; the message names the construct."""


class QueryLimitError(QueryError):
    """The query would touch more series, samples or steps than is allowed."""


class QueryTimeoutError(QueryError):
    """The query took longer than is allowed; a shorter range or a longer step takes less."""


class QueryExecutionError(QueryError):
    """The query is well formed, but its data do not allow an answer."""


class QuerySourceError(QueryError):
    """The server that should answer does not: not reachable, refuses us (401, 403), throttles (429), is broken (5xx).

    Asking it again at once, or one by one, would make nothing better.
    """


class IntakeError(ForetideError):
    """Bytes that arrived cannot be taken: the message says where they are wrong."""


class OverloadedError(ForetideError):
    """The intake queue is full; the sender shall try again later."""


class StoreError(ForetideError):
    """A store cannot be opened, read or written: the message names the file."""


class RowRefusedError(StoreError):
    """The database works and does not take what it was given (a duplicate, a value that is no JSON)."""


class UnknownSourceError(ForetideError):
    """A query names a source that is not configured; the message names those that are."""


class NoDataError(ForetideError):
    """There is nothing to decide on. The caller holds."""


class NoNumberError(NoDataError):
    """A query answered, and not with one finite number: two series, NaN, a range. Waiting does not mend that."""

    def __init__(self, message: str, *, is_nan: bool = False) -> None:
        super().__init__(message)
        self.is_nan = is_nan


class StaleSignalError(ForetideError):
    """The newest sample is too old to decide on. The caller holds."""


class HistoryTooShortError(ForetideError):
    """The history does not reach back far enough for what was asked."""

    def __init__(self, *, needed: timedelta, got: timedelta) -> None:
        """Keep how much was needed and how much there is."""
        self.needed, self.got = needed, got
        super().__init__(f"needs {needed} of history, has {got}")

    def __reduce__(self) -> tuple[object, ...]:
        """Pickles: it crosses from a fit's worker process, and one that could not would break the whole pool."""
        return _history_too_short, (self.needed, self.got)


def _history_too_short(needed: timedelta, got: timedelta) -> HistoryTooShortError:
    return HistoryTooShortError(needed=needed, got=got)


class FitFailedError(ForetideError):
    """A model could not be fitted; seasonal naive is served and the reason recorded."""


class KubeError(ForetideError):
    """A Kubernetes API server refused, failed or did not answer.

    ``status`` is HTTP's, 0 when no answer came; ``reason`` is the machine's word of the Status object (``Conflict``,
    ``NotFound``, ``Expired``, …), or ``Timeout`` and ``Unreachable`` when none came; ``retry_after_seconds`` is None
    when the server named no time. ``causes`` are Status.details.causes as ``(reason, field, message)``: of an apply's
    conflict, one per field, its message naming the other manager.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        reason: str,
        retry_after_seconds: float | None = None,
        causes: Sequence[tuple[str, str, str]] = (),
    ) -> None:
        super().__init__(message)
        self.message, self.status, self.reason = message, status, reason
        self.retry_after_seconds, self.causes = retry_after_seconds, tuple(causes)

    @property
    def is_gone(self) -> bool:
        """The resourceVersion or the continue token is too old: list anew."""
        return self.status == 410

    @property
    def is_owned_by_another(self) -> bool:
        """An apply met fields that another manager owns; trying again changes nothing."""
        return self.status == 409 and any(reason == "FieldManagerConflict" for reason, _, _ in self.causes)

    @property
    def is_recreated(self) -> bool:
        """The object of that name has another uid than the one that was meant, or is gone: our plan is void."""
        if self.status == 422:
            return any(field == "metadata.uid" for _, field, _ in self.causes)
        # A deletion and an apply to what is gone have no causes, only these words (apiserver 1.36).
        said = ("UID in the precondition", "UID in precondition", "uid mismatch")
        return self.status == 409 and any(words in self.message for words in said)

    @property
    def is_outdated(self) -> bool:
        """The object changed since it was read (its resourceVersion is another): read and plan anew."""
        is_conflict = self.status == 409 and self.reason == "Conflict"
        return is_conflict and not self.is_owned_by_another and not self.is_recreated

    @property
    def is_passing(self) -> bool:
        """No answer, 429 or 5xx: the same request may succeed later."""
        return self.status in (0, 429) or self.status >= 500


class NotLeadingError(KubeError):
    """A write was stopped before it was sent: another process may lead by now. The caller's plan is void.

    ``another`` is False where nobody leads as far as we know, because the Lease cannot be had.
    """

    def __init__(self, message: str, *, another: bool = True) -> None:
        super().__init__(message, status=0, reason="NotLeading")
        self.another = another

    @property
    def is_passing(self) -> bool:
        """Never by itself."""
        return False


class ActuationError(ForetideError):
    """The cluster did not do what was decided."""


class ConflictError(ActuationError):
    """Somebody else changed the object (409): next tick decides anew."""


class ForbiddenError(ActuationError):
    """We may not act on this target (403): stop it and alert."""


class RightsError(ForbiddenError):
    """RBAC does not let us: the namespace has not opted in, or opted out. Tried again when a minute is over."""


class RefusedError(ActuationError):
    """We do not act on this object as it stands (another owner, a stamp that is not ours): nothing is written."""


class UnavailableError(ActuationError):
    """The cluster is not there or throttles (429, 5xx, timeout): wait for this target only."""
