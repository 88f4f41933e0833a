"""Logs for programs and for eyes, and the ticks on the status page."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from app.telemetry import JsonFormatter, LastTicks, TerminalFormatter, Tracing, set_up_logging


def record(message: str = "target is up", level: int = logging.INFO, **fields: Any) -> logging.LogRecord:
    made = logging.makeLogRecord(
        {"name": "collector.scrape", "levelno": level, "levelname": logging.getLevelName(level)}
    )
    made.msg, made.created = message, 1_795_262_400.25
    vars(made).update(fields)
    return made


def failed() -> Any:
    try:
        raise ValueError("no")
    except ValueError:
        return sys.exc_info()


def test_json_is_one_object_with_the_fields_beside_the_message() -> None:
    line = JsonFormatter().format(record(job="shop", error="", n=3))
    assert json.loads(line) == {
        "time": "2026-11-21T12:00:00.250+00:00",
        "level": "info",
        "logger": "collector.scrape",
        "message": "target is up",
        "job": "shop",
        "error": "",
        "n": 3,
    }


@pytest.mark.parametrize("value", [2**70, "\ud800", {1: object()}, np.float64(1.5), b"\xff", {"a", "b"}])
def test_json_holds_whatever_is_logged(value: Any) -> None:
    line = JsonFormatter().format(record(value=value))
    assert "value" in json.loads(line)
    assert "\n" not in line


def test_json_tells_exceptions() -> None:
    assert "ValueError: no" in json.loads(JsonFormatter().format(record(exc_info=failed())))["exception"]


def test_a_terminal_line_leaves_out_what_nobody_reads() -> None:
    line = TerminalFormatter().format(record(job="shop", error="", pid=7, decision_id="x", seconds=0.123456))
    assert line == "12:00:00  target is up  job=shop  seconds=0.123"


def test_warnings_stand_out() -> None:
    assert TerminalFormatter().format(record("down", logging.WARNING)) == "12:00:00  WARNING: down"
    colored = TerminalFormatter(color=True).format(record("down", logging.ERROR))
    assert "\x1b[1;31mERROR: down\x1b[0m" in colored


def test_what_comes_from_outside_cannot_forge_lines() -> None:
    line = TerminalFormatter().format(record(reason="a\n12:00:01 forged\x1b[2J", long="x" * 10_000))
    assert "\n" not in line
    assert "\x1b" not in line
    assert len(line) < 400


def test_a_terminal_shows_tracebacks() -> None:
    assert TerminalFormatter().format(record(exc_info=failed())).endswith("ValueError: no")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize(
    ("form", "stream", "as_json"),
    [
        ("auto", Terminal(), False),
        ("auto", io.StringIO(), True),
        ("json", Terminal(), True),
        ("text", io.StringIO(), False),
    ],
)
def test_the_form_follows_the_stream(form: str, stream: io.StringIO, as_json: bool) -> None:
    set_up_logging(level="info", form=form, stream=stream, color=True)
    logging.getLogger("x").info("hello", extra={"a": 1})
    logging.getLogger("x").debug("not told")
    logging.getLogger("uvicorn.error").info("not told")
    (line,) = stream.getvalue().splitlines()
    assert line.startswith("{") is as_json
    assert ("\x1b" in line) is (not as_json and stream.isatty())


def test_last_ticks_keep_the_newest_of_each_loop_with_all_its_steps() -> None:
    ticks = LastTicks()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(ticks)
    tracer = provider.get_tracer("test")
    for _ in range(3):
        with tracer.start_as_current_span("decide"), tracer.start_as_current_span("controller.tick"):
            for _ in range(2):
                with tracer.start_as_current_span("controller.act"):
                    pass
    with tracer.start_as_current_span("host"):
        pass
    decide, host = ticks.newest()
    assert (decide.loop, host.loop) == ("decide", "host")
    assert set(decide.steps) == {"controller.tick", "controller.act"}
    assert decide.duration_seconds >= decide.steps["controller.tick"] >= decide.steps["controller.act"] > 0
    assert host.steps == {}


def test_ticks_that_never_end_do_not_add_up() -> None:
    ticks = LastTicks()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(ticks)
    tracer = provider.get_tracer("test")
    for _ in range(3000):
        endless = tracer.start_span("endless")

        with trace.use_span(endless), tracer.start_as_current_span("step"):
            pass
    assert len(ticks._steps) <= 1000
    assert ticks.newest() == []


def test_tracing_without_an_endpoint_keeps_spans_here() -> None:
    tracing = Tracing(version="1", otlp_endpoint=None)
    with tracing.tracer("controller").start_as_current_span("tick"):
        pass
    tracing.close()
    assert [tick.loop for tick in tracing.last_ticks.newest()] == ["tick"]
