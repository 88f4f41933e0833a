"""Numba, where the extra `compiled` is installed: a compiled twin of the numeric modules, which stay plain Python.

The live decision calls the plain functions, a replay their twins; both are one source. Machine code is kept in the
user's cache folder, under a digest of all numeric sources: numba itself looks only at the file of the caller.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Final, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

IS_COMPILED: Final = False
"""What importing a module gives is plain: the live decision never loads numba (0.5 s and 60 MB)."""

_MARK: Final = "_may_be_compiled"


def compiled(function: Function) -> Function:
    """Mark a function on scalars and arrays for ``twins``; it stays as it is."""
    setattr(function, _MARK, True)
    return function


def twins(modules: Sequence[ModuleType]) -> tuple[Any, ...]:
    """The modules with every marked function compiled at its first call; the modules themselves without numba.

    Args:
        modules: A module that another one imports stands before it.
    """
    try:
        import numba
    except ImportError:
        return tuple(modules)
    if numba.config.DISABLE_JIT:
        return tuple(modules)
    if not numba.config.CACHE_DIR:  # otherwise the operator chose a folder (NUMBA_CACHE_DIR)
        numba.config.CACHE_DIR = _cache_folder(modules, numba.__version__)
    made: dict[str, ModuleType] = {}
    for module in modules:
        made[module.__name__] = _twin(module, made, numba.njit(cache=True, nogil=True))
    return tuple(made.values())


def _twin(module: ModuleType, made: dict[str, ModuleType], compile_one: Callable[[FunctionType], Any]) -> ModuleType:
    twin = ModuleType(module.__name__, module.__doc__)
    scope = vars(twin)
    for name, value in vars(module).items():
        if isinstance(value, ModuleType):
            scope[name] = made.get(value.__name__, value)
        elif isinstance(value, FunctionType) and value.__module__ in made:
            scope[name] = getattr(made[value.__module__], value.__name__)
        elif isinstance(value, FunctionType) and hasattr(value, _MARK):
            again = FunctionType(value.__code__, scope, name)
            scope[name] = compile_one(again)
        elif not name.startswith("__"):
            scope[name] = value
    return twin


def _cache_folder(modules: Sequence[ModuleType], version: str) -> str:
    """In the user's cache, or nowhere in particular: then numba looks beside the sources, or compiles anew."""
    digest = hashlib.sha256(f"{sys.version} {version}".encode())
    for module in modules:
        digest.update(Path(str(module.__file__)).read_bytes())
    try:
        folder = Path.home() / ".cache" / "foretide" / "compiled" / digest.hexdigest()[:16]
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return ""
    return str(folder)
