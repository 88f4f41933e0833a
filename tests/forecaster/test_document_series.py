"""Forecast documents: many series of one query."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from domain.errors import QuerySyntaxError
from domain.forecasts import Forecast
from domain.series import FloatArray
from forecaster.document_series import DocumentSeries, LabelPairs
from forecaster.run import ForecastLoop
from rules import RuleSet
from tests.fakes.executors import HeldExecutor, InlineExecutor
from tests.forecaster.documents import document, rule, rule_set
from tests.forecaster.synthetic import SEASON_LENGTH, STEP

MINUTE = timedelta(minutes=1)
DEMO = {"season": "24m", "history": "8h24m", "horizon": "12m", "unit": "requests/s"}


class Apps:
    """One curve per app; an app lives from and until when it is said to."""

    def __init__(self, now: datetime) -> None:
        self.lives = {"shop": (now - timedelta(hours=8), None), "blog": (now - timedelta(hours=4), None)}
        self.error: Exception | None = None
        self.asked: list[tuple[datetime, datetime]] = []

    def __call__(
        self, expr: str, start: datetime, end: datetime, step: timedelta, *, source: str | None = None
    ) -> tuple[Mapping[LabelPairs, FloatArray], bool]:
        self.asked.append((start, end))
        if self.error is not None:
            raise self.error
        at = (start.timestamp() + np.arange((end - start) // step + 1) * step.total_seconds()) / STEP.total_seconds()
        found = {}
        for rank, (app, (since, until)) in enumerate(self.lives.items(), start=1):
            values = (200 - 100 * np.cos(2 * np.pi * at / SEASON_LENGTH)) / rank
            values[at < since.timestamp() / STEP.total_seconds()] = np.nan
            if until is not None:
                values[at > until.timestamp() / STEP.total_seconds()] = np.nan
            if not np.isnan(values).all():
                found[(("app", app),)] = values
        return found, False


@pytest.fixture
def apps(now: datetime) -> Apps:
    return Apps(now)


@pytest.fixture
def saved() -> list[Forecast]:
    return []


def loop(apps: Apps, saved: list[Forecast], registry: CollectorRegistry, rules: Any) -> ForecastLoop:
    def no_values(*_: object) -> tuple[FloatArray, bool]:
        raise AssertionError("no trigger was asked for")

    return ForecastLoop(
        range_values=no_values, save=saved.append, pool=InlineExecutor(), reference_pool=HeldExecutor(),
        rules=rules, registry=registry, documents=DocumentSeries(apps),
    )  # fmt: skip


def of(**spec: Any) -> RuleSet:
    return rule_set(documents=(document("traffic", **{**DEMO, **spec}),))


def test_each_series_is_a_signal_with_its_labels_and_unit(
    apps: Apps, saved: list[Forecast], registry: CollectorRegistry, now: datetime
) -> None:
    loop(apps, saved, registry, of).tick(now)

    assert [one.signal for one in saved] == ['shop/traffic{app="blog"}', 'shop/traffic{app="shop"}']
    assert saved[0].labels == {"app": "blog"}
    assert saved[0].unit == "requests/s"
    assert [len(one.mean) for one in saved] == [48, 48]


def test_one_query_reads_the_history_of_all(
    apps: Apps, saved: list[Forecast], registry: CollectorRegistry, now: datetime
) -> None:
    loop(apps, saved, registry, of).tick(now)

    assert len(apps.asked) == 2  # which series there are now, and their histories


def test_a_series_joins_when_it_appears_and_ends_an_hour_after_its_last_value(
    apps: Apps, saved: list[Forecast], registry: CollectorRegistry, now: datetime
) -> None:
    running = loop(apps, saved, registry, of)
    running.tick(now)
    apps.lives["news"] = (now, None)
    apps.lives["blog"] = (now - timedelta(hours=4), now)

    running.tick(now + 50 * MINUTE)
    assert set(running.status()) == {f'shop/traffic{{app="{app}"}}' for app in ("shop", "blog", "news")}
    running.tick(now + 61 * MINUTE)
    assert set(running.status()) == {f'shop/traffic{{app="{app}"}}' for app in ("shop", "news")}


def test_beyond_the_most_the_largest_are_forecast_and_the_status_says_so(
    apps: Apps, saved: list[Forecast], registry: CollectorRegistry, now: datetime
) -> None:
    running = loop(apps, saved, registry, lambda: of(maxSeries=1))
    running.tick(now)

    assert [one.signal for one in saved] == ['shop/traffic{app="shop"}']
    assert running.status()["shop/traffic"].last_error == (
        "query yields 2 series; the 1 largest are forecast (maxSeries)"
    )


def test_a_query_without_an_answer_is_told_and_stops_no_other(
    apps: Apps, saved: list[Forecast], registry: CollectorRegistry, now: datetime
) -> None:
    running = loop(apps, saved, registry, of)
    apps.error = QuerySyntaxError("no such function")
    running.tick(now)
    assert running.status()["shop/traffic"].last_error == "no such function"

    apps.error = None
    running.tick(now + MINUTE)
    assert "shop/traffic" not in running.status()
    assert len(saved) == 2


def test_a_query_that_fails_later_ends_no_series(
    apps: Apps, saved: list[Forecast], registry: CollectorRegistry, now: datetime
) -> None:
    running = loop(apps, saved, registry, of)
    running.tick(now)
    apps.error = QuerySyntaxError("store is busy")
    running.tick(now + MINUTE)

    assert len(running.status()) == 3
    assert running.status()['shop/traffic{app="shop"}'].last_error == "store is busy"


def test_a_query_of_one_series_has_the_documents_name(
    saved: list[Forecast], registry: CollectorRegistry, now: datetime
) -> None:
    apps = Apps(now)
    whole = DocumentSeries(lambda *asked, source: ({(): next(iter(apps(*asked)[0].values()))}, True))

    [plan] = whole.plans(of(), now)

    assert plan.signal == "shop/traffic"
    assert whole.history(plan, now - timedelta(hours=1), now)[1]


def test_a_rule_may_use_a_series_with_a_quantile_of_its_own(apps: Apps, now: datetime) -> None:
    gate = {"wape": 0.2, "over": "3d"}
    asks = rule("checkout", of=None, document="traffic", series={"app": "shop"}, quantile=0.99, gate=gate)
    documents = (document("traffic", **DEMO, quantiles=[0.1, 0.5]),)

    blog, shop = DocumentSeries(apps).plans(rule_set(asks, documents=documents), now)

    assert asks.signal(asks.trigger("soon")) == shop.signal
    assert (blog.levels, shop.levels) == ((0.1, 0.5), (0.1, 0.5, 0.99))
    assert (blog.watched, shop.watched) == ((0.5,), (0.99,))
    assert (blog.judged, shop.judged) == ((), (timedelta(days=3),))


def test_labels_too_long_for_a_name_are_told(now: datetime) -> None:
    values = np.ones(400)
    rows = {(("app", "shop"),): values, (("app", "x" * 400),): values}
    series = DocumentSeries(lambda expr, start, end, step, source: (rows, False))

    [plan] = series.plans(of(), now)

    assert plan.labels == {"app": "shop"}
    assert series.troubles()["shop/traffic"].said == "1 series have labels too long for a name; aggregate them"


def test_an_edited_document_begins_anew(
    apps: Apps, saved: list[Forecast], registry: CollectorRegistry, now: datetime
) -> None:
    rules = [of()]
    running = loop(apps, saved, registry, lambda: rules[0])
    running.tick(now)
    rules[0] = of(horizon="6m")
    running.tick(now)

    assert [len(one.mean) for one in saved] == [48, 48, 24, 24]


def test_events_are_told_with_the_forecast(
    apps: Apps, saved: list[Forecast], registry: CollectorRegistry, now: datetime
) -> None:
    event = {"name": "sale", "start": now.isoformat(), "end": (now + 6 * MINUTE).isoformat(), "change": "+50%"}
    rules = [of(), of(events=[event])]
    running = loop(apps, saved, registry, lambda: rules.pop(0))
    running.tick(now)
    running.tick(now)

    assert [one.events for one in saved] == [(), (), ("sale",), ("sale",)]
    assert saved[3].mean[:24] == pytest.approx(1.5 * saved[1].mean[:24])
    assert saved[3].mean[24:] == pytest.approx(saved[1].mean[24:])
