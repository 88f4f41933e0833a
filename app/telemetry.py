"""Logs, spans and metrics of Foretide itself. They never enter its own intake."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import orjson
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import StatusCode, Tracer

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_NOT_ON_TERMINAL: Final = frozenset({"decision_id", "k8s.namespace.name", "url.full", "digest", "pid"})
"""Fields that programs join on and that nobody reads."""
_LONGEST: Final = 200
_EXPORT_SECONDS: Final = 2
"""For one batch, retries included: a collector that is silent must not hold up our end, which has 10 s in all."""
_DIM, _YELLOW, _RED, _PLAIN = "\x1b[2m", "\x1b[1;33m", "\x1b[1;31m", "\x1b[0m"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: constant message, fields beside it."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        try:
            return orjson.dumps(entry, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
        except TypeError:  # a number beyond 64 bits, or text that is no Unicode: a log line must not be lost
            return json.dumps(entry, default=str)


class TerminalFormatter(logging.Formatter):
    """The same for eyes: time, message, then ``field=value``; warnings and errors stand out."""

    def __init__(self, *, color: bool = False) -> None:
        """With ``color`` in the terminal's colours."""
        super().__init__()
        self._color = color

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        at = datetime.fromtimestamp(record.created, tz=UTC).strftime("%H:%M:%S")
        shown = {name: value for name, value in _fields(record).items() if name not in _NOT_ON_TERMINAL}
        fields = "  ".join(f"{name}={_readable(value)}" for name, value in shown.items() if value not in (None, ""))
        level = f"{record.levelname}: " if record.levelno >= logging.WARNING else ""
        parts = [
            self._painted(at, _DIM),
            self._painted(level + _readable(record.getMessage()), _level_color(record.levelno)),
            self._painted(fields, _DIM),
        ]
        line = "  ".join(part for part in parts if part)
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line

    def _painted(self, text: str, color: str) -> str:
        return f"{color}{text}{_PLAIN}" if self._color and text and color else text


def set_up_logging(*, level: str, form: str, stream: TextIO, color: bool) -> None:
    """Log to ``stream``: ``form`` is ``json``, ``text`` or ``auto`` (text on a terminal, there with ``color``)."""
    on_terminal = stream.isatty()
    handler = logging.StreamHandler(stream)
    if form == "text" or (form == "auto" and on_terminal):
        handler.setFormatter(TerminalFormatter(color=color and on_terminal))
    else:
        handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in ("apscheduler", "uvicorn", "alembic", "aiohttp", "asyncio", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _readable(value: object) -> str:
    """One line without control characters: what is logged may come from outside."""
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    text = text if text.isprintable() else repr(text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _level_color(level: int) -> str:
    if level >= logging.ERROR:
        return _RED
    return _YELLOW if level >= logging.WARNING else ""


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopTick:
    """The newest tick of one loop: when it began, how long it and each of its steps took, and why it failed."""

    loop: str
    started_at: datetime
    duration_seconds: float
    steps: Mapping[str, float]
    error: str = ""


class LastTicks(SpanProcessor):
    """Keeps the newest root span of each loop with the durations of all spans below it, for the status page."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        self._lock = threading.Lock()
        self._steps: dict[int, dict[str, float]] = {}
        self._ticks: dict[str, LoopTick] = {}

    def on_end(self, span: ReadableSpan) -> None:
        """Note a span that ended."""
        context = span.context
        if context is None or span.start_time is None or span.end_time is None:
            return
        duration = (span.end_time - span.start_time) / 1e9
        with self._lock:
            below = self._steps.pop(context.span_id, {})
            if span.parent is not None:
                steps = self._steps.setdefault(span.parent.span_id, {})
                for name, seconds in (*below.items(), (span.name, duration)):
                    steps[name] = steps.get(name, 0.0) + seconds
                # A parent that never ends must not make this grow for ever.
                if len(self._steps) > 1000:
                    self._steps.pop(next(iter(self._steps)))
                return
            self._ticks[span.name] = LoopTick(
                loop=span.name,
                started_at=datetime.fromtimestamp(span.start_time / 1e9, tz=UTC),
                duration_seconds=duration,
                steps=below,
                error=(span.status.description or "failed") if span.status.status_code is StatusCode.ERROR else "",
            )

    def newest(self) -> list[LoopTick]:
        """The newest tick of each loop."""
        with self._lock:
            return sorted(self._ticks.values(), key=lambda tick: tick.loop)


class Tracing:
    """Where our own spans go: the status page, and an OTLP endpoint where one is set."""

    def __init__(self, *, version: str, otlp_endpoint: str | None) -> None:
        """``otlp_endpoint`` is a collector's base URL (``OTEL_EXPORTER_OTLP_ENDPOINT``), or None."""
        self.last_ticks = LastTicks()
        resource = Resource.create({"service.name": "foretide", "service.version": version})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(self.last_ticks)
        if otlp_endpoint:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

            exporter = OTLPSpanExporter(endpoint=f"{otlp_endpoint.rstrip('/')}/v1/traces", timeout=_EXPORT_SECONDS)
            self._provider.add_span_processor(BatchSpanProcessor(exporter))

    def tracer(self, package: str) -> Tracer:
        """The tracer of one package."""
        return self._provider.get_tracer(package)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()
