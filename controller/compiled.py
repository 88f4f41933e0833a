"""Numba, where the extra `compiled` is installed: the numeric core is the same Python with and without it.

Compiled code is kept in the user's cache folder, under a digest of the numeric sources, so that a new version of a
callee in another file never meets the old machine code of its caller (numba itself looks at the caller's file only).
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

try:
    import numba
except ImportError:
    numba = None

Function = TypeVar("Function", bound=Callable[..., Any])

IS_COMPILED: Final[bool] = numba is not None and not numba.config.DISABLE_JIT
"""``NUMBA_DISABLE_JIT=1`` runs the plain code although numba is there: the tests compare both."""


def _sources() -> list[Path]:
    here = Path(__file__).parent
    return [here / "core.py", here / "price.py", *sorted((here / "simulate").glob("*.py"))]


def _cache_folder() -> Path:
    digest = hashlib.sha256()
    for file in _sources():
        digest.update(file.read_bytes())
    version = f"py{sys.version_info.major}{sys.version_info.minor}"
    return Path.home() / ".cache" / "foretide" / "numba" / f"{version}-{digest.hexdigest()[:16]}"


if IS_COMPILED and not numba.config.CACHE_DIR:
    try:
        numba.config.CACHE_DIR = str(_cache_folder())
    except (OSError, RuntimeError):  # no home folder: numba falls back to __pycache__
        pass


def compiled(function: Function) -> Function:
    """Compile ``function`` at its first call, or leave it plain; it may take scalars and arrays only."""
    if not IS_COMPILED:
        return function
    made: Function = numba.njit(cache=True, nogil=True)(function)
    return made
