"""Who leads: a Lease, judged by our own monotonic clock, with an epoch that grows at every takeover.

The leader renews every 2 s and stops acting 10 s after it *began* the last renewal that succeeded. A candidate takes
over when it has seen the Lease unchanged for 15 s by its own clock: what the clocks on the wall say decides nothing.
One that was given back it takes at once: a watch wakes it (``kube.handover``).
Nothing here can stop a request that is already on its way: ``fence`` says how long a write may take at most, the
``resourceVersion`` that a write was planned for and the epoch that it carries stop what is later still.
"""

from __future__ import annotations

import logging
import math
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from domain.errors import KubeError, NotLeadingError
from kube.connection import Connection
from kube.handover import Handover
from kube.kinds import Lease
from kube.lease_object import LeaseObject
from kube.writer import Fence

logger = logging.getLogger(__name__)

_JITTER: Final = 0.2
"""Tries come every ``retry_seconds`` × 1 to 1.2; client-go's come × 1 to 2.2."""
_SHORTEST_WAIT_SECONDS: Final = 0.01
_LARGEST_TRANSITIONS: Final = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTimes:
    """How long leadership lasts; the defaults are client-go's.

    ``lease_seconds``: unchanged for so long, anybody may take it.
    ``renew_seconds``: not renewed for so long, the leader stops; less than ``lease_seconds``.
    ``retry_seconds``: between tries; each has ``request_seconds`` at most.
    """

    lease_seconds: float = 15.0
    renew_seconds: float = 10.0
    retry_seconds: float = 2.0
    request_seconds: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """The Lease as it was when it last changed, and when that was by our clock."""

    lease: Lease
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Term:
    """A time of leading; replaced whole, so that every thread sees both numbers of the same renewal."""

    epoch: int
    renewed_at: float


