from __future__ import annotations

import math
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_oracle
from prometheus_client.parser import text_string_to_metric_families as text_oracle

from collector.exposition import Page, PageParser
from collector.exposition_line import Format
from domain.errors import IntakeError
from domain.labels import Labels

TEXT, OPENMETRICS = Format.TEXT, Format.OPENMETRICS


def parser(**more: bool) -> PageParser:
    return PageParser(lambda labels: labels, **more)


def values_of(page: Page) -> dict[str, float]:
    return {str(labels): float(value) for labels, value in zip(page.labels, page.values, strict=True)}


def read(body: str, page_format: Format = TEXT) -> dict[str, float]:
    return values_of(parser().parse(body.encode(), page_format))


def test_reads_a_page() -> None:
    body = (
        "# HELP http_requests_total Requests.\n# TYPE http_requests_total counter\n"
        'http_requests_total{method="post",code="200"} 1027\n'
        'msdos{path="C:\\\\DIR",error="a\\n\\"b\\" }{ #"} 1.458255915e9\n'
        "\n# any comment\nno_labels 12.47\nweird{} +Inf\n\tspaced {a = \"b\" , }\t-1e3 \n"
        '{"quoted.name","q-l"="v"} 3\nlast 0'
    )  # fmt: skip

    assert read(body) == {
        'http_requests_total{code="200", method="post"}': 1027,
        'msdos{error="a\\n\\"b\\" }{ #", path="C:\\\\DIR"}': 1.458255915e9,
        "no_labels": 12.47,
        "weird": math.inf,
        'spaced{a="b"}': -1000,
        'quoted.name{q-l="v"}': 3,
        "last": 0,
    }


def test_an_empty_page_is_a_page() -> None:
    page = parser().parse(b"", TEXT)

    assert (page.labels, page.scraped) == ((), 0)


def test_the_same_series_keep_the_same_labels_object() -> None:
    reader = parser()
    first = reader.parse(b'a{x="1"} 1\n# HELP b x\nb 2\n', TEXT)
    same_lines = reader.parse(b'a{x="1"} 10\n# HELP b x\nb 20\n', TEXT)
    other_help = reader.parse(b'a{x="1"} 100\n# HELP b y\nb 200\n', TEXT)
    swapped = reader.parse(b'b 3\na{x="1"} 4\n', TEXT)

    assert same_lines.labels is first.labels
    assert other_help.labels is first.labels
    assert list(other_help.values) == [100, 200]
    assert values_of(swapped) == {'a{x="1"}': 4, "b": 3}


def test_a_value_is_never_the_timestamp() -> None:
    reader = parser()
    for body, expected, stamps in [
        (b"a 1\nb 2\n", {"a": 1, "b": 2}, []),
        (b"a 1 1700000000000\nb 3\n", {"b": 3}, [("a", 1, 1700000000000)]),
        (b"a 2 1700000001000\nb 4\n", {"b": 4}, [("a", 2, 1700000001000)]),
        (b"a 3\nb 5\n", {"a": 3, "b": 5}, []),
    ]:
        page = reader.parse(body, TEXT)
        assert values_of(page) == expected
        assert [(str(own.labels), own.value, own.timestamp_ms) for own in page.stamped] == stamps


def test_timestamps_can_be_set_aside() -> None:
    reader = parser(honor_timestamps=False)
    first = reader.parse(b"a 1 1700000000000\nb 2\n", TEXT)
    second = reader.parse(b"a 3 1700000005000\nb 4\n", TEXT)

    assert values_of(second) == {"a": 3, "b": 4}
    assert second.stamped == ()
    assert second.labels is first.labels


def test_exemplars_do_not_become_values() -> None:
    body = (
        b'# TYPE a histogram\na_bucket{le="1"} %d # {trace_id="x y"} 0.67 1.5\na_bucket{le="+Inf"} %d # {} 9\n# EOF\n'
    )
    reader = parser()
    first, second = reader.parse(body % (5, 6), OPENMETRICS), reader.parse(body % (7, 8), OPENMETRICS)

    assert values_of(second) == {'a_bucket{le="1"}': 7, 'a_bucket{le="+Inf"}': 8}
    assert second.labels is first.labels


def test_openmetrics_timestamps_are_seconds() -> None:
    page = parser().parse(b"a 1 1700000000.123\n# EOF\n", OPENMETRICS)

    assert page.stamped[0].timestamp_ms == 1700000000123


def test_the_first_of_two_samples_of_a_series_wins() -> None:
    reader = parser()
    bodies = [b'a{x="1",y="2"} 1\nb 5\na{y="2",x="1"} 2\n', b'a{x="1",y="2"} 3\nb 6\na{y="2",x="1"} 4\n']
    pages = [reader.parse(body, TEXT) for body in bodies]

    assert values_of(pages[1]) == {'a{x="1", y="2"}': 3, "b": 6}
    assert pages[1].labels is pages[0].labels
    assert pages[1].scraped == 3


