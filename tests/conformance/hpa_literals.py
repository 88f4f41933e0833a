"""Reads values as they were written in Kubernetes' Go tests, however the case file spells them.

Keys are compared without case and underscores; ``{}`` and null are empty; a call is ``{"call": name, "args": [...]}``.
What cannot be understood is a ``Skip`` with its reason, never a guess.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from controller.hpa.numbers import milli_value


class Skip(Exception):
    """The case cannot be run; the reason."""


_SECONDS = {"millisecond": 0.001, "second": 1.0, "minute": 60.0, "hour": 3600.0}
_EMPTY: tuple[object, ...] = (None, {}, [], "", False, 0)


class Fields:
    """A mapping of a case, asked by any of several names; what nobody asked for is refused."""

    def __init__(self, given: Mapping[str, Any], *, of: str) -> None:
        self._given = {_plain(key): value for key, value in given.items()}
        self._asked: set[str] = set()
        self._of = of

    def get(self, *names: str) -> Any:
        """The first that is there and not null."""
        self._asked |= {_plain(name) for name in names}
        return next((self._given[_plain(name)] for name in names if self._given.get(_plain(name)) is not None), None)

    def has(self, *names: str) -> bool:
        return self.get(*names) is not None

    def ignore(self, *names: str) -> None:
        """These say nothing about the replicas."""
        self._asked |= {_plain(name) for name in names}

    def refuse_others(self) -> None:
        others = [key for key, value in self._given.items() if key not in self._asked and value not in _EMPTY]
        if others:
            raise Skip(f"{self._of} has unknown {', '.join(sorted(others))}")


def _plain(key: str) -> str:
    return key.replace("_", "").lower()


def mapping(value: Any, *, of: str) -> Fields:
    if value is None:
        value = {}
    if not isinstance(value, Mapping):
        raise Skip(f"{of} is no mapping: {short(value)}")
    return Fields(value, of=of)


def items(value: Any) -> list[Any]:
    """A list, the arguments of a call that makes one, or nothing."""
    if value is None or value == {}:
        return []
    if isinstance(value, Mapping) and "args" in value:
        return list(value["args"] or [])
    if not isinstance(value, list):
        raise Skip(f"expected a list, found {short(value)}")
    return value


def whole(value: Any) -> int:
    """An integer, or a call around one, such as ``Int32Ptr(50)``; null is 0, as in Go."""
    if value is None:
        return 0
    if isinstance(value, Mapping) and len(value.get("args") or []) == 1:
        return whole(value["args"][0])
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Skip(f"expected a number, found {short(value)}")
    try:
        return int(value)
    except ValueError:
        raise Skip(f"expected a number, found {short(value)}") from None


def milli(value: Any, *, number_is_milli: bool) -> int:
    """A quantity in milli-units: ``"1.0"``, ``NewMilliQuantity(15000)``, ``MustParse("1")`` or a number."""
    if isinstance(value, Mapping) and "call" in value:
        arguments = list(value.get("args") or [])
        if not arguments:
            raise Skip(f"a quantity without arguments: {short(value)}")
        if "milli" in str(value["call"]).lower():
            return whole(arguments[0])
        return milli(arguments[0], number_is_milli=False)
    if isinstance(value, str):
        called = re.search(r'(\w+)\(\s*"?(-?[\w.]+)"?', value)
        if called:
            return milli({"call": called[1], "args": [called[2]]}, number_is_milli=False)
        try:
            return milli_value(value)
        except ValueError:
            raise Skip(f"no quantity: {short(value)}") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Skip(f"no quantity: {short(value)}")
    return int(value) if number_is_milli else milli_value(value)


def ratio(value: Any) -> float:
    """A tolerance, as a number or a quantity."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return milli(value, number_is_milli=False) / 1000


def condition(value: Any) -> bool | None:
    """The Ready condition; null is none."""
    if value is None:
        return None
    text = str(value).lower()
    if text.endswith(("true", "false")):
        return text.endswith("true")
    raise Skip(f"readiness {short(value)}")


def started(value: Any, *, now: float) -> float:
    """A start time whose call is named after a hot CPU is now, all others lie three minutes back."""
    if value in (None, {}):
        return 0.0
    return now if "hot" in json.dumps(value).lower() else now - 180.0


def ago(value: Any) -> float:
    """How many seconds before now: ``time.Now().Add(-10 * time.Minute)`` in any spelling; no time at all is now."""
    text = json.dumps(value)
    found = re.search(r"(-?\s*\d+(?:\.\d+)?)\s*\*\s*(?:time\.)?(Millisecond|Second|Minute|Hour)", text)
    found = found or re.search(r"(?:time\.)?(Millisecond|Second|Minute|Hour)\s*\*\s*\(?(-?\s*\d+)", text)
    if found:
        number, unit = sorted(found.groups(), key=str.isalpha)
        return -float(number.replace(" ", "")) * _SECONDS[unit.lower()]
    if re.search(r"-\s*(?:time\.)?Minute", text):
        return 60.0
    if value is None or re.fullmatch(r'"?(time\.)?Now(\(\))?"?|\{"call": "(time\.)?Now", "args": \[\]\}', text):
        return 0.0
    raise Skip(f"time {short(value)}")


def short(value: Any) -> str:
    return json.dumps(value, default=str)[:60]
