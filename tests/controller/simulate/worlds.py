"""Generated workloads: days with a shape, noise from a fixed seed, no recorded data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from controller.simulate import protocol
from controller.simulate.loop import World
from controller.simulate.service import Service

SERVICE = Service.queue()


def load(days: float = 3.0, *, peak_replicas: float = 20.0, noise: float = 0.03, seed: int = 1) -> NDArray[np.float64]:
    """Offered requests per second every 15 s: a wave of a day with a steep morning."""
    ticks = np.arange(int(days * protocol.DAY_TICKS))
    wave = 0.55 + 0.45 * np.sin(2 * np.pi * ticks / protocol.DAY_TICKS)
    made = peak_replicas * SERVICE.safe_rps * wave**2
    return np.maximum(made * np.random.default_rng(seed).normal(1, noise, len(ticks)), 1.0)


def world(of: NDArray[np.float64], *, startup_seconds: tuple[float, float] = (60.0, 180.0)) -> World:
    return protocol.world(of, service=SERVICE, startup_seconds=startup_seconds)