def test_the_first_wins_also_beside_a_line_with_an_exemplar() -> None:
    assert read('a 1 # {t="x"} 1\na 2\nb 3\n# EOF', OPENMETRICS) == {"a": 1, "b": 3}


def test_the_cache_stays_near_the_size_of_the_page() -> None:
    reader = parser()
    for turn in range(30):
        body = "".join(f'a{{pod="{turn}-{i}"}} {i}\n' for i in range(200)).encode()
        assert len(reader.parse(body, TEXT).labels) == 200

    assert len(reader._known) <= 2 * 1200 + 200


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("<html>", "expected a valid start token (a metric name), got \"<html>\""),
        ("a", 'expected value after metric, got ""'),
        ("a # x", "expected value after metric"),
        ("a one", 'expected a number, got "one"'),
        ("a 1_000", 'expected a number, got "1_000"'),
        ("a 0x1p3", 'expected a number, got "0x1p3"'),
        ("a 1\r", 'expected a number, got "1\\r"'),
        ("a 1 2 3", "expected timestamp or new record"),
        ("a 1 1.5", "expected timestamp or new record"),
        ("a 1 99999999999999999999", "out of range"),
        ("a1", "expected value after metric"),
        ('a{b="c" 1', "expected a closing brace"),
        ('a{b="c} 1', "expected a closing brace"),
        ("a{b} 1", "expected equal"),
        ("a{b=c} 1", "expected label value"),
        ('a{b="c" d="e"} 1', "expected comma or brace close"),
        ('a{1b="c"} 1', "expected label name"),
        ('a{,b="c"} 1', "expected label name"),
        ('a{b="c",b="d"} 1', 'label name "b" is not unique'),
        ('{b="c"} 1', "metric name not set"),
        ('a{"b"} 1', "metric name already set"),
        ("# TYPE a meter", 'invalid metric type "meter"'),
        ("# TYPE", None),
        ("# HELP 1a x", "expected metric name after HELP"),
    ],
)  # fmt: skip
def test_refuses_with_line_and_expectation(line: str, expected: str | None) -> None:
    body = f"ok 1\n{line}\n".encode()
    if expected is None:
        assert values_of(parser().parse(body, TEXT)) == {"ok": 1}
        return
    with pytest.raises(IntakeError) as caught:
        parser().parse(body, TEXT)

    assert expected in str(caught.value)
    assert str(caught.value).endswith(" at line 2")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("a 1\n", "data does not end with # EOF at line 1"),
        ("", "data does not end with # EOF"),
        ("# EOF\na 1\n", "unexpected data after # EOF at line 2"),
        ("\n# EOF\n", "expected a valid start token (a metric name), got \"\" at line 1"),
        ("# free comment\n# EOF\n", "expected # HELP, # TYPE, # UNIT or # EOF"),
        ("# UNIT a_bytes seconds\n# EOF\n", 'unit "seconds" not a suffix of metric "a_bytes"'),
        ("# TYPE a untyped\n# EOF\n", 'invalid metric type "untyped"'),
        ("a  1\n# EOF\n", "at line 1"),
        ("a 1 NaN\n# EOF\n", "invalid timestamp"),
        ('a 1 # {"x"} 1\n# EOF\n', "metric name already set"),
        ("a 1 # {} one\n# EOF\n", 'expected a number, got "one"'),
    ],
)  # fmt: skip
def test_openmetrics_refuses(body: str, expected: str) -> None:
    with pytest.raises(IntakeError) as caught:
        parser().parse(body.encode(), OPENMETRICS)

    assert expected in str(caught.value)


def test_a_refused_page_leaves_the_parser_usable() -> None:
    reader = parser()
    before = reader.parse(b"a 1\nb 2\n", TEXT)
    for broken in (b"a 1\nb x\n", b"a 1\nb\n", b"\xff\xfe 1\n", b'a{b="\xff"} 1\n'):
        with pytest.raises(IntakeError):
            reader.parse(broken, TEXT)
    after = reader.parse(b"a 3\nb 4\n", TEXT)

    assert after.labels is before.labels
    assert list(after.values) == [3, 4]


def test_a_target_may_change_its_format() -> None:
    reader = parser()
    reader.parse(b"a  1\nb 2 5\n", TEXT)
    assert values_of(reader.parse(b"a 3\nb 4\n# EOF\n", OPENMETRICS)) == {"a": 3, "b": 4}
    with pytest.raises(IntakeError):
        reader.parse(b"a  3\nb 4\n# EOF\n", OPENMETRICS)


