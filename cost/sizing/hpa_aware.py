"""Request and utilisation target of an HPA move together, so that a pod goes on carrying what it carried.

An HPA keeps each pod at ``target * request``. Who lowers the request alone lowers that too: the HPA makes more pods,
each uses less, and the next advice is lower still (1, 0.8, 0.64, … at a target of 80 %). Here the operating point
stays, so the advice of tomorrow starts where today's did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from cost.sizing.observed import Risk, Size, Sizing

BURST_RATIO: Final = 0.15
"""Room above the operating point; the same as the VPA's margin."""
MOST_TARGET_PERCENT: Final = 90
"""Above it an HPA, whose tolerance is a tenth, hardly sees that more is asked for."""
_LEAVE_RATIO: Final = 0.05
"""A decrease below this is not worth a rollout; it also takes up what rounding to whole percent moves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Joint:
    """A pod's request (millicores or bytes) and the HPA's target that belongs to it."""

    request: int
    target_percent: int


def together(
    request: int, target_percent: int, wanted: int, *, burst_ratio: float = BURST_RATIO,
    most_target_percent: int = MOST_TARGET_PERCENT,
) -> Joint | None:  # fmt: skip
    """The pair nearest to ``wanted`` that keeps ``target * request``.

    Args:
        request: Of a pod now, all its containers; > 0.
        target_percent: Of the HPA now.
        wanted: What an engine wants for the pod.
        burst_ratio: Room that stays above the operating point.
        most_target_percent: Highest target.

    Returns:
        The same pair where nothing is to be moved; None where no target from 1 % on keeps the operating point: the
        caller leaves both.
    """
    point = request * target_percent  # in hundredths; whole numbers, so that five times is as exact as once
    floor = -(-point * round((1.0 + burst_ratio) * 1000) // 100_000)
    least = max(wanted, floor, -(-point // most_target_percent), 1)
    found = _pair(point, least, most_target_percent)
    if found is None:
        return None
    # Rounding the last proposal may have left it a hair below today's least: that is no reason to move.
    stands = request + max(1, request // 100) >= least and target_percent <= most_target_percent
    if stands and request - found.request <= max(1, int(request * _LEAVE_RATIO)):
        return Joint(request=request, target_percent=target_percent)
    return found


def for_pod(
    sizings: Sequence[Sizing], target_percent: int, *, others: int = 0, burst_ratio: float = BURST_RATIO
) -> list[Sizing]:
    """One resource of all containers of a pod, sized together with its HPA.

    The HPA divides by the requests of the whole pod, so containers are not free of each other: what the pod may not
    give up is shared by what each wants.

    Args:
        sizings: One engine's answers for the containers.
        target_percent: Of the HPA.
        others: Requests of containers that no answer is about.
        burst_ratio: Room above the operating point.
    """
    requests = [one.current.request for one in sizings]
    wanted = [None if one.wanted is None else one.wanted.request for one in sizings]
    known, wishes = [one for one in requests if one], [one for one in wanted if one]
    if len(known) < len(sizings) or len(wishes) < len(sizings):
        return [_left(one, "an HPA scales by it, and not every container of the pod has a request and an answer")
                for one in sizings]  # fmt: skip
    now = sum(known) + others
    joint = together(now, target_percent, sum(wishes) + others, burst_ratio=burst_ratio)
    if joint is None:
        return [_left(one, "no HPA target of 1 % or more keeps what a pod carries") for one in sizings]
    if (joint.request, joint.target_percent) == (now, target_percent):
        why = f"request and HPA target ({target_percent} %) fit each other"
        return [replace(one, wanted=one.current, hpa_target_percent=target_percent, risk=Risk.NONE,
                        reasons=(*one.reasons, why)) for one in sizings]  # fmt: skip
    shares = _shared(joint.request - others, wishes)
    why = f"HPA target {target_percent} % -> {joint.target_percent} % in the same change"
    return [
        replace(one, wanted=_sized(one, share), hpa_target_percent=joint.target_percent, reasons=(*one.reasons, why))
        for one, share in zip(sizings, shares, strict=True)
    ]


def _pair(point: int, least: int, most_target_percent: int) -> Joint | None:
    """Highest whole target whose request is not below ``least``, each rounded to the nearest."""
    around = point // least
    for target in (around + 1, around):
        if 1 <= target <= most_target_percent:
            request = (2 * point + target) // (2 * target)
            if request >= least:
                return Joint(request=request, target_percent=target)
    return None


def _shared(total: int, wishes: Sequence[int]) -> list[int]:
    """``total`` in the ratio of the wishes; what is left by rounding goes to the last, the sum is exact."""
    whole, given, shares = sum(wishes), 0, list[int]()
    for reached in (sum(wishes[: place + 1]) for place in range(len(wishes))):
        shares.append(total * reached // whole - given)
        given += shares[-1]
    return shares


def _sized(one: Sizing, request: int) -> Size:
    limit = one.wanted.limit if one.wanted else None
    return Size(request=request, limit=None if limit is None else max(limit, request))


def _left(one: Sizing, why: str) -> Sizing:
    return replace(one, wanted=None, risk=Risk.UNKNOWN, reasons=(*one.reasons, why))
