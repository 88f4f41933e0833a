"""One block of shared memory that worker processes of this machine read their chunks from: nothing is pickled or sent.

The block belongs to whoever lends it and is gone when the lender is closed. Where that process is killed, the resource
tracker, which it shares with its workers, takes the block away; a killed worker owned nothing.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from multiprocessing.shared_memory import SharedMemory
from types import TracebackType

import numpy as np
from numpy.typing import NDArray


def prefix() -> str:
    """What the names of this process's blocks begin with: who looks into /dev/shm sees whose they are."""
    return f"foretide-{os.getpid()}-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Where a chunk lies; picklable. ``end`` may be beyond the last row."""

    block: str
    shape: tuple[int, int]
    first: int
    end: int

    def read(self) -> NDArray[np.float32]:
        """A copy of the rows; in the process of a worker, or in the lender's own."""
        block = SharedMemory(self.block)
        try:
            values: NDArray[np.float32] = np.ndarray(self.shape, np.float32, block.buf)[self.first : self.end].copy()
        finally:
            block.close()
        return values


class Lender:
    """Holds a copy of histories in shared memory until it is closed."""

    def __init__(self, values: NDArray[np.float32]) -> None:
        """Copy ``values``, shape ``(series, steps)``."""
        self._shape = values.shape
        name = f"{prefix()}{secrets.token_hex(4)}"
        self._block = SharedMemory(name, create=True, size=max(1, values.size * 4))
        np.ndarray(self._shape, np.float32, self._block.buf)[:] = values

    def rows(self, first: int, end: int) -> Rows:
        """A handle of some rows, valid until the lender is closed."""
        series, steps = self._shape
        return Rows(block=self._block.name, shape=(series, steps), first=first, end=end)

    def __enter__(self) -> Lender:
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Take the block away."""
        self._block.close()
        self._block.unlink()