class Elector:
    """One candidate for one Lease.

    Args:
        connection: The API server; its clock's monotonic time is the only one that counts.
        namespace: Of the Lease.
        name: Of the Lease.
        identity: Unique for each process, also over its restarts.
        times: How long leadership lasts.
        at_least: The highest epoch that was ever used as far as is known (in annotations); asked only when there is
            no Lease, so that a deleted one does not let the epochs begin anew, which the admission policy would refuse.
        chance: Between 0 and 1, so that candidates do not try in step. It decides nothing.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        namespace: str,
        identity: str,
        name: str = "foretide-controller",
        times: LeaseTimes | None = None,
        at_least: Callable[[], int] = lambda: 0,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._connection, self._clock = connection, connection.clock
        self._namespace, self._name, self.identity = namespace, name, identity
        self._times, self._at_least, self._chance = times or LeaseTimes(), at_least, chance
        self._seen: _Seen | None = None
        self._term: _Term | None = None
        self._highest, self._asked_for = 0, 0
        self._was_leading = False
        self._stopping, self._woken = threading.Event(), threading.Event()
        self._object = LeaseObject(connection, namespace=namespace, name=name)
        self._handover = Handover(connection, namespace=namespace, name=name, free=self._wake)
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)
        self.problem = ""
        """Why the last try failed, as a sentence; empty when it did not."""

    # ---- asked from any thread

    @property
    def epoch(self) -> int:
        """Of our leadership, else the highest that was seen; 0 when none was."""
        term = self._term
        return self._highest if term is None else term.epoch

    @property
    def leader(self) -> str:
        """Who holds the Lease as far as we know; empty when nobody does."""
        if self.leading():
            return self.identity
        seen = self._seen
        return (seen.lease.spec.holder_identity or "") if seen is not None else ""

    def leading(self) -> bool:
        """Whether we may act now; true for ``renew_seconds`` after the beginning of each renewal."""
        return not self._stopping.is_set() and self._in_time(self._term)

    def _in_time(self, term: _Term | None) -> bool:
        return term is not None and self._clock.monotonic() < term.renewed_at + self._times.renew_seconds

    def fence(self) -> Fence:
        """Leave for one write: our epoch, and the seconds for which nobody else can rightly lead.

        Raises:
            NotLeadingError: We do not lead (any more).
        """
        term, now = self._term, self._clock.monotonic()
        if term is None or not self.leading():
            why = f", {self.problem}" if self.problem else ""
            raise NotLeadingError(
                f"{self.identity} does not lead: the Lease {self._namespace}/{self._name} is not ours{why}",
                another=not self.problem or self.leader not in ("", self.identity),
            )
        return Fence(epoch=term.epoch, holds_seconds=term.renewed_at + self._times.lease_seconds - now)

    # ---- the thread

    def start(self) -> None:
        """Begins to try; returns at once."""
        if self._connection.metrics is not None:
            self._connection.metrics.leading.set_function(self.leading)
        self._thread.start()
        self._handover.start()

    def stop(self) -> None:
        """Stops leading at once and gives the Lease back, so that a candidate takes it."""
        self._stopping.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(timeout=self._times.request_seconds + 1.0)
        self.release()
        self._handover.stop()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                wait = self.attempt()
            except Exception as error:
                logger.exception("a try for the Lease broke")
                self.problem, wait = f"{type(error).__name__}: {error}", self._times.retry_seconds
            self._woken.wait(wait)
            self._woken.clear()

    def _wake(self) -> None:
        """The Lease is free: whoever leads needs no telling."""
        if not self.leading():
            self._woken.set()

    # ---- one step, for the thread and for tests

    def attempt(self) -> float:
        """Renews, takes or looks at the Lease once; says how many seconds later to come again."""
        try:
            self._renew_or_take()
            self.problem = ""
        except KubeError as error:
            if error.message != self.problem and error.status != 409:  # 409: another one was quicker
                logger.warning("the Lease cannot be had", extra={"error": error.message})
            self.problem = error.message
        if not self._in_time(self._term):  # Not `leading`: a term that ends because we stop is still to be given back.
            self._term = None
        if self._was_leading != self.leading():
            self._was_leading = not self._was_leading
            fields = {"epoch": self.epoch, "leader": self.leader, "error": self.problem}
            logger.info("leading" if self._was_leading else "leading no more", extra=fields)
        return self._wait_seconds()

    def release(self) -> None:
        """Gives the Lease back when it is ours; the epoch stays in it. Best effort: else it runs out by itself."""
        term, self._term = self._term, None
        if term is None or self._clock.monotonic() >= term.renewed_at + self._times.lease_seconds:
            return
        try:
            lease = self._object.read(timeout_seconds=self._times.request_seconds)
            if lease is not None and lease.spec.holder_identity == self.identity:
                # No holder; validation wants more than 0 seconds, 1 is what client-go writes.
                given_back = {"leaseDurationSeconds": 1, "leaseTransitions": term.epoch}
                self._object.write(lease, given_back, timeout_seconds=self._request_seconds())
                logger.info("the Lease was given back", extra={"epoch": term.epoch})
        except KubeError as error:
            logger.warning("the Lease could not be given back", extra={"error": error.message})

    def _renew_or_take(self) -> None:
        began = self._clock.monotonic()
        lease = self._object.read(timeout_seconds=self._request_seconds())
        if lease is None:
            self._term = None
            epoch = max(self._at_least(), self._highest) + 1
            self._lead(began, epoch, lambda: self._created(epoch))
            return
        self._observe(lease)
        ours = lease.spec.holder_identity == self.identity and lease.spec.lease_transitions == self._asked_for
        if ours:  # Also when the answer to our taking it was lost.
            self._lead(began, self._asked_for, lambda: self._written(lease, self._asked_for))
            return
        self._term = None
        if not lease.spec.holder_identity or self._runs_out_in() <= 0.0:
            epoch = min(self._highest + 1, _LARGEST_TRANSITIONS)
            self._lead(began, epoch, lambda: self._written(lease, epoch, anew=True))

    def _lead(self, began: float, epoch: int, write: Callable[[], Lease]) -> None:
        """Leads from the *beginning* of a try that succeeds: the server may have kept it at any time since."""
        self._asked_for = epoch
        self._observe(write())
        self._term = _Term(epoch=epoch, renewed_at=began)

    def _observe(self, lease: Lease) -> None:
        """Starts the Lease's time anew when its holder said something; what others write to its metadata is nothing."""
        if self._seen is None or self._seen.lease.spec != lease.spec:
            self._seen = _Seen(lease=lease, at=self._clock.monotonic())
        self._highest = max(self._highest, lease.spec.lease_transitions or 0)

    def _runs_out_in(self) -> float:
        """Seconds until the Lease that was seen may be taken by anybody."""
        if self._seen is None:
            return 0.0
        promised = float(self._seen.lease.spec.lease_duration_seconds or self._times.lease_seconds)
        return self._seen.at + promised - self._clock.monotonic()

    def _wait_seconds(self) -> float:
        """Until the next try: as usual, or when the Lease runs out if that is earlier."""
        usual = self._times.retry_seconds * (1.0 + _JITTER * self._chance())
        if self.leading() or self._seen is None:
            return usual
        runs_out = self._runs_out_in() + _JITTER * self._chance()
        return max(_SHORTEST_WAIT_SECONDS, min(usual, runs_out)) if runs_out > 0.0 else usual

    def _request_seconds(self) -> float:
        """A renewal must not outlast the time for which we lead: what comes later is of no use."""
        term = self._term
        if term is None:
            return self._times.request_seconds
        left = term.renewed_at + self._times.renew_seconds - self._clock.monotonic()
        return max(_SHORTEST_WAIT_SECONDS, min(self._times.request_seconds, left))

    def _created(self, epoch: int) -> Lease:
        return self._object.create(self._held(epoch), timeout_seconds=self._request_seconds())

    def _written(self, lease: Lease, epoch: int, *, anew: bool = False) -> Lease:
        return self._object.write(lease, self._held(epoch), anew=anew, timeout_seconds=self._request_seconds())

    def _held(self, epoch: int) -> dict[str, Any]:
        # Whole seconds, rounded up: others must not think that it ran out before we do.
        duration = math.ceil(self._times.lease_seconds)
        return {"holderIdentity": self.identity, "leaseDurationSeconds": duration, "leaseTransitions": epoch}
