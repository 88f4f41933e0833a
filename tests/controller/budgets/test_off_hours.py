"""When workloads sleep, by the clocks that py-kube-downscaler is held to, and who has his way."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from controller.budgets import off_hours
from controller.budgets.off_hours import Seen, Step
from rules import schedule_times
from rules.circumstances import CronWindow

NIGHT = CronWindow(start="0 20 * * *", end="0 7 * * *", timezone="Europe/Berlin")
IN_IT, AFTER_IT = datetime(2026, 11, 21, 22, tzinfo=UTC), datetime(2026, 11, 22, 6, 1, tzinfo=UTC)
OURS = {"deed": "b/t/sleep", "before": 3, "after": 0}
LEFT = {**OURS, "left": "kubectl"}


@pytest.mark.parametrize(
    ("start", "end", "zone", "now", "expected"),
    [
        # "Sat-Sun 15:30-16:00 UTC" on Sunday 2017-11-26 at 15:33Z, and outside of it
        ("30 15 * * 6,0", "0 16 * * 6,0", "UTC", datetime(2017, 11, 26, 15, 33, tzinfo=UTC), True),
        ("30 15 * * 6,0", "0 16 * * 6,0", "UTC", datetime(2017, 11, 26, 16, 0, tzinfo=UTC), False),
        ("30 15 * * 6,0", "0 16 * * 6,0", "UTC", datetime(2017, 11, 27, 15, 33, tzinfo=UTC), False),
        # "Mon-Fri 09:00-10:00 Pacific/Auckland": Sunday 2018-11-04 20:30Z is Monday 09:30 there
        ("0 9 * * 1-5", "0 10 * * 1-5", "Pacific/Auckland", datetime(2018, 11, 4, 20, 30, tzinfo=UTC), True),
        ("0 9 * * 1-5", "0 10 * * 1-5", "Pacific/Auckland", datetime(2018, 11, 4, 21, 30, tzinfo=UTC), False),
    ],
)
def test_windows_by_the_clock_of_their_zone(start: str, end: str, zone: str, now: datetime, expected: bool) -> None:
    window = CronWindow(start=start, end=end, timezone=zone)
    assert schedule_times.of_window(window, now).in_force is expected
    assert off_hours.window_of(off_hours.told(window)) == window
    seen = Seen(asleep=False, note={})
    found = off_hours.due(window, seen, deed="d", wanted=True, now=now).step
    assert found is (Step.SLEEP if expected else Step.NOTHING)


def test_a_window_without_a_length_is_refused() -> None:
    """``Mon-Mon 00:00-00:00 CET`` never is; here nobody can write it."""
    with pytest.raises(ValueError, match="needs a length"):
        CronWindow(start="0 0 * * 1", end="0 0 * * 1", timezone="CET")


@pytest.mark.parametrize(
    ("seen", "wanted", "now", "step"),
    [
        (Seen(asleep=False, note={}), True, IN_IT, Step.SLEEP),
        (Seen(asleep=True, note={}), True, IN_IT, Step.NOTHING),  # his own 0
        (Seen(asleep=True, note=OURS), True, IN_IT, Step.NOTHING),
        (Seen(asleep=False, note=OURS, theirs=["kubectl"]), True, IN_IT, Step.LEAVE),
        (Seen(asleep=False, note=LEFT, theirs=["kubectl"]), True, IN_IT, Step.NOTHING),
        (Seen(asleep=True, note=LEFT), True, IN_IT, Step.NOTHING),
        (Seen(asleep=True, note=OURS), False, IN_IT, Step.WAKE),  # wake up now
        (Seen(asleep=True, note=OURS), True, AFTER_IT, Step.WAKE),  # also a missed one
        (Seen(asleep=True, note=OURS, theirs=["kubectl"]), True, AFTER_IT, Step.CLEAN),  # his 0 stays
        (Seen(asleep=False, note=OURS, theirs=["kubectl"]), True, AFTER_IT, Step.CLEAN),
        (Seen(asleep=False, note=LEFT), True, AFTER_IT, Step.CLEAN),
        (Seen(asleep=True, note={**OURS, "deed": "other"}), True, AFTER_IT, Step.NOTHING),
        (Seen(asleep=False, note={}), True, AFTER_IT, Step.NOTHING),
    ],
)
def test_the_table(seen: Seen, wanted: bool, now: datetime, step: Step) -> None:
    assert off_hours.due(NIGHT, seen, deed="b/t/sleep", wanted=wanted, now=now).step is step


def test_what_is_no_patch_of_ours_is_refused() -> None:
    with pytest.raises(ValueError, match="is no time to sleep"):
        off_hours.window_of("0 from now on")
