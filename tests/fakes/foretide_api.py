"""What the doors read of a Foretide's API, with forecasts that a test sets; bodies are made by the API's own views."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np

from app.envelope import error_response, ok, page_of
from app.views import ForecastStatusView, ForecastView
from domain.forecasts import Forecast, signal_name
from forecaster.signal_state import SignalStatus

TOKEN = "a-token-of-thirty-two-characters"


def forecast(
    signal: str, *ahead: float, labels: Mapping[str, str] | None = None, step: timedelta = timedelta(minutes=5),
    age: timedelta = timedelta(), now: datetime | None = None,
) -> Forecast:  # fmt: skip
    """With these medians, step by step after the newest measurement; the 0.9 quantile is half as much again."""
    cutoff = (now or datetime.now(tz=UTC)) - age
    mean = np.array(ahead)
    levels = (0.5, 0.9)
    return Forecast(
        signal=signal_name(signal, labels or {}), model="fourier_ar", made_at=cutoff, cutoff=cutoff, step=step,
        season=timedelta(days=1), mean=mean, quantiles=levels, values=np.stack([mean, mean * 1.5], axis=1),
        reference=None, backtest=None, history_start=cutoff - timedelta(days=7), labels=labels or {},
    )  # fmt: skip


class ForetideApi:
    """Its forecasts by signal; those in ``ended`` are listed, and nobody forecasts them any more."""

    def __init__(self) -> None:
        self.forecasts: dict[str, Forecast] = {}
        self.ended: set[str] = set()
        self.away = False
        self.url = ""

    def put(self, *forecasts: Forecast) -> None:
        self.forecasts.update({one.signal: one for one in forecasts})

    def answer(self, target: str) -> bytes:
        """The body for an address."""
        split = urlsplit(target)
        if split.path == "/api/v1/status":
            return ok({"forecasts": [{"signal": one} for one in self.forecasts]}).model_dump_json().encode()
        of = parse_qs(split.query)["of"][0]
        found = [one for name, one in self.forecasts.items() if name == of or name.startswith(of + "{")]
        status = SignalStatus(next_due=datetime(2026, 11, 22, tzinfo=UTC), step=timedelta(minutes=5))
        living = ForecastStatusView(**ForecastStatusView.fields_of(status))
        views = [ForecastView.of(one, None if one.signal in self.ended else living, []) for one in found]
        return page_of(views, page=1, limit=200, total=len(views)).model_dump_json().encode()


@contextmanager
def serving(api: ForetideApi) -> Iterator[ForetideApi]:
    """On loopback, for who has the token."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            refused = self.headers.get("Authorization") != f"Bearer {TOKEN}"
            code = 401 if refused else 503 if api.away else 200
            body = api.answer(self.path) if code == 200 else bytes(error_response(code, "ERROR", "no").body)
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        api.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield api
        server.shutdown()
