"""A program with both pools at work, to be killed."""

from __future__ import annotations

import os
import signal

import numpy as np

from forecaster.lending import Lender
from forecaster.workers import FitPool, OneShotPool


def main() -> None:
    pool, one_shot = FitPool(1), OneShotPool()
    pool.submit(os.getpid).result()
    one_shot.submit(os.getpid).result()
    lent = Lender(np.zeros((2, 3), dtype=np.float32))
    pool.submit(lent.rows(0, 2).read).result()
    one_shot.submit(signal.pause)
    pool.submit(signal.pause)
    while one_shot.busy is None:
        pass
    print("ready", lent.rows(0, 2).block, flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
