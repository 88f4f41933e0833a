"""CapacityBuffers that nobody renewed, deleted by the reaper: by their annotations alone, at once, for no pod goes."""

from __future__ import annotations

from datetime import datetime

from controller.actuation.limits import Limits
from controller.actuation.stamp import FLOOR_LASTS, FREEZE
from controller.cluster.kubernetes_buffer import NAME, CapacityBuffer, discovered, note_of
from controller.reaper import Returned
from domain.errors import KubeError, RefusedError
from kube import Connection, Writer, listed
from kube.kinds import Kind


def reap_buffers(
    connection: Connection, writer: Writer, *, switch: str, everything: bool, now: datetime
) -> list[Returned]:
    """Those of ours that have expired, or all of them; ``switch`` says why nothing may be written.

    Raises:
        KubeError: They cannot be listed; 403 and 404 are none.
    """
    try:
        kind = discovered(connection)
        there = [] if kind is None else list(listed(connection, kind).objects.values())
    except KubeError as error:
        if error.status in (403, 404):
            return []
        raise
    told = [_reaped(writer, kind, one, switch, everything, now) for one in there if kind is not None]
    return [one for one in told if one is not None]


def _reaped(
    writer: Writer, kind: Kind[CapacityBuffer], found: CapacityBuffer, switch: str, everything: bool, now: datetime
) -> Returned | None:
    try:
        kept = note_of(found)
        if kept is None or not (everything or kept.is_expired(now) or kept.expires_at > now + 2 * FLOOR_LASTS):
            return None
        if not everything and kept.expires_at > now:
            return _told(found, "left alone: it claims to live longer than any of ours", done=False)
        if not everything and (why := f"the kill switch: {switch}" if switch else _frozen(found)):
            return _told(found, f"left alone: {why}", done=False)
        writer.delete(kind, found.metadata.namespace, found.metadata.name, uid=found.metadata.uid)
    except RefusedError as error:
        return _told(found, f"left alone: {error}", done=False)
    except KubeError as error:
        return _told(found, f"not deleted: {error}", done=False)
    return _told(found, "deleted: its room is free", done=True)


def _frozen(found: CapacityBuffer) -> str:
    return "its freeze annotation" if FREEZE in found.annotations else ""


def _told(found: CapacityBuffer, said: str, *, done: bool) -> Returned:
    stands, after = found.replicas, 0 if done else found.replicas
    return Returned(
        kind=NAME, namespace=found.metadata.namespace, name=found.metadata.name,
        before=Limits(low=stands, high=stands), after=Limits(low=after, high=after), said=said, done=done,
    )  # fmt: skip
