"""What firing thresholds do, and that all of it is taken back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.budgets import deeds, levers
from controller.budgets.deeds import Approval, Change, Deed, DeedState, Order, Plan
from domain.scaling import Mode

NOON = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
END = datetime(2026, 12, 1, tzinfo=UTC)
CAP = Change(target="rule shop/web", field="replicas.max", before=20, after=12)
PLAN = Plan(changes=(CAP,), said="cap 12", saving=Decimal(30), expected=((5.0, 4.0, 6.0), (10.0, 8.0, 12.0)))


def order(mode: Mode = Mode.ENFORCE, *, firing: bool = True, plan: Plan = PLAN, **more: object) -> Order:
    fields = {"id": "b/over/cap", "period": "2026-11-01", "ends": END, **more}
    return Order(mode=mode, firing=firing, plan=plan, **fields)  # type: ignore[arg-type]


def held(now: datetime = NOON, **more: object) -> Deed:
    return deeds.acted(deeds.step(None, order(**more), now), now)  # type: ignore[arg-type]


def test_enforce_acts_holds_and_gives_back() -> None:
    deed = deeds.step(None, order(), NOON)
    assert (deed.state, deed.changes, deed.expires_at) == (DeedState.ACTING, (CAP,), END)
    deed = deeds.acted(deed, NOON)
    assert deeds.step(deed, order(), NOON + MINUTE) == deed
    assert deed.state is DeedState.HELD
    deed = deeds.step(deed, order(firing=False), NOON + 2 * MINUTE)
    assert (deed.state, deed.reason) == (DeedState.REVERTING, "is taken back: its threshold does not fire any more")
    assert deeds.reverted(deed, NOON + 9 * MINUTE).state is DeedState.INACTIVE


@pytest.mark.parametrize(("mode", "state"), [(Mode.OBSERVE, "Inactive"), (Mode.RECOMMEND, "Recommended")])
def test_observe_and_recommend_say_what_they_would_do(mode: Mode, state: str) -> None:
    deed = deeds.step(None, order(mode), NOON)
    assert (deed.state.value, deed.changes, deed.in_force) == (state, (CAP,), False)


def test_an_approval_is_for_the_exact_patch() -> None:
    deed = deeds.step(None, order(Mode.APPROVE), NOON)
    assert deed.state is DeedState.AWAITING_APPROVAL
    with pytest.raises(ValueError, match="another patch by now"):
        deeds.approved(deed, Approval(digest="0" * 16, by="local", at=NOON))
    deed = deeds.approved(deed, Approval(digest=deed.digest, by="local", at=NOON))
    assert deeds.step(deed, order(Mode.APPROVE), NOON + MINUTE).state is DeedState.ACTING
    # Somebody changes the rule's max before it is done: that patch was approved by nobody.
    other = replace(PLAN, changes=(replace(CAP, before=18),))
    waits = deeds.step(deed, order(Mode.APPROVE, plan=other), NOON + MINUTE)
    assert (waits.state, waits.approval) == (DeedState.AWAITING_APPROVAL, None)
    assert waits.digest != deed.digest


def test_a_proposal_keeps_its_numbers_for_a_day() -> None:
    deed = deeds.step(None, order(Mode.APPROVE), NOON)
    moved = order(Mode.APPROVE, plan=replace(PLAN, changes=(replace(CAP, after=11),)))
    assert deeds.step(deed, moved, NOON + timedelta(hours=23)).digest == deed.digest
    assert deeds.step(deed, moved, NOON + timedelta(hours=24)).changes[0].after == 11


def test_a_proposal_expires_after_three_days_and_does_not_come_again() -> None:
    deed = deeds.step(None, order(Mode.APPROVE), NOON)
    deed = deeds.step(deed, order(Mode.APPROVE), NOON + timedelta(hours=72))
    assert deed.state is DeedState.EXPIRED
    assert deeds.step(deed, order(Mode.APPROVE), NOON + timedelta(days=5)).state is DeedState.EXPIRED
    assert deeds.step(deed, order(firing=False), NOON + timedelta(days=5)).state is DeedState.INACTIVE


def test_what_must_not_be_done_by_itself_waits_and_what_nobody_may_do_does_not() -> None:
    critical = replace(PLAN, blocked="rule shop/web is critical")
    assert deeds.step(None, order(plan=critical), NOON).state is DeedState.AWAITING_APPROVAL
    burning = replace(PLAN, blocked_for_all="SLO shop/latency burns")
    deed = deeds.step(None, order(plan=burning), NOON)
    assert (deed.state, deed.reason) == (DeedState.INACTIVE, "not now: SLO shop/latency burns")
    waiting = deeds.step(None, order(Mode.APPROVE), NOON)
    waiting = deeds.approved(waiting, Approval(digest=waiting.digest, by="local", at=NOON))
    assert deeds.step(waiting, order(Mode.APPROVE, plan=burning), NOON + MINUTE).state is DeedState.AWAITING_APPROVAL


def test_an_action_that_lasts_expires_and_is_not_done_again() -> None:
    deed = held(lasts=timedelta(hours=24))
    deed = deeds.step(deed, order(lasts=timedelta(hours=24)), NOON + timedelta(hours=24))
    assert deed.state is DeedState.REVERTING
    deed = deeds.reverted(deed, NOON + timedelta(hours=25))
    assert deed.state is DeedState.EXPIRED
    assert deeds.step(deed, order(), NOON + timedelta(hours=26)).state is DeedState.EXPIRED
    fresh = deeds.step(deed, order(period="2026-12-01"), NOON + timedelta(days=20))
    assert fresh.state is DeedState.ACTING


def test_the_end_of_the_period_takes_everything_back() -> None:
    deed = deeds.step(held(), order(period="2026-12-01", firing=False), END)
    assert (deed.state, deed.reason) == (DeedState.REVERTING, "is taken back: the period 2026-11-01 is over")


def test_a_conflict_is_not_tried_again_and_an_outage_five_times() -> None:
    deed = deeds.step(None, order(), NOON)
    owned = deeds.acted(deed, NOON, failure="argocd owns spec.suspend", lasting=True)
    assert (owned.state, owned.reason) == (DeedState.FAILED, "argocd owns spec.suspend")
    assert deeds.step(owned, order(), NOON + MINUTE).state is DeedState.FAILED
    for tried in range(1, 6):
        deed = deeds.acted(deed, NOON, failure="no answer")
        assert deed.state is (DeedState.ACTING if tried < 5 else DeedState.FAILED)


def test_a_revert_is_tried_until_it_is_done() -> None:
    deed = deeds.step(held(), order(firing=False), NOON + MINUTE)
    for _ in range(50):
        deed = deeds.reverted(deed, NOON, failure="no answer")
    assert (deed.state, deed.tries) == (DeedState.REVERTING, 50)


def test_the_saving_is_what_was_expected_less_what_was_spent() -> None:
    deed = deeds.measured(held(), Decimal(6), NOON + timedelta(hours=2))
    assert (deed.realised, deed.realised_low, deed.realised_high) == (Decimal(4), Decimal(2), Decimal(6))
    assert deeds.measured(held(), Decimal(6), NOON + 30 * MINUTE).realised is None


def test_a_ceiling_is_given_back_by_a_tenth_a_minute() -> None:
    deed = held()
    assert levers.limits_of([deed], "shop/web", NOON).most == 12
    assert levers.limits_of([deed], "shop/other", NOON) == levers.Limits()
    deed = deeds.step(deed, order(firing=False), NOON)
    rising = [levers.limits_of([deed], "shop/web", NOON + n * MINUTE).most for n in range(5)]
    assert rising == [12, 14, 16, 18, 20]
    assert [levers.is_given_back(deed, NOON + n * MINUTE) for n in (3, 4)] == [False, True]


def test_a_ceiling_never_cuts_what_is_needed_and_a_tenth() -> None:
    assert levers.never_below(12, needed=10.0) == 12
    assert levers.never_below(12, needed=11.0) == 13
    assert levers.never_below(12, needed=None) == 12


circumstances = st.tuples(
    st.sampled_from(list(Mode)), st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.integers(1, 400)
)


@given(st.lists(circumstances, max_size=60), st.booleans())
def test_whatever_happens_in_the_end_nothing_stands(
    ticks: list[tuple[Mode, bool, bool, bool, bool, int]], by_period: bool
) -> None:
    deed: Deed | None = None
    now = NOON
    for mode, firing, blocked, fails, approves, minutes in ticks:
        now += minutes * MINUTE
        plan = replace(PLAN, blocked_for_all="the SLO burns" if blocked else "")
        before = deed
        deed = deeds.step(deed, order(mode, firing=firing, plan=plan), now)
        if deed.state is DeedState.ACTING and (before is None or before.state is not DeedState.ACTING):
            assert firing
            assert not blocked
            assert mode in (Mode.APPROVE, Mode.ENFORCE)
            assert mode is Mode.ENFORCE or (deed.approval is not None and deed.approval.digest == deed.digest)
        if deed.state is DeedState.AWAITING_APPROVAL and approves:
            deed = deeds.approved(deed, Approval(digest=deed.digest, by="local", at=now))
        elif deed.state is DeedState.ACTING:
            deed = deeds.acted(deed, now, failure="no answer" if fails else "")
        elif deed.state is DeedState.REVERTING:
            deed = deeds.reverted(deed, now, failure="no answer" if fails else "")
    last = order(firing=by_period, period="2026-12-01" if by_period else "2026-11-01", mode=Mode.OBSERVE)
    for _ in range(2):
        now += MINUTE
        deed = deeds.step(deed, last, now)
        if deed.state is DeedState.REVERTING:
            deed = deeds.reverted(deed, now)
    assert deed is not None
    assert not deed.in_force
    assert levers.limits_of([deed], "shop/web", now) == levers.Limits()
