"""What a door answers, from the question to the value; and what it remembers while Foretide is away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.forecast_doors.feed import Feed
from app.forecast_doors.foretide import Foretide
from app.forecast_doors.question import (
    Answer,
    BadQuestionError,
    Known,
    NotNowError,
    Question,
    UnknownForecastError,
    answers,
    key_of,
    lead_of,
    name_of,
    quantile_of,
)
from app.forecast_doors.selector import matches, read
from tests.fakes.clock import ManualClock
from tests.fakes.foretide_api import TOKEN, ForetideApi, forecast, serving

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def foretide() -> Iterator[ForetideApi]:
    with serving(ForetideApi()) as api:
        yield api


def known(*ahead: float, age: timedelta = timedelta(), living: bool = True, **labels: str) -> Known:
    return Known(forecast=forecast("shop/rps", *ahead, labels=labels, age=age, now=NOW), living=living)


def asked(*of: Known, quantile: float = 0.5, lead: timedelta = 10 * MINUTE, series: str = "") -> list[Answer]:
    question = Question(key="shop/rps", quantile=quantile, lead=lead, series=tuple(read(series)))
    return answers(question, of, NOW)


def test_the_value_is_the_highest_until_the_lead_and_at_least_one_step_ahead() -> None:
    one = known(3, 7, 9, 1)
    assert [asked(one, lead=lead * MINUTE)[0].value for lead in (1, 5, 10, 15)] == [3, 3, 7, 9]
    assert asked(one, quantile=0.9)[0].value == 10.5
    assert asked(one, quantile=0.7)[0].value == pytest.approx(8.75)
    assert asked(one)[0].at == NOW


def test_a_stale_forecast_has_no_value() -> None:
    assert asked(known(3, 3, 3, 3, age=15 * MINUTE), lead=5 * MINUTE)[0].value == 3
    with pytest.raises(NotNowError, match="is stale: its last measurement is 16m old"):
        asked(known(3, 3, 3, 3, age=16 * MINUTE))
    with pytest.raises(NotNowError, match="has no value in the next"):
        asked(known(3, 3, age=11 * MINUTE))


def test_one_stale_series_stops_the_sum_unless_it_has_ended() -> None:
    fresh, stale = known(1, 1, zone="a"), known(*[9] * 9, age=16 * MINUTE, zone="b")
    with pytest.raises(NotNowError, match="is stale"):
        asked(fresh, stale)
    gone = Known(forecast=stale.forecast, living=False)
    assert [one.labels for one in asked(fresh, gone)] == [{"zone": "a"}]
    restarted = Known(forecast=fresh.forecast, living=False)
    with pytest.raises(NotNowError, match="is stale"):
        asked(restarted, gone)


def test_what_cannot_be_meant_is_refused_by_the_field() -> None:
    for quantile, lead, field in ((0.95, MINUTE, "quantile"), (0.4, MINUTE, "quantile"), (0.5, 11 * MINUTE, "lead")):
        with pytest.raises(BadQuestionError) as refused:
            asked(known(1, 1), quantile=quantile, lead=lead)
        assert refused.value.field == field
    for text in ("p90", "1", "nan", "-0.1"):
        with pytest.raises(BadQuestionError):
            quantile_of(text)
    for text in ("10", "0s", "-5m"):
        with pytest.raises(BadQuestionError):
            lead_of(text)
    for namespace, name in (("shop", "a/b"), ("shop", "a:b:c"), ("shop", ""), ("shop/x", "a"), ("shop", 'a{b="c"}')):
        with pytest.raises(BadQuestionError):
            key_of(namespace, name)
    with pytest.raises(UnknownForecastError):
        asked()


def test_names_go_both_ways() -> None:
    assert key_of("shop", "checkout.v2:rps") == "shop/checkout.v2/rps"
    assert name_of("shop/checkout.v2/rps") == "checkout.v2:rps"
    assert name_of('shop/cpu{namespace="a/b"}') == "cpu"


def test_selectors_choose_as_the_api_server_does() -> None:
    labels = {"a": "1", "foretide.dev/b": "2"}
    for text in ("", "a=1", "a==1,foretide.dev/b in (2, 3)", "a != 2", "c!=1", "c notin (1)", "!c", "a", " a , !c "):
        assert matches(read(text), labels), text
    for text in ("a=2", "a!=1", "a in (2,3)", "a notin (1)", "!a", "c", "c=", "c in (1)"):
        assert not matches(read(text), labels), text
    for text in ("a=1,", ",", "a in 1", "a==b==c", "a>1", "a in (1"):
        with pytest.raises(ValueError, match="selector"):
            read(text)


def test_labels_that_mean_something_to_us_are_exported_ones() -> None:
    assert asked(known(1, 1, quantile="0.99"), series="exported_quantile=0.99")[0].labels == {
        "exported_quantile": "0.99"
    }  # fmt: skip


def test_what_was_read_is_served_while_foretide_is_away(foretide: ForetideApi, tmp_path: Path) -> None:
    clock, token = ManualClock(NOW), tmp_path / "token"
    token.write_text(TOKEN)
    feed = Feed(Foretide(foretide.url, token).ask, clock=clock)
    foretide.put(forecast("shop/web/rps", 1.0, now=NOW), forecast("shop/web2/rps", 1.0, now=NOW))
    feed.look()
    assert feed.names == ("web2:rps", "web:rps")
    (first,) = feed.of("shop/web/rps")

    foretide.away = True
    foretide.put(forecast("shop/web/rps", 2.0, now=NOW))
    clock.advance(timedelta(seconds=61))
    assert feed.of("shop/web/rps") == [first]
    with pytest.raises(NotNowError, match="cannot be read: no"):
        feed.of("shop/web2/rps")
    feed.look()
    assert feed.names == ("web2:rps", "web:rps")

    foretide.away = False
    clock.advance(timedelta(seconds=5))
    (second,) = feed.of("shop/web/rps")
    assert second.forecast.mean.tolist() == [2.0]
    assert feed.of("shop/nobody") == []


def test_a_series_that_stands_on_two_pages_counts_once() -> None:
    api = ForetideApi()
    api.put(*(forecast("shop/cpu", 1.0, labels={"pod": f"p{number:03}"}, now=NOW) for number in range(200)))
    pages = iter([api, api])

    def ask(path: str) -> Any:
        told = json.loads(next(pages).answer(path))["data"]
        return told if "page=1" in path else told[-1:]

    assert len(Feed(ask, clock=ManualClock(NOW)).of("shop/cpu")) == 200
    assert next(pages, None) is None


def test_a_renewed_token_is_read_again(foretide: ForetideApi, tmp_path: Path) -> None:
    clock, token = ManualClock(NOW), tmp_path / "token"
    token.write_text("x" * 32)
    feed = Feed(Foretide(foretide.url, token).ask, clock=clock)
    foretide.put(forecast("shop/web/rps", 1.0, now=NOW))
    with pytest.raises(NotNowError):
        feed.of("shop/web/rps")
    token.write_text(TOKEN)
    clock.advance(timedelta(seconds=5))
    assert len(feed.of("shop/web/rps")) == 1
