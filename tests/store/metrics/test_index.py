from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domain.labels import Labels
from store.metrics.index import NEVER, SeriesIndex
from store.metrics.matchers import Matcher

_NAMES = st.sampled_from(["__name__", "job", "pod"])
_VALUES = st.sampled_from(["a", "b", "ab", "abc", "a\nb", "é"])
_PATTERNS = st.sampled_from(["", "a", "a|b", ".*", ".+", "a.*", "[^a]*", "b?", "a.b", "(?i)A"])
_LABELS = st.dictionaries(_NAMES, _VALUES).map(Labels.of)
_MATCHERS = st.one_of(
    st.builds(Matcher, name=_NAMES, op=st.sampled_from(["=", "!="]), value=st.one_of(_VALUES, st.just(""))),
    st.builds(Matcher, name=_NAMES, op=st.sampled_from(["=~", "!~"]), value=_PATTERNS),
)


@given(series=st.lists(_LABELS, unique=True), gone=st.sets(st.integers(0, 10)), matchers=st.lists(_MATCHERS))
def test_find_is_every_series_whose_labels_pass_every_matcher(
    series: list[Labels], gone: set[int], matchers: list[Matcher]
) -> None:
    index = SeriesIndex(max_series=100)
    ids = [index.add(labels, first_ms=0) for labels in series]
    index.find(matchers)  # an answer that must not outlive the next change
    index.discard(ids[n] for n in gone if n < len(ids))
    kept = [labels for n, labels in enumerate(series) if n not in gone]

    expected = [
        labels for labels in kept if all(matcher.matches(labels.value_of(matcher.name)) for matcher in matchers)
    ]

    assert index.labels_of(index.find(matchers)) == sorted(expected)
    assert index.labels_of(index.find(matchers)) == sorted(expected)
    assert len(index) == len(kept)


def test_new_series_are_refused_at_the_limit_and_old_ones_stay() -> None:
    index = SeriesIndex(max_series=2)
    one, two, three = (Labels.of(n=str(n)) for n in range(3))
    assert index.add(one, first_ms=0) == 1
    assert index.add(two, first_ms=0) == 2
    assert index.add(three, first_ms=0) is None
    assert index.id_of(one) == 1


def test_series_that_are_no_longer_active_make_room_up_to_five_times_the_limit() -> None:
    index = SeriesIndex(max_series=2)
    for n in range(10):
        series_id = index.add(Labels.of(n=str(n)), first_ms=n)
        assert series_id is not None
        index.widen(np.array([series_id]), first_ms=n, last_ms=n)
        index.count_active(n + 1)
    assert index.add(Labels.of(n="10"), first_ms=10) is None


def test_between_includes_both_ends_and_leaves_out_series_without_samples() -> None:
    index = SeriesIndex(max_series=10)
    ids = np.array([index.add(Labels.of(n=str(n)), first_ms=NEVER) for n in range(2)])
    index.widen(ids[:1], first_ms=10, last_ms=20)
    for start, end, found in [(20, 30, 1), (0, 10, 1), (21, 30, 0), (0, 9, 0), (15, 12, 0), (NEVER, 100, 1)]:
        assert index.between(ids, start, end).size == found


def test_it_grows_beyond_its_first_size() -> None:
    index = SeriesIndex(max_series=5000)
    for n in range(3000):
        index.add(Labels.of(n=str(n)), first_ms=0)
    index.widen(np.array([3000]), first_ms=1, last_ms=2)
    assert index.newest_ms() == 2
    assert index.idle_since(1).size == 2999
