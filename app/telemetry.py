"""Logs, spans and metrics of Foretide itself. They never enter its own intake."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import orjson
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Tracer

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


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
        return orjson.dumps(entry, default=str).decode()


class TerminalFormatter(logging.Formatter):
    """The same for eyes: time, level, message, then ``field=value``."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        at = datetime.fromtimestamp(record.created, tz=UTC).strftime("%H:%M:%S")
        fields = " ".join(f"{name}={value}" for name, value in _fields(record).items())
        line = f"{at} {record.levelname.lower():7} {record.getMessage()}" + (f"  {fields}" if fields else "")
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def set_up_logging(*, level: str, form: str, stream: TextIO = sys.stderr) -> None:
    """Log to ``stream``: ``form`` is ``json``, ``text`` or ``auto`` (text on a terminal)."""
    as_text = form == "text" or (form == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(TerminalFormatter() if as_text else JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in ("apscheduler", "uvicorn", "alembic", "aiohttp", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopTick:
    """The newest tick of one loop: when it began, how long it and each of its steps took."""

    loop: str
    started_at: datetime
    duration_seconds: float
    steps: Mapping[str, float]


class LastTicks(SpanProcessor):
    """Keeps the newest root span of each loop with its children's durations, for the status page."""

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
            if span.parent is not None:
                steps = self._steps.setdefault(span.parent.span_id, {})
                steps[span.name] = steps.get(span.name, 0.0) + duration
                # A parent that never ends must not make this grow for ever.
                if len(self._steps) > 1000:
                    self._steps.pop(next(iter(self._steps)))
                return
            self._ticks[span.name] = LoopTick(
                loop=span.name,
                started_at=datetime.fromtimestamp(span.start_time / 1e9, tz=UTC),
                duration_seconds=duration,
                steps=self._steps.pop(context.span_id, {}),
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

            exporter = OTLPSpanExporter(endpoint=f"{otlp_endpoint.rstrip('/')}/v1/traces")
            self._provider.add_span_processor(BatchSpanProcessor(exporter))

    def tracer(self, package: str) -> Tracer:
        """The tracer of one package."""
        return self._provider.get_tracer(package)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()
