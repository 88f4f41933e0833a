"""How many writes of a pass failed; with more than 5 % of them, and not only one or two, nothing is released in it.

Rights that a namespace has not given are no failure: it has not opted in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from controller.actuation.ring_trouble import Count
from domain.errors import ActuationError, ConflictError, RefusedError, RightsError, UnavailableError


@dataclass(slots=True)
class Tally:
    """Of the pass that is under way, and by namespace of all since somebody asked."""

    pass_: Count = Count()
    refused: dict[str, Count] | None = None

    def wrote(self, namespace: str, error: ActuationError | None = None) -> None:
        """One more write; a conflict is left to the next try and counts only then."""
        if isinstance(error, ConflictError | RefusedError | RightsError):
            return
        why = "" if error is None else str(error)
        self.pass_ += Count(1, int(error is not None), why)
        # A server that does not answer is nobody's rule's fault.
        if not isinstance(error, UnavailableError):
            refused = {} if self.refused is None else self.refused
            refused[namespace] = refused.get(namespace, Count()) + Count(1, int(error is not None), why)
            self.refused = refused

    @contextmanager
    def counting(self, namespace: str) -> Iterator[None]:
        """One write, however it ends."""
        try:
            yield
        except ActuationError as error:
            self.wrote(namespace, error)
            raise
        self.wrote(namespace)

    def since_asked(self) -> Mapping[str, Count]:
        """By namespace, and begins anew."""
        refused, self.refused = self.refused or {}, None
        return refused

    def abort(self) -> str:
        """Why nothing is released any more in this pass; empty: it may be."""
        if not self.pass_.too_many:
            return ""
        return f"nothing is released in this pass, {self.pass_.failed} of its {self.pass_.tried} writes failed"

    def end_pass(self) -> None:
        """The next one begins anew."""
        self.pass_ = Count()