NAMES = st.sampled_from(["a", "a_total", "up", "x:y", "Z9", "_"])
LABEL_NAMES = st.sampled_from(["b", "c", "le", "_d", "E1"])
LINE_ENDS = "\r\x85\u2028\u2029\x0b\x0c\x1c\x1d\x1e"  # the oracle splits lines there, the format does not
LABEL_VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=LINE_ENDS), max_size=8)
NUMBERS = st.floats(allow_nan=True) | st.integers(-(10**12), 10**12)
SERIES = st.tuples(NAMES, st.dictionaries(LABEL_NAMES, LABEL_VALUES, max_size=3))


def written(name: str, labels: dict[str, str]) -> str:
    escaped = {
        own: value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"') for own, value in labels.items()
    }
    return name + ("{" + ",".join(f'{own}="{value}"' for own, value in escaped.items()) + "}" if labels else "")


def same(ours: list[tuple[Labels, float]], theirs: list[tuple[Labels, float]]) -> bool:
    return len(ours) == len(theirs) and all(
        a == b and (x == y or (math.isnan(x) and math.isnan(y))) for (a, x), (b, y) in zip(ours, theirs, strict=True)
    )


@given(
    series=st.lists(SERIES, min_size=1, max_size=6, unique_by=lambda own: (own[0], tuple(sorted(own[1].items())))),
    rounds=st.lists(st.lists(NUMBERS, min_size=6, max_size=6), min_size=1, max_size=3),
    stamps=st.lists(st.none() | st.integers(0, 2**40), min_size=6, max_size=6),
    shuffles=st.randoms(use_true_random=False),
)
def test_text_pages_read_as_prometheus_client_reads_them(series, rounds, stamps, shuffles) -> None:  # type: ignore[no-untyped-def]
    unique = {Labels.of(labels, __name__=name): (name, labels) for name, labels in series}
    reader = parser()
    for numbers in rounds:
        lines = [
            f"{written(name, labels)} {number!r}" + ("" if stamp is None else f" {stamp}")
            for (name, labels), number, stamp in zip(unique.values(), numbers, stamps, strict=False)
        ]
        body = "\n".join(lines) + "\n"
        page = reader.parse(body.encode(), TEXT)
        ours = [
            *zip(page.labels, map(float, page.values), strict=True),
            *((own.labels, own.value) for own in page.stamped),
        ]
        theirs = [
            (Labels.of(sample.labels, __name__=sample.name), float(sample.value))
            for family in text_oracle(body)
            for sample in family.samples
        ]
        assert same(sorted(ours, key=lambda own: own[0]), sorted(theirs, key=lambda own: own[0])), body
        if shuffles.random() < 0.5:
            items = list(unique.items())
            shuffles.shuffle(items)
            unique = dict(items)


@given(
    values=st.lists(st.floats(0, 1e9), min_size=1, max_size=5),
    exemplars=st.lists(st.none() | st.text(string.ascii_letters + " \\#{}", max_size=10), min_size=5, max_size=5),
    stamped=st.booleans(),
)
def test_openmetrics_pages_read_as_prometheus_client_reads_them(values, exemplars, stamped) -> None:  # type: ignore[no-untyped-def]
    lines = ["# HELP a Things.", "# TYPE a counter"]
    for i, (value, exemplar) in enumerate(zip(values, exemplars, strict=False)):
        tail = f" {1700000000 + i}.5" if stamped else ""
        if exemplar is not None:
            tail += " # " + written("", {"t": exemplar}) + " 0.5 1.25"
        lines.append(f'a_total{{i="{i}"}} {value!r}{tail}')
    body = "\n".join([*lines, "# EOF", ""])
    theirs = [
        (Labels.of(sample.labels, __name__=sample.name), sample.value)
        for family in openmetrics_oracle(body)
        for sample in family.samples
    ]
    reader = parser()
    for page in (reader.parse(body.encode(), OPENMETRICS), reader.parse(body.encode(), OPENMETRICS)):
        ours = [
            *zip(page.labels, map(float, page.values), strict=True),
            *((own.labels, own.value) for own in page.stamped),
        ]
        assert same(sorted(ours, key=lambda own: own[0]), theirs), body
        assert {own.timestamp_ms for own in page.stamped} == {
            1700000000500 + 1000 * i for i in range(len(values)) if stamped
        }


@given(st.binary(max_size=60), st.sampled_from(list(Format)))
def test_garbage_is_refused_or_read_and_nothing_else(garbage: bytes, page_format: Format) -> None:
    reader = parser()
    reader.parse(b'a{b="c"} 1\n# EOF\n', page_format)
    for body in (garbage, b'a{b="c"} ' + garbage + b"\n# EOF\n"):
        fresh, warm = _outcome(parser(), body, page_format), _outcome(reader, body, page_format)
        assert fresh == warm, "what a parser has seen before must not change what it says"


def _outcome(reader: PageParser, body: bytes, page_format: Format) -> str:
    try:
        page = reader.parse(body, page_format)
    except IntakeError as error:
        return str(error)
    return f"{page.labels} {page.values} {page.stamped} {page.scraped}"
