"""When a write counts as stale; the rest of the row needs a cluster."""

from __future__ import annotations

from typing import Any

from benchmarks.cluster_stale import History


def lease(*, revision: int, epoch: int) -> dict[str, Any]:
    return {"metadata": {"name": "lease-3", "resourceVersion": str(revision)}, "spec": {"leaseTransitions": epoch}}


def write(*, revision: int, epoch: int, number: int = 3) -> dict[str, Any]:
    annotations = {"foretide.dev/epoch": str(epoch)}
    return {"metadata": {"name": f"target-{number}", "resourceVersion": str(revision), "annotations": annotations}}


def test_a_write_of_an_epoch_after_the_next_has_begun_is_stale() -> None:
    history = History()
    history.led(lease(revision=1, epoch=1))
    history.led(lease(revision=10, epoch=2))
    history.led(lease(revision=20, epoch=2))  # renewed: it began before
    for one in (write(revision=9, epoch=1), write(revision=12, epoch=2), write(revision=11, epoch=1, number=4)):
        history.wrote(one)

    assert history.stale() == []
    history.wrote(write(revision=11, epoch=1))
    assert history.stale() == [("3", 11, 1)]
