"""XXH64 with seed 0, for the one place that needs Prometheus' own hash of a label set (``limit_ratio``).

Source: the xxHash specification. A compiled package for a dozen lines would be a dependency too many.
"""

from __future__ import annotations

from typing import Final

_MASK: Final = 2**64 - 1
_P1: Final = 0x9E3779B185EBCA87
_P2: Final = 0xC2B2AE3D27D4EB4F
_P3: Final = 0x165667B19E3779F9
_P4: Final = 0x85EBCA77C2B2AE63
_P5: Final = 0x27D4EB2F165667C5


def xxhash64(data: bytes) -> int:
    """The 64-bit hash of ``data``."""
    at, size = 0, len(data)
    if size >= 32:
        lanes = [(_P1 + _P2) & _MASK, _P2, 0, -_P1 & _MASK]
        while at + 32 <= size:
            lanes = [_round(lane, data[at + 8 * i : at + 8 * i + 8]) for i, lane in enumerate(lanes)]
            at += 32
        value = sum(_rotated(lane, by) for lane, by in zip(lanes, (1, 7, 12, 18), strict=True)) & _MASK
        for lane in lanes:
            value = ((value ^ _mixed(lane)) * _P1 + _P4) & _MASK
    else:
        value = _P5
    return _finished(_tail((value + size) & _MASK, data[at:]))


def _rotated(value: int, by: int) -> int:
    return ((value << by) | (value >> (64 - by))) & _MASK


def _mixed(value: int) -> int:
    return _rotated(value * _P2 & _MASK, 31) * _P1 & _MASK


def _round(lane: int, word: bytes) -> int:
    return _rotated((lane + int.from_bytes(word, "little") * _P2) & _MASK, 31) * _P1 & _MASK


def _tail(value: int, rest: bytes) -> int:
    while len(rest) >= 8:
        value = (_rotated(value ^ _mixed(int.from_bytes(rest[:8], "little")), 27) * _P1 + _P4) & _MASK
        rest = rest[8:]
    if len(rest) >= 4:
        value ^= int.from_bytes(rest[:4], "little") * _P1 & _MASK
        value = (_rotated(value, 23) * _P2 + _P3) & _MASK
        rest = rest[4:]
    for byte in rest:
        value = _rotated(value ^ (byte * _P5 & _MASK), 11) * _P1 & _MASK
    return value


def _finished(value: int) -> int:
    value = ((value ^ (value >> 33)) * _P2) & _MASK
    value = ((value ^ (value >> 29)) * _P3) & _MASK
    return value ^ (value >> 32)
