"""A data client over three made-up services: seeded, moves with its clock, and can be told to fail or be empty."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np

from dashboard.contract import (
    Columns,
    DecisionBrief,
    Decisions,
    ExplanationPart,
    ExplanationView,
    ForecastView,
    Peak,
    RowState,
    ServicePage,
    ServiceRow,
    Status,
    StoreFacts,
    Window,
)
from domain.clock import Clock, to_ms
from domain.errors import Mistake, StoreError
from domain.money import Money
from domain.scaling import Mode, Outcome, Proposal, Reason, TraceLine

SEASON_MS = 24 * 60_000
STEP_MS = 5000
PER_REPLICA = 12.0
MAX_REPLICAS = 8
PRICE = Decimal("0.0412")


def load_at(t: np.ndarray, seed: int = 0) -> np.ndarray:
    """A daily curve of 24 minutes with a burst, and noise that depends on the time alone."""
    phase = 2 * np.pi * (t % SEASON_MS) / SEASON_MS
    curve = 34 + 20 * np.sin(phase - 1.9) + 7 * np.sin(2 * phase + 0.6) + 6 * seed
    burst = 16 * np.exp(-(((t % (3 * SEASON_MS)) / 60_000 - 31) ** 2) / 3)
    cell = np.floor(t / STEP_MS)
    noise = ((np.sin(cell * 12.9898 + seed) * 43758.5453) % 1) * 5 - 2.5
    return np.clip(curve + burst + noise, 0, None)


class FakeDashboardData:
    """``broken`` makes every read of a service fail; ``bare`` knows nothing yet; ``silent`` has rows but no samples."""

    def __init__(
        self,
        clock: Clock,
        *,
        broken: bool = False,
        bare: bool = False,
        silent: bool = False,
        mistakes: tuple[Mistake, ...] = (),
        name: str = "checkout",
    ) -> None:
        self.clock, self.broken, self.bare, self.silent, self.mistakes, self.main = (
            clock, broken, bare, silent, mistakes, name,
        )  # fmt: skip
        self.generated_until = clock.now() - timedelta(minutes=20)
        self.started_at = clock.now() - timedelta(minutes=22)
        self.calls: list[tuple[str, Window, int]] = []

    def now(self) -> datetime:
        return self.clock.now()

    async def status(self) -> Status:
        return Status(
            version="0.1.0",
            cluster="local",
            started_at=self.started_at,
            mistakes=self.mistakes,
            rules_running=2,
            targets_up=4,
            targets_total=5,
            store=StoreFacts(series=412, samples=2_904_112, size_bytes=7_340_032),
        )

    async def fleet(self) -> tuple[ServiceRow, ...]:
        if self.broken:
            raise StoreError("metrics.db cannot be read: disk I/O error.")
        return () if self.bare else (self._row(self.main, 0), self._plain(), self._row("search", 1))

    async def decisions(self, namespace: str, name: str, window: Window, *, limit: int) -> Decisions:
        items = self._decisions(window) if self._seed(name) is not None else ()
        return Decisions(items=items[:limit], total=len(items))

    async def service(self, namespace: str, name: str, window: Window, *, max_points: int) -> ServicePage | None:
        self.calls.append((name, window, max_points))
        if self.broken:
            raise StoreError("metrics.db cannot be read: disk I/O error.")
        seed = self._seed(name)
        if seed is None or self.bare or namespace != "shop":
            return None
        return self._page(name, seed, window)

    async def explanation(self, namespace: str, name: str) -> ExplanationView | None:
        if self.broken:
            raise StoreError("metrics.db cannot be read: disk I/O error.")
        if self.bare or self._seed(name) not in (0, 1):
            return None
        end = to_ms(self.now()) // 60_000 * 60_000
        t = np.arange(end - 21 * SEASON_MS, end, 60_000, dtype=np.int64)
        cycle = t[-24:]
        season = load_at(cycle) - load_at(cycle).mean()
        trend = 40 + 4 * np.sin(np.arange(len(t)) / 90)
        left = 3 * np.sin(np.arange(len(t)) * 12.9898)

        def part(name: str, t: np.ndarray, v: np.ndarray, share: float, *, cycle: bool = False) -> ExplanationPart:
            columns = Columns(t=t, v=v, unit="req/s", n_raw=len(t), step_ms=60_000)
            return ExplanationPart(name=name, columns=columns, share=share, cycle=cycle)

        return ExplanationView(
            sentences=(
                "84 % of the variation is the season of 24m, 9 % irregular, 7 % the trend. The season of 24m is very "
                "regular (strength 0.93).",
                "Without its season the load returns to its level (Dickey-Fuller p 0.011).",
                "fourier_ar leaves nothing to learn one step ahead (Ljung-Box p 0.31).",
            ),
            parts=(
                part("Trend", t, trend, 0.07),
                part("Season of 24m", cycle, season, 0.84, cycle=True),
                part("Remainder", t, left, 0.09),
            ),
            references=(
                "Holt-Winters: α 0.11, γ 0.00; AIC 924 on 672 means of 15s",
                "SARIMAX with waves: AR 0.99, MA -0.74; AIC 1,423 on 336 means of 1m",
            ),
            cutoff=datetime.fromtimestamp(end / 1000, UTC),
            point=timedelta(minutes=1),
        )

    def _seed(self, name: str) -> int | None:
        return {self.main: 0, "search": 1, "mailer": 2}.get(name)

    def _page(self, name: str, seed: int, window: Window) -> ServicePage:
        t = self._times(window)
        load = load_at(t, seed)
        ruled = name != "mailer"
        desired = self._desired(t, seed)
        decisions = self._decisions(window) if ruled else ()
        steps = Columns.empty("pods")
        return ServicePage(
            row=self._row(name, seed) if ruled else self._plain(),
            load=_columns(t, load, "req/s"),
            capacity=_changes(t, self._actual(desired) * PER_REPLICA, "req/s") if ruled else Columns.empty("req/s"),
            replicas_current=_changes(t, self._actual(desired), "pods") if ruled else steps,
            replicas_desired=_changes(t, desired, "pods") if ruled else steps,
            forecast=self._forecast(seed) if ruled and not self.silent else None,
            latency_p95=_columns(t, 0.06 + 0.0016 * load + 0.4 * np.clip(load / 60 - 0.85, 0, None), "s"),
            cpu_utilization=_columns(t, np.clip(0.2 + load / 90, 0, 1), "ratio"),
            decisions=decisions[:200],
            decisions_total=len(decisions),
        )

    def _times(self, window: Window) -> np.ndarray:
        end = min(to_ms(window.end), to_ms(self.now()))
        first = -(-to_ms(window.start) // STEP_MS) * STEP_MS
        return np.empty(0, np.int64) if self.silent else np.arange(first, end + 1, STEP_MS, dtype=np.int64)

    def _desired(self, t: np.ndarray, seed: int) -> np.ndarray:
        """Enough for the load two minutes ahead, moved at most every 75 s."""
        held = t - t % 75_000
        return np.clip(np.ceil((load_at(held + 120_000, seed) + 4) / PER_REPLICA), 2, MAX_REPLICAS)

    def _actual(self, desired: np.ndarray) -> np.ndarray:
        return np.concatenate([desired[:4], desired[:-4]])[: len(desired)] if len(desired) else desired

    def _row(self, name: str, seed: int) -> ServiceRow:
        now = self.now()
        t = self._times(Window(start=now - timedelta(hours=1), end=now))
        load, desired = load_at(t, seed), self._desired(t, seed)
        known = len(t) > 0
        decisions = self._decisions(Window(start=now - timedelta(hours=1), end=now))
        return ServiceRow(
            namespace="shop",
            name=name,
            rule=f"shop/{name}",
            mode=Mode.ENFORCE if seed == 0 else Mode.OBSERVE,
            state=RowState.OK if known and seed == 0 else RowState.HOLDING,
            current_replicas=int(self._actual(desired)[-1]) if known else None,
            ready_replicas=int(self._actual(desired)[-1]) if known else None,
            desired_replicas=int(desired[-1]) if known else None,
            min_replicas=2,
            max_replicas=MAX_REPLICAS,
            load=float(load[-1]) if known else None,
            load_unit="req/s",
            sparkline=_columns(t[::12], load[::12], "req/s"),
            request_rate=float(load[-1]) if known else None,
            error_ratio=0.0021 if known else None,
            p95_latency_seconds=0.131 if known else None,
            forecast_peak=Peak(value=67.4 + 6 * seed, at=now + timedelta(minutes=7), quantile=0.9) if known else None,
            cost_per_hour=Money(amount=PRICE * int(desired[-1]), currency="USD") if known else None,
            last_decision=decisions[0] if decisions else None,
            generated_until=self.generated_until,
        )

    def _plain(self) -> ServiceRow:
        now = self.now()
        t = self._times(Window(start=now - timedelta(hours=1), end=now))
        return ServiceRow(
            namespace="shop", name="mailer", rule=None, mode=None, state=RowState.NO_RULE, load=3.2,
            load_unit="req/s", sparkline=_columns(t[::12], load_at(t[::12], 2) / 10, "req/s"), request_rate=3.2,
            error_ratio=0.041, p95_latency_seconds=1.82,
        )  # fmt: skip

    def _forecast(self, seed: int) -> ForecastView:
        now = to_ms(self.now())
        cutoff = now - now % 60_000
        t = cutoff + np.arange(1, 481, dtype=np.int64) * 15_000
        smooth = np.convolve(np.pad(load_at(t, seed), 4, mode="edge"), np.ones(9) / 9, mode="valid")
        spread = 3 + 4 * np.sqrt(np.arange(1, 481) / 480)
        levels = (0.05, 0.25, 0.5, 0.75, 0.9, 0.95)
        z = np.array([-1.64, -0.67, 0.0, 0.67, 1.28, 1.64])
        return ForecastView(
            t=t, mean=smooth, quantiles=levels, values=np.clip(smooth[:, None] + spread[:, None] * z, 0, None),
            unit="req/s", model="fourier_ar", made_at=datetime.fromtimestamp(cutoff / 1000, UTC),
            cutoff=datetime.fromtimestamp(cutoff / 1000, UTC), wape=0.068,
            coverage={0.05: 0.06, 0.5: 0.49, 0.9: 0.894, 0.95: 0.943}, generated=True,
            reference=Columns(t=t, v=smooth * 0.97 + 1, unit="req/s", n_raw=480, step_ms=15_000),
        )  # fmt: skip

    def _decisions(self, window: Window) -> tuple[DecisionBrief, ...]:
        t = self._times(window)
        if not len(t):
            return ()
        desired = self._desired(t, 0)
        changes = np.flatnonzero(np.diff(desired)) + 1
        return tuple(self._decision(int(t[i]), int(desired[i - 1]), int(desired[i])) for i in reversed(changes))

    def _decision(self, at_ms: int, before: int, after: int) -> DecisionBrief:
        at, up = datetime.fromtimestamp(at_ms / 1000, UTC), after > before
        load = float(load_at(np.array([at_ms], dtype=np.int64))[0])
        ahead = float(load_at(np.array([at_ms + 120_000], dtype=np.int64))[0])
        reactive = before if up else after
        return DecisionBrief(
            id=f"d-{at_ms}",
            rule=f"shop/{self.main}",
            at=at,
            mode=Mode.ENFORCE,
            from_replicas=before,
            to_replicas=after,
            outcome=Outcome.SCALE_UP if up else Outcome.SCALE_DOWN,
            reason=Reason.FORECAST_FLOOR if up else Reason.DESIRED_WITHIN_RANGE,
            message=(
                f"The forecast expects {ahead:.1f} req/s within 2 min (q90): {ahead:.1f} ÷ 12 per replica → {after}."
                if up
                else f"The highest need of the last 5 min fell to {after}."
            ),
            limited_by=("forecast",) if up else ("stabilization",),
            proposals=(
                Proposal(
                    trigger="rps", kind="query", replicas=int(np.ceil(load / 12)), value=load, target=12.0, unit="/s",
                    reason=f"{load:.1f} ÷ 12 per replica", as_of=at - timedelta(seconds=3),
                ),
                Proposal(
                    trigger="soon", kind="forecast", replicas=after if up else None, value=ahead if up else None,
                    target=12.0, unit="/s", as_of=at - timedelta(seconds=40),
                    reason=f"q90 of the next 2 min is {ahead:.1f}" if up else "gate closed: WAPE 31 % > 25 %",
                ),
            ),
            trace=(
                TraceLine(stage="triggers", replicas=reactive, message=f"rps asks for {reactive}"),
                TraceLine(
                    stage="forecast",
                    replicas=after,
                    message=f"floor {after} above the reactive {before}" if up else "no say, gate closed",
                ),
                TraceLine(stage="bounds", replicas=after, message=f"within [2, {MAX_REPLICAS}]"),
                TraceLine(stage="behavior", replicas=after, message="no policy limits the step"),
            ),
            cost_per_hour=Money(amount=PRICE * after, currency="USD"),
            cost_change_per_hour=Money(amount=PRICE * (after - before), currency="USD"),
        )  # fmt: skip


def _columns(t: np.ndarray, v: np.ndarray, unit: str) -> Columns:
    return Columns(t=t, v=np.asarray(v, dtype=np.float64), unit=unit, n_raw=len(t), step_ms=STEP_MS)


def _changes(t: np.ndarray, v: np.ndarray, unit: str) -> Columns:
    if not len(t):
        return Columns.empty(unit)
    kept = np.concatenate([[True], np.diff(v) != 0])
    return Columns(t=t[kept], v=v[kept], unit=unit, n_raw=len(t), step_ms=None)
