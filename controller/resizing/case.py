"""One accepted right-sizing on its way: where it stands, what is seen of it, what may be written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from controller.resizing.change import Canary, Patch, Values


class Stage(StrEnum):
    """Where a case stands."""

    ACCEPTED = "Accepted"
    CANARY = "Canary"
    SOAKING = "Soaking"
    REST = "Rest"
    WATCHING = "Watching"
    REVERTING = "Reverting"
    DONE = "Done"
    ROLLED_BACK = "RolledBack"
    HELD = "Held"


class Deed(StrEnum):
    """What is to be written."""

    NOTHING = ""
    RESIZE_POD = "resize one pod"
    RAISED_TARGETS = "HPA targets of what rises"
    TEMPLATE = "the template"
    FALLEN_TARGETS = "HPA targets of what falls"
    RENEW = "renew the note"
    GIVE_BACK = "give back"
    LEAVE = "take the note away"


class Word(StrEnum):
    """Of whoever judges how pods do."""

    GO = "go"
    WAIT = "wait"
    BACK = "back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """Its word, and the sentences that it rests on."""

    word: Word = Word.WAIT
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What is seen of a workload at one look.

    Attributes:
        template: Of its pod template; None where there is no such workload.
        targets: By HPA and resource, utilisation in percent; None where there is none any more.
        rival: Who states what would be changed by a declaration, and would undo us.
        unfit: Why it can never be applied here (an HPA that KEDA keeps, a template that no pod takes).
        blocked: Why nothing may be written now (kill switch, freeze, no opt-in, another workload's turn).
        candidate: A pod that can be resized in place; None where none can.
        not_in_place: Why none can.
        canary: What the canary asks for; None where it is gone.
        resized: Whether its kubelet has done it.
        unresizable: Why its kubelet puts it off, or refuses; empty where it does not.
        rolled_out: Whether all pods are of the newest template.
        stuck: Why they will not be.
        replicas: That are wanted.
    """

    template: Values | None = None
    targets: Mapping[tuple[str, str], int | None] = field(default_factory=dict)
    rival: str = ""
    unfit: str = ""
    blocked: str = ""
    candidate: Canary | None = None
    not_in_place: str = ""
    canary: Values | None = None
    resized: bool = False
    unresizable: str = ""
    rolled_out: bool = False
    stuck: str = ""
    replicas: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One accepted right-sizing on its way.

    Attributes:
        id: Of the recommendation.
        by: Who accepted it.
        accepted_at: When.
        since: When the stage was entered.
        in_place: Whether a pod may go first; False once it was tried in vain.
        canary: The pod that went first.
        began_at: When the canary, or the template, had what was written.
        template_at: When the template was written.
        applied_at: When all of it stood.
        expires_at: Of the note.
        then: What ``REVERTING`` ends in, and why.
        everything: What rose is given back, too.
        written: Deeds that are done.
        tries: Of the deed that is due.
        canaries: Pods that were gone before they could be judged.
    """

    id: str
    patch: Patch
    by: str
    accepted_at: datetime
    stage: Stage = Stage.ACCEPTED
    since: datetime
    reason: str = ""
    in_place: bool = True
    canary: Canary | None = None
    began_at: datetime | None = None
    template_at: datetime | None = None
    applied_at: datetime | None = None
    expires_at: datetime | None = None
    then: Stage = Stage.ROLLED_BACK
    why: str = ""
    everything: bool = False
    written: tuple[Deed, ...] = ()
    tries: int = 0
    canaries: int = 0

    @property
    def over(self) -> bool:
        """Nothing of it is on its way any more."""
        return self.stage in (Stage.DONE, Stage.ROLLED_BACK, Stage.HELD)

    @property
    def goes_by_rollout(self) -> bool:
        """A whole workload is the canary: no other may begin while it soaks."""
        return self.canary is None and self.stage in (Stage.REST, Stage.WATCHING) and bool(self.patch.falling())
