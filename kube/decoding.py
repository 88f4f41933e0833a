"""JSON into types, from any thread.

msgspec 0.22 collects what it knows of a Struct at its first use, and shows it to other threads before it is whole: two
threads that decode into a type for the first time at once end the process with SIGSEGV. Reflectors and candidates begin
side by side, so each decoder is made once, by one thread at a time; decoding itself needs no lock.
"""

from __future__ import annotations

import threading
from typing import Any, Final, TypeVar

import msgspec

T = TypeVar("T")
_making: Final = threading.Lock()
_made: Final[dict[Any, msgspec.json.Decoder[Any]]] = {}


def decoder(of: Any) -> msgspec.json.Decoder[Any]:
    """The one decoder into ``of``: a type, or a union or list of types."""
    known = _made.get(of)
    if known is None:
        with _making:
            known = _made.setdefault(of, msgspec.json.Decoder(of))
    return known


def decoded(raw: bytes | str | msgspec.Raw, of: type[T]) -> T:
    """One value.

    Raises:
        msgspec.DecodeError: It is no JSON, or (``ValidationError``) no ``of``.
    """
    found: T = decoder(of).decode(raw)
    return found
